"""Final and design trials for TensorBoard: scalars, and settings with scores in its HParams view."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.summary.writer.record_writer import RecordWriter

from tfq_llm.cache import atomic_file
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.numbers import slug

# One name, so that a report that is written again replaces its events instead of adding to them.
EVENTS = "events.out.tfevents.0.tfq-llm"
_SCALARS = ("accuracy", "macro_f1", "log_loss", "parameters", "epochs")


def write_tensorboard(study: ReportInput, directory: Path) -> None:
    """Writes event files to `directory`/STATE/ARM/TRIAL, the same ones for the same results and costs.

    There is no list of all settings: TensorBoard makes one from the runs, with their types and which of them differ.
    """
    trials = study.frame[study.frame["role"].isin(["final", "design"])]
    finished = dict(zip(study.costs["trial"], study.costs["finished"], strict=True))
    for row in trials.to_dict("records"):
        arm = f"{slug(str(row['arm']))}-{hashlib.sha256(str(row['arm']).encode()).hexdigest()[:4]}"
        run = f"{slug(str(row['state']))}/{arm}/{row['trial']}"
        _write(directory / run / EVENTS, _events(run, row, _hparams(row), _seconds(finished.get(row["trial"]))))


def _hparams(row: dict[Any, Any]) -> dict[str, str | int | float | bool]:
    """What a run is told by in the HParams view."""
    factors = {str(name).removeprefix("factor "): value for name, value in row.items() if str(name).startswith("factor ")}
    own = {name: row[name] for name in ("arm", "family", "state", "role", "method", "split", "init")}
    if row["role"] == "design":
        own["fold"] = row["fold"]
    settings = json.loads(row["settings"])
    # A factor that is a setting, as in a screening study, is there already.
    conditions = {f"condition {name}": value for name, value in factors.items() if name not in settings}
    found = {**settings, **conditions, **own}
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> str | int | float | bool:
    if value is None or pd.isna(value):
        return "none"
    return value if isinstance(value, str | bool | int | float) else value.item()


def _events(run: str, row: dict[Any, Any], hparams: dict[str, str | int | float | bool], when: float) -> Iterable[Event]:
    yield Event(wall_time=when, summary=summary_v2.hparams_pb(hparams, trial_id=run, start_time_secs=when))
    for name in _SCALARS:
        if not pd.isna(row[name]):
            value = Summary.Value(tag=name, simple_value=float(row[name]))
            yield Event(wall_time=when, step=0, summary=Summary(value=[value]))
    yield Event(wall_time=when, summary=Summary(value=[_end(when)]))


def _end(when: float) -> Summary.Value:
    """Says that a run was finished; TensorBoard's own function for it loads TensorFlow."""
    info = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=when)
    about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=info))
    return Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)


def _seconds(finished: object) -> float:
    """Since 1970; 0 if it is not known when."""
    try:
        return datetime.fromisoformat(str(finished).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _write(path: Path, events: Iterable[Event]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=0, file_version="brain.Event:2").SerializeToString())
        for event in events:
            writer.write(event.SerializeToString())
        writer.flush()
