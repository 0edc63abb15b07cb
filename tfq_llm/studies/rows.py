"""Results as rows of a CSV and back: what is committed, so that a campaign goes on elsewhere."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from tfq_llm.errors import InputError
from tfq_llm.studies.trial import Cost, Trial, TrialResult

# Written as they are; everything else as JSON.
_TEXTS = {"data", "method", "scored_on", "predictions", "versions"}
_TRIAL = list(Trial.model_fields)
_RESULT = [name for name in TrialResult.model_fields if name not in ("trial", "cost")]
COLUMNS = ["name", *_TRIAL, *_RESULT]

_NO_ROWS = (0, 0.0, 0.0)
# What is not in the rows is not known.
UNKNOWN_COST = Cost(fit_seconds=math.nan, score_seconds=math.nan, host="imported", finished="")


def to_csv(results: Iterable[TrialResult]) -> str:
    """Rows in the order of the trials' names: the same text for the same results, whatever they cost and whoever made them.

    What makes files large is written shortly: versions only where they are not those of the row before, and a bin of the
    calibration without rows as 0.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    before = None
    for result in sorted(results, key=lambda result: result.trial.name):
        values = result.model_dump(mode="json")
        trial = values.pop("trial")
        if values["versions"] == before:
            values["versions"] = None
        before = result.versions
        if values["calibration"] is not None:
            values["calibration"] = [one if one[0] else 0 for one in values["calibration"]]
        fields = [_cell(name, trial[name]) for name in _TRIAL] + [_cell(name, values[name]) for name in _RESULT]
        writer.writerow([result.trial.name, *fields])
    return text.getvalue()


def from_csv(text: str) -> list[TrialResult]:
    """Results of the rows, their cost unknown (not a number); rows with all versions and bins written out are read as well.

    Raises:
        InputError: the columns are others, or a row is damaged; the message names its line.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if reader.fieldnames != COLUMNS:
        raise InputError(
            f"these are not rows of trials: their columns are {', '.join(reader.fieldnames or ['none'])}, but must be "
            f"{', '.join(COLUMNS)}. Take the rows of a study of this version of tfq-llm."
        )
    results: list[TrialResult] = []
    for row in reader:
        results.append(_result(row, reader.line_num, results[-1].versions if results else None))
    return results


def names(text: str) -> set[str]:
    """Names of the trials of such rows."""
    return {row["name"] for row in csv.DictReader(io.StringIO(text, newline=""))}


def _result(row: dict[str, Any], line: int, versions_before: str | None) -> TrialResult:
    try:
        trial = {name: _value(name, row[name]) for name in _TRIAL}
        values = {name: _value(name, row[name]) for name in _RESULT}
        values["versions"] = values["versions"] or versions_before
        if values["calibration"] is not None:
            values["calibration"] = [one or _NO_ROWS for one in values["calibration"]]
        values.update(trial=trial, cost=UNKNOWN_COST.model_dump())
        result = TrialResult.model_validate_json(json.dumps(values))
    except (ValueError, TypeError, ValidationError) as error:
        raise InputError(f"line {line} of the rows of trials is damaged: {error}. Take the file anew.") from error
    if result.trial.name != row["name"]:
        raise InputError(
            f"line {line} of the rows of trials is damaged: its values belong to the trial {result.trial.name}, not to "
            f"{row['name']}. Take the file anew."
        )
    return result


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return value if name in _TEXTS else json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _value(name: str, cell: str) -> Any:
    if cell == "":
        return None
    return cell if name in _TEXTS else json.loads(cell)
