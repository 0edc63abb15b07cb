"""The page in a real browser without a screen: Chromium of the system, driven by Playwright."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.conftest import NAME, add_version, running
from tests.serving.plain_model import expected, write_plain_model
from tests.studies.report.test_browser import browser  # noqa: F401  (fixture)
from tfq_llm.exported.facts import Sampled

pytestmark = pytest.mark.slow

TOKEN = "0123456789abcdef-token"

# Elements with text of their own whose colours are too near to each other (WCAG 2.2 AA: 4.5 to 1).
LOW_CONTRAST = """() => {
    const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const ground = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = numbers(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility()
        && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && !e.closest('svg')).map(e => {
        const [a, b] = [luminance(numbers(getComputedStyle(e).color)), luminance(ground(e))].sort((x, y) => y - x);
        return [e.tagName, e.textContent.slice(0, 30), (a + 0.05) / (b + 0.05)];
    }).filter(found => found[2] < 4.5);
}"""

UNNAMED = """() => [...document.querySelectorAll('input, textarea, select, button')].filter(e =>
    !e.labels?.length && !e.textContent.trim() && !e.getAttribute('aria-label')).map(e => e.id)"""


@pytest.fixture
def page(browser, client, request):  # noqa: F811
    """A page of the server, of a width and a colour scheme, that must not complain or ask for anything elsewhere."""
    width, scheme = getattr(request, "param", (1400, "light"))
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    opened = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda made: asked.append(made.url))
    opened.goto(client.url)
    yield opened
    assert said == []
    assert [url for url in asked if not url.startswith(client.url)] == []
    context.close()


def classify(page: Any, *texts: str) -> None:
    page.get_by_label("Sentences, one on each line").fill("\n".join(texts))
    page.get_by_role("button", name="Classify").click()
    page.locator("#inside").wait_for()


EVERY_LOOK = [(width, scheme) for width in (400, 1400) for scheme in ("light", "dark")]


@pytest.mark.parametrize("page", EVERY_LOOK, indirect=True)
def test_a_sentence_its_inside_and_its_shots(page, request):
    width, _ = request.node.callspec.params["page"]
    text = "the movie was fine"
    classify(page, text)
    probabilities = expected(text)
    assert f"{100 * probabilities.max():.1f} %" in page.get_by_role("status").first.inner_text()
    shown = [f"{100 * probability:.1f} %" for probability in sorted(probabilities, reverse=True)]
    assert page.locator("#answer-list .number").all_inner_texts() == shown
    assert page.locator("#z .number").all_inner_texts() == ["−0.227", "0.921"]
    drawing = page.get_by_role("img", name="Circuit of 2 gates on 2 qubits")
    assert "1.80" in drawing.text_content()
    page.get_by_label("Machine", exact=True).select_option("forte-1")
    page.get_by_label("Shots", exact=True).fill("500")
    page.get_by_role("button", name="Measure").click()
    page.get_by_text("500 shots on forte-1 would have answered").wait_for()
    assert page.locator("#shots-result table").count() == 2
    assert "Its probabilities are exact." in page.locator("#about").inner_text()
    assert columns(page)["Exact"] == [f"{100 * probability:.1f} %" for probability in probabilities]
    page.get_by_text("What it is, what it was made of").click()
    assert page.get_by_role("heading", name="A plain model").is_visible()
    assert "<b>2</b>" in page.locator("#card").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(LOW_CONTRAST) == []
    assert page.evaluate(UNNAMED) == []


def columns(page: Any) -> dict[str, list[str]]:
    """The table of class probabilities."""
    head, *rows = page.locator("#shots-result table").first.locator("tr").all()
    cells = [row.locator("th, td").all_inner_texts() for row in rows]
    return dict(zip(head.locator("th").all_inner_texts(), map(list, zip(*cells, strict=True)), strict=True))


def test_a_sampled_answer_is_not_called_exact(browser, tmp_path):  # noqa: F811
    sampled = Sampled(shots=200, noise="aria-1", trajectories=None)
    write_plain_model(tmp_path / NAME / "1", serves=sampled)
    with running(tmp_path / NAME) as server:
        opened = browser.new_page()
        opened.goto(server.url)
        opened.get_by_text("drawn anew for every answer, with 200 shots, gate noise 'aria-1'").wait_for()
        classify(opened, "the movie was fine")
        assert "with a sampled probability of" in opened.get_by_role("status").first.inner_text()
        assert opened.get_by_text("These are estimates").is_visible()
        opened.get_by_role("button", name="Measure").click()
        opened.get_by_text("would have answered “").wait_for()
        shown = opened.locator("#answer-list .number").all_inner_texts()
        assert sorted(columns(opened)["Answer above"]) == sorted(shown)
        assert opened.get_by_text("exact", exact=False).count() == 0
        opened.close()


def test_with_the_keyboard_alone(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the form"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "texts"
    page.keyboard.type("one film")
    page.keyboard.press("Control+Enter")
    page.locator("#inside").wait_for()
    seen = []
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", seen
    assert seen[:7] == ["classify", "Look inside", "circuit", "machine", "shots", "seed", "measure"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_text("would have answered").nth(1).wait_for()


def test_several_sentences_and_choosing_one(page):
    classify(page, "a", " ", "<b>the</b> movie", "a long sentence of many words")
    assert page.get_by_role("status").first.inner_text() == "3 sentences were classified."
    assert page.locator("#chosen").inner_text() == "a"
    page.get_by_role("button", name="Look inside: <b>the</b> movie").click()
    assert page.locator("#chosen").inner_text() == "<b>the</b> movie"
    pressed = page.locator("#answer-list button").evaluate_all("all => all.map(each => each.getAttribute('aria-pressed'))")
    assert pressed == ["false", "true", "false"]


def test_choosing_by_keyboard_leads_inside(page):
    classify(page, "a", "the movie", "a long sentence of many words")
    assert page.evaluate("document.activeElement.id") == "classify"  # what was chosen without being asked takes no focus
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#chosen").inner_text() == "the movie"
    assert page.evaluate("document.activeElement.id") == "inside-title"
    assert page.locator("#inside-title").evaluate("title => title.getBoundingClientRect().top") < 900
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "circuit"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Look inside: a long sentence of many words"


def test_why_nothing_is_measured_is_said_beside_the_button(browser, plain, engine_to_compile):  # noqa: F811
    with running(plain.parent) as server:
        context = browser.new_context(viewport={"width": 390, "height": 844})
        opened = context.new_page()
        opened.goto(server.url)
        classify(opened, "the movie")
        measure, said = opened.get_by_role("button", name="Measure"), opened.locator("#shots-error")
        measure.click()
        opened.get_by_text("the simulation is being compiled for this machine").wait_for()
        engine_to_compile.go_on.set()
        server.wait_for(lambda: server.post("/api/shots", {"text": "the movie"}).status_code == 200)
        measure.click()
        opened.get_by_text("1,000 shots on aria-1 would have answered").wait_for()
        assert not said.is_visible()
        context.set_offline(True)
        measure.click()
        opened.get_by_text("The server does not answer.").wait_for()
        assert not opened.locator("#shots-result table").count()
        place, button = said.bounding_box(), measure.bounding_box()
        assert button["y"] + button["height"] <= place["y"] <= button["y"] + button["height"] + 100
        assert place["y"] + place["height"] <= 844
        assert not opened.locator("#error").is_visible()
        context.close()


def test_it_asks_for_the_token_and_says_what_is_wrong(browser, plain):  # noqa: F811
    with running(plain.parent, token=TOKEN) as server:
        opened = browser.new_page()
        opened.goto(server.url)
        opened.get_by_label("This server answers callers with its token").fill("wrong")
        opened.get_by_role("button", name="Use it").click()
        assert "send the server's token" in opened.get_by_role("alert").inner_text()
        opened.locator("#token").fill(TOKEN)
        opened.get_by_role("button", name="Use it").click()
        classify(opened, "the movie")
        assert opened.get_by_role("heading", name=NAME).is_visible()
        opened.close()


def test_it_goes_on_with_a_new_version(browser, models, plain):  # noqa: F811
    model = models(1)
    with running(model) as server:
        opened = browser.new_page()
        opened.goto(server.url)
        opened.get_by_text("Version 1:").wait_for()
        classify(opened, "the film")
        opened.get_by_label("Machine", exact=True).select_option("forte-1")
        add_version(plain, model, 2)
        server.wait_for(lambda: server.states() == {"2": "AVAILABLE", "1": "END"})
        classify(opened, "the movie")
        opened.get_by_text("Version 2:").wait_for()
        assert opened.get_by_label("Machine", exact=True).input_value() == "forte-1"
        opened.close()


def test_shots_are_of_the_version_that_answered(browser, models, plain):  # noqa: F811
    model = models(1)
    with running(model, versions=2) as server:
        opened = browser.new_page()
        opened.goto(server.url)
        classify(opened, "the movie")
        for newest, states in ((2, {"2": "AVAILABLE", "1": "AVAILABLE"}), (3, {"3": "AVAILABLE", "2": "AVAILABLE", "1": "END"})):
            add_version(plain, model, newest)
            server.wait_for(lambda states=states: server.states() == states)
            opened.get_by_role("button", name="Measure").click()
            if newest == 2:
                opened.get_by_text("Class probabilities of version 1").wait_for()
        opened.get_by_text("Version 1, which gave this answer, is not served any more.").wait_for()
        classify(opened, "the movie")
        opened.get_by_role("button", name="Measure").click()
        opened.get_by_text("Class probabilities of version 3").wait_for()
        opened.close()
