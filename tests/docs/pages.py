"""The commands that README.md, the pages in docs/ and saved_models/README.md print, as they print them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "saved_models" / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES = {str(file.relative_to(ROOT)).removeprefix("docs/"): file.read_text(encoding="utf-8") for file in FILES}
OURS = ("tfq-llm", ".venv/bin/tfq-llm", "make", "python", "python3.11", "pip")
OTHERS = (".", "cd", "curl", "docker", "export", "kill")
"""Programs that stand among ours, whose options are not for us to know."""


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Attributes:
        page: its file, without docs/ before it.
        text: without prompt and comment, on one line.
        whole: True for a line of an example; False for code in a sentence, which may be the beginning of a command.
    """

    page: str
    text: str
    whole: bool

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def python_examples(page: str) -> list[str]:
    """The Python code that a page prints, such as "README.md" or "serving.md"."""
    return re.findall(r"^```python\n(.*?)^```$", PAGES[page], flags=re.DOTALL | re.MULTILINE)


def commands() -> list[Command]:
    """All of them, each once for a page, in the order of the pages."""
    return list(dict.fromkeys(command for name, text in PAGES.items() for command in _of_page(name, text)))


def _of_page(name: str, text: str) -> Iterator[Command]:
    for block in _blocks(text):
        yield from (Command(name, line, True) for line in _lines(block))
    prose = re.sub(r"^(```.*?^```|    .*?)$", "", text, flags=re.DOTALL | re.MULTILINE)
    for code in re.findall(r"`([^`]+)`", prose):
        words = code.split()
        if words[0] in OURS and (len(words) > 1 or words[0] == "tfq-llm") and not re.match(r"python\S* \S+\.py", code):
            yield Command(name, " ".join(words), False)


def _blocks(text: str) -> Iterator[str]:
    """Indented examples, and fenced ones of shells."""
    yield from re.findall(r"^```(?:sh|shell|console)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for block in re.findall(r"(?:^\n)((?:^    .*\n|^\n(?=    ))+)", outside, flags=re.MULTILINE):
        yield re.sub(r"^    ", "", block, flags=re.MULTILINE)


def _lines(block: str) -> list[str]:
    """The commands of an example. Where some lines have a prompt, the others are what was printed."""
    lines = [re.sub(r"\s+# .*$", "", line).strip() for line in block.replace("\\\n", " ").splitlines()]
    lines = [" ".join(line.split()) if '"' not in line else re.sub(r"\s{2,}", " ", line) for line in lines if line]
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    if prompted or not lines or lines[0].split()[0] not in OURS:
        return prompted
    return lines
