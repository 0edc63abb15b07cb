"""Writes a report: HTML, Markdown with plots, CSV tables and TensorBoard's event files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tfq_llm.cache import writable_directory, write_text
from tfq_llm.studies.report.assemble import document
from tfq_llm.studies.report.charts.style import WIDE
from tfq_llm.studies.report.document import Chart, Picture, Table
from tfq_llm.studies.report.html import html
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.markdown import markdown
from tfq_llm.studies.report.svg import svg_file
from tfq_llm.studies.report.tensorboard import EVENTS, write_tensorboard

_ADVICE = "Name a directory you can write to."


def write_report(study: ReportInput, directory: Path) -> Path:
    """Writes the report of a study, and replaces what an earlier one left there.

    In `directory`: `report.html`, which needs no other file; `report.md` with `plots/*.svg`; `tables/*.csv`, unrounded and the
    same for the same results, but for `tables/costs.csv`; `tensorboard/`, to be read by `tensorboard --logdir`.

    Args:
        study: its results.
        directory: made if need be.

    Returns:
        The path of `report.html`.

    Raises:
        InputError: the directory cannot be written.
    """
    directory = writable_directory(directory, _ADVICE)
    tables, plots = (writable_directory(directory / name, _ADVICE) for name in ("tables", "plots"))
    made = document(study)
    texts = {tables / f"{table.name}.csv": _csv(table) for table in made.tables()}
    texts |= {plots / f"{chart.name}.svg": svg_file(chart, WIDE) for chart in made.charts()}
    texts |= {plots / f"{block.name}.svg": block.svg for block in made.blocks() if isinstance(block, Picture)}
    texts |= {directory / "report.md": markdown(made), directory / "report.html": html(made)}
    old = [*tables.glob("*.csv"), *plots.glob("*.svg"), *(directory / "tensorboard").rglob(EVENTS)]
    for path in old:
        if path not in texts:
            path.unlink()
    for path, text in texts.items():
        write_text(path, text)
    write_tensorboard(study, directory / "tensorboard")
    return directory / "report.html"


def summary(study: ReportInput) -> str:
    """The first screen of the report as Markdown, without its charts."""
    made = document(study)
    headlines = [
        replace(each, blocks=tuple(block for block in each.blocks if not isinstance(block, Chart))) for each in made.headlines
    ]
    return markdown(replace(made, headlines=tuple(headlines), sections=()))


def _csv(table: Table) -> str:
    # Nine digits tell all results apart, and not the last bits of two machines.
    return table.data.to_csv(index=False, lineterminator="\n", float_format="%.9g")
