"""The report in a real browser without a screen: Chromium of the system, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.studies.report.synthetic import STUDIES, compare
from tfq_llm.studies.report import write_report

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


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of every kind, and one of two states that is not finished."""
    studies = {kind: make() for kind, make in STUDIES.items()}
    studies["unfinished"] = compare(states=("frozen", "tuned"), done=81, expected=120, failures={"a": "ValueError: <b>loss</b>"})
    return {name: write_report(study, tmp_path_factory.mktemp(name)) for name, study in studies.items()}


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", [*STUDIES, "unfinished"])
def test_it_is_read_without_errors_network_or_sideways_scrolling(
    browser: Any, pages: dict[str, Path], name: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    address = pages[name].as_uri()
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    assert said == []
    assert [url for url in asked if url != address and not url.startswith("data:")] == []
    # Tables and circuits scroll in frames of their own.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    verdict = page.locator(".verdict h2").first.bounding_box()
    assert verdict["y"] + verdict["height"] < 900 / 2
    assert page.locator(".verdict .sentence").first.bounding_box()["y"] < 900

    charts = page.evaluate(VISIBLE_CHARTS)
    assert len(charts) == page.locator("figure.chart").count() > 0
    for chart in charts:
        assert chart["role"] == "img"
        assert chart["title"]
        assert len(chart["description"]) > 40
        assert chart["smallest"] >= 9
        assert chart["outside"] == []
    page.close()
