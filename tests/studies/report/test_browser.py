"""The report in a real browser without a screen: Chromium of the system, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.studies.report.synthetic import STUDIES, compare, noise_grid
from tfq_llm.studies.report import ReportInput, write_report

pytestmark = pytest.mark.slow

VISIBLE_CHARTS = """() => [...document.querySelectorAll('.chart svg')].filter(svg => svg.getClientRects().length).map(svg => ({
    role: svg.getAttribute('role'),
    title: document.getElementById(svg.getAttribute('aria-labelledby'))?.textContent,
    description: document.getElementById(svg.getAttribute('aria-describedby'))?.textContent,
    smallest: Math.min(...[...svg.querySelectorAll('text')].map(text => text.getBoundingClientRect().height)),
    outside: [...svg.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect(), frame = svg.getBoundingClientRect();
        return box.left < frame.left - 2 || box.right > frame.right + 2 || box.bottom > frame.bottom + 2;
    }).map(text => text.textContent),
}))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Skips where there is no Chromium, but on a machine that tests changes."""
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "there is no chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def unfinished() -> ReportInput:
    """A comparison in two states that is not finished."""
    return compare(
        states=("frozen", "tuned"), done=81, expected=120, is_finished=False, failures={"a": "ValueError: <b>loss</b>"}
    )


# A finished comparison, and noise at one rate, have nothing that these two do not have.
PAGES = [make for kind, make in STUDIES.items() if kind not in ("compare", "noise")] + [noise_grid, unfinished]


@pytest.mark.slow
@pytest.mark.parametrize("make", PAGES)
def test_it_is_read_without_errors_network_or_sideways_scrolling(
    browser: Any, tmp_path: Path, make: Callable[[], ReportInput]
) -> None:
    address = write_report(make(), tmp_path).as_uri()
    for width in (400, 1400):
        page = browser.new_page(viewport={"width": width, "height": 900})
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert said == []
        assert [url for url in asked if url != address and not url.startswith("data:")] == []
        check_layout(page, width)
        check_charts(page)
        page.close()


def check_layout(page: Any, width: int) -> None:
    """Tables and circuits scroll in frames of their own, and the answer is on the first screen."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    verdict = page.locator(".verdict h2").first.bounding_box()
    assert verdict["y"] + verdict["height"] < 900 / 2
    sentence = page.locator(".verdict .sentence").first.bounding_box()
    assert sentence["y"] + sentence["height"] < 900


def check_charts(page: Any) -> None:
    """Each has a text for those who cannot see it, letters large enough for those who can, and nothing cut off."""
    charts = page.evaluate(VISIBLE_CHARTS)
    assert len(charts) == page.locator("figure.chart").count() > 0
    for chart in charts:
        assert chart["role"] == "img"
        assert chart["title"]
        assert len(chart["description"]) > 40
        assert chart["smallest"] >= 9
        assert chart["outside"] == []
