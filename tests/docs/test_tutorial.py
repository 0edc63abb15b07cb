"""docs/tutorial.ipynb is committed as it ran: in order, without errors, with this version; `make tutorial` runs it anew."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys

import pytest

import tfq_llm
from tests.docs.pages import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.ipynb"
MOST_BYTES = 100_000


@pytest.fixture(scope="module")
def cells() -> list[dict]:
    return [cell for cell in json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def text_of(output: dict) -> str:
    return "".join(output.get("text", ())) + "".join("".join(part) for part in output.get("data", {}).values())


def test_it_ran_in_order_and_without_errors(cells):
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert "error" not in {output["output_type"] for cell in cells for output in cell["outputs"]}


def test_it_ran_with_this_version(cells):
    assert text_of(cells[0]["outputs"][0]).strip() == f"tfq_llm {tfq_llm.__version__}"


def test_every_cell_shows_something(cells):
    assert all(cell["outputs"] for cell in cells)


def test_the_exported_model_answers_as_the_trained_one(cells):
    said = "".join(text_of(output) for output in cells[-2]["outputs"])
    served, trained = (re.search(rf"{name} +(\[.*)", said) for name in ("probabilities", "as trained"))
    assert served
    assert trained
    assert served[1] == trained[1]


def test_it_is_small_and_says_nothing_of_the_machine_it_ran_on(cells):
    outputs = [output for cell in cells for output in cell["outputs"]]
    for output in outputs:
        for image in output.get("data", {}).get("image/png", ""), output.get("data", {}).get("image/svg+xml", ""):
            assert len("".join(image)) < MOST_BYTES
    shown = " ".join(text_of(output) for output in outputs if "image/png" not in output.get("data", {}))
    assert not re.findall(r"(?<![\w.])/(?:tmp|home|root|work|usr|opt)/\S*", shown)
    assert not re.findall(r"\d\d:\d\d:\d\d", shown)


def test_the_figure_is_an_image(cells):
    images = [
        output["data"]["image/png"] for cell in cells for output in cell["outputs"] if "image/png" in output.get("data", {})
    ]
    assert [base64.b64decode("".join(image))[:4] for image in images] == [b"\x89PNG"]


@pytest.mark.campaign
def test_run_again_it_says_the_same_but_for_numbers(cells, tmp_path):
    """Times differ from run to run, and last digits from machine to machine."""
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--output-dir", str(tmp_path)]
    subprocess.run([*command, str(TUTORIAL)], check=True, capture_output=True)
    again = json.loads((tmp_path / TUTORIAL.name).read_text(encoding="utf-8"))["cells"]

    def printed(cell: dict) -> str:
        return re.sub(r"[-+]?\d[\d.,e+-]*", "#", "".join("".join(output.get("text", ())) for output in cell["outputs"]))

    found = [printed(cell) for cell in again if cell["cell_type"] == "code"]
    assert found == [printed(cell) for cell in cells]
