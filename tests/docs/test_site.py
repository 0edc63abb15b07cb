"""`make docs` builds the site: every reference is resolved, every public name is described, and no page asks another machine."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import tfq_llm
from tests.docs.pages import ROOT


class Page(HTMLParser):
    """Addresses that a page names: `links` to follow, `loads` that a browser fetches by itself; and its anchors."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag in ("img", "script", "iframe") or given.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads += [given[name] for name in ("src", "href") if name in given]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-d", target / "trees"]
    result = subprocess.run([*command, ROOT / "docs", target / "html"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return target / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


@pytest.mark.slow
def test_links_lead_to_pages_and_their_parts(pages: dict[Path, Page]) -> None:
    broken = []
    for file, page in pages.items():
        for link in page.links:
            address = urlsplit(link)
            if address.scheme or not link:
                continue
            target = (file.parent / unquote(address.path)).resolve() if address.path else file
            anchor = unquote(address.fragment)
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].anchors):
                broken.append(f"{file.name}: {link}")
    assert not broken


@pytest.mark.slow
def test_a_reader_without_network_sees_everything(site: Path, pages: dict[Path, Page]) -> None:
    assert not [f"{file.name}: {load}" for file, page in pages.items() for load in page.loads if urlsplit(load).netloc]
    assert not [
        (file.name, found)
        for file in site.rglob("*.css")
        if (found := re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", file.read_text(encoding="utf-8")))
    ]


@pytest.mark.slow
def test_every_public_name_is_described(pages: dict[Path, Page]) -> None:
    described = {anchor for page in pages.values() for anchor in page.anchors}
    modules = {name for name in tfq_llm.__all__ if hasattr(getattr(tfq_llm, name), "__path__")}
    for module in modules:
        package = getattr(tfq_llm, module)
        missing = [name for name in package.__all__ if f"tfq_llm.{module}.{name}" not in described and name.isidentifier()]
        assert [name for name in missing if callable(getattr(package, name))] == []
    assert {"tfq_llm.models.quantum_head", "tfq_llm.config.HeadConfig", "tfq_llm.errors.InputError"} <= described


@pytest.mark.slow
def test_sections_of_docstrings_and_settings_are_lists(site: Path) -> None:
    layers = (site / "api" / "layers.html").read_text(encoding="utf-8")
    assert "<strong>num_encoders</strong>" in layers
    assert "Raises:" not in re.sub(r"<dt[^>]*>.*?</dt>", "", layers, flags=re.DOTALL)
    config = (site / "api" / "config.html").read_text(encoding="utf-8")
    assert "fewest that hold the embedding" in config
