"""Figures as SVG: files that are the same for the same numbers, and parts of a page whose inner names never meet."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from xml.etree import ElementTree

from matplotlib.backends.backend_svg import FigureCanvasSVG

from tfq_llm.studies.report.charts.style import COLOURS, FAINT, INK, PAGE, styled
from tfq_llm.studies.report.document import Chart

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    PAGE: "var(--page)",
    COLOURS[0]: "var(--first)",
    COLOURS[1]: "var(--second)",
}


def svg_file(chart: Chart, width: float) -> str:
    """The chart as an SVG document on a white ground, for a file of its own."""
    svg = _drawn(chart, width)
    start = svg.index(">", svg.index("<svg")) + 1
    return f'{svg[:start]}\n <rect width="100%" height="100%" fill="white"/>{svg[start:]}'


def inline_svg(chart: Chart, width: float, prefix: str) -> str:
    """The chart as an `<svg role="img">` element with its title and description; every name inside starts with `prefix`.

    Ink, page and the first two colours come from variables of the page, which has two sets of them.
    """
    drawn = ElementTree.fromstring(_drawn(chart, width))
    left, top, across, down = (float(number) for number in drawn.attrib["viewBox"].split())
    names = {"title": f"{prefix}title", "desc": f"{prefix}desc"}
    # 72 points are 96 pixels of the page.
    size = {"width": f"{across * 4 / 3:.0f}", "height": f"{down * 4 / 3:.0f}", "viewBox": f"{left:g} {top:g} {across:g} {down:g}"}
    spoken = {"role": "img", "aria-labelledby": names["title"], "aria-describedby": names["desc"]}
    element = ElementTree.Element("svg", {**size, **spoken})
    ElementTree.SubElement(element, "title", {"id": names["title"]}).text = chart.title
    ElementTree.SubElement(element, "desc", {"id": names["desc"]}).text = chart.description
    for child in drawn:
        if child.tag != f"{_SVG}metadata":
            element.append(child)
    _for_a_page(element, prefix)
    return ElementTree.tostring(element, encoding="unicode", short_empty_elements=False)


# The page and the file of a chart are the same drawing.
@lru_cache(maxsize=64)
def _drawn(chart: Chart, width: float) -> str:
    with styled(chart.name):
        figure = chart.draw(width)
        file = io.StringIO()
        # What savefig does, without its drawing everything once before to lay it out: drawing lays it out too.
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    return file.getvalue()


def _for_a_page(element: ElementTree.Element, prefix: str) -> None:
    """Names with the prefix, where something refers to them; no name spaces, which HTML has not; no idle white space."""
    # A style sheet in here would hold for the whole page, which has the rule itself.
    for parent in list(element.iter()):
        for style in parent.findall(f"{_SVG}style"):
            parent.remove(style)
    used = set()
    for part in element.iter():
        link = part.attrib.pop(_LINK, None)
        if link:
            part.set("href", f"#{prefix}{link[1:]}")
            used.add(link[1:])
        used.update(re.findall(r"url\(#([^)]+)\)", " ".join(part.attrib.values())))
    for part in element.iter():
        part.tag = part.tag.removeprefix(_SVG)
        if part.tag in ("title", "desc"):
            continue
        name = part.attrib.pop("id", None)
        if name in used:
            part.set("id", f"{prefix}{name}")
        for key, value in part.attrib.items():
            part.set(key, _in_page(value, prefix))
        if part.tag != "text" and not (part.text or "").strip():
            part.text = None
        part.tail = None


def _in_page(value: str, prefix: str) -> str:
    value = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", value)
    for colour, variable in _VARIABLES.items():
        value = value.replace(colour, variable)
    return re.sub(r"\s*\n\s*", " ", value).strip()
