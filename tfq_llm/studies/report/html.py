"""A report as one HTML file that needs nothing else: no script, no network."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tfq_llm.studies.report.charts.style import NARROW, WIDE
from tfq_llm.studies.report.document import Chart, Code, Document, Picture, Table, Text
from tfq_llm.studies.report.svg import inline_svg


def html(document: Document) -> str:
    """The page. Everything that comes from the study is escaped by the templates."""
    environment = Environment(
        loader=PackageLoader("tfq_llm.studies.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests.update(
        text=lambda block: isinstance(block, Text),
        table=lambda block: isinstance(block, Table),
        chart=lambda block: isinstance(block, Chart),
        picture=lambda block: isinstance(block, Picture),
        code=lambda block: isinstance(block, Code),
    )
    # Every chart is drawn for a page and for a telephone; its number keeps the names inside of the drawings apart.
    drawings = {
        chart.name: {name: Markup(inline_svg(chart, width, f"c{number}{name[0]}-")) for name, width in _WIDTHS.items()}
        for number, chart in enumerate(document.charts())
    }
    shown = {block.name for block in document.blocks() if isinstance(block, Table)}
    return environment.get_template("report.html.j2").render(
        document=document, drawings=drawings, shown=shown, data_uri=_data_uri, verdict_class=_verdict_class
    )


_WIDTHS = {"wide": WIDE, "narrow": NARROW}


def _data_uri(svg: str) -> str:
    """As an image, so that nothing in the drawing can run or meet the page's names."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _verdict_class(word: str | None) -> str:
    return {"better": "better", "worse": "worse", "no difference seen": "same", "too few runs": "few", None: "finding"}[word]
