"""Keeps the head of a finished run as a small directory: of several runs, the one with the lowest validation loss."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfq_llm.cache import atomic_directory, former
from tfq_llm.checks import spdx_licence
from tfq_llm.config import without_paths
from tfq_llm.errors import InputError
from tfq_llm.model_paths import is_directory, is_saved_head
from tfq_llm.training.head_card import Candidate, card
from tfq_llm.training.provenance import Provenance
from tfq_llm.training.run import RunDirectory, read_json
from tfq_llm.training.saved_head import CARD, FILES, FORMAT, SavedHead, shortened
from tfq_llm.training.trained import TrainedModel, load_run, missing


@dataclass(frozen=True, eq=False)
class _Finished:
    """A run that may be kept: what its model.json says, and how it validated."""

    run: RunDirectory
    model: dict[str, Any]
    candidate: Candidate


def keep_head(
    runs: Sequence[Path],
    target: Path,
    *,
    examples: Sequence[str] = (),
    licence: str | None = None,
    commands: Sequence[str] = (),
    replace: bool = False,
) -> SavedHead:
    """Writes a saved head with its card.

    Args:
        runs: finished runs whose sentence encoder was not trained. Of several, which must have learned from the same rows, the
            one with the lowest validation loss is kept; test rows have no say.
        target: the directory to write; it appears complete or not at all.
        examples: texts whose predictions the card shows; none for a run on embeddings.
        licence: of the head, an SPDX identifier, for the card, and for those of models that are exported from it.
        commands: that made it, for the card.
        replace: whether a saved head that is there may be replaced. Until the new one is in its place the old one is beside it.

    Raises:
        InputError: a run is not finished, has a trained sentence encoder or learned from other rows than the others; the target
            exists or cannot be written; the licence is none.
    """
    licence = spdx_licence(licence)
    if target.exists() and not replace:
        raise InputError(f"'{target}' exists: give another directory, or --replace to replace it.")
    if target.exists():
        _check_replaceable(target)
    finished = [_finished(path) for path in runs]
    for other in finished[1:]:
        if read_json(other.run.path / "splits.json") != read_json(finished[0].run.path / "splits.json"):
            raise InputError(
                f"'{finished[0].run.path}' and '{other.run.path}' learned from different rows, so that their validation losses "
                "cannot be compared: give runs with the same data and seed, or one run."
            )
    best = min(finished, key=lambda each: each.candidate.loss)
    trained = load_run(best.run.path)
    saved = SavedHead(
        config=without_paths(best.run.config),
        facts=_facts(best, trained, target.name, examples, licence),
        weights=tuple(trained.head.get_weights()),
        seen=shortened(trained.seen),
    )
    text = card(saved, [each.candidate for each in finished], commands)
    try:
        with atomic_directory(target, replace=replace) as directory:
            saved.write(directory)
            (directory / CARD).write_text(text, encoding="utf-8")
        shutil.rmtree(former(target), ignore_errors=True)  # which a killed replacement left: there is a head again
    except OSError as error:
        raise InputError(f"cannot write '{target}' ({error.strerror or error}).") from error
    return saved


def _check_replaceable(target: Path) -> None:
    """Raises InputError unless a saved head, or an empty directory, is all that would be lost."""
    if not is_directory(target):
        raise InputError(f"'{target}' is a file: give another directory.")
    there = {path.name for path in target.iterdir()}
    if there and not is_saved_head(target):
        raise InputError(f"'{target}' is no saved head, and --replace replaces nothing else: give another directory.")
    if not there <= FILES:
        others = ", ".join(sorted(there - FILES))
        raise InputError(
            f"'{target}' holds other things too ({others}), and --replace replaces nothing but a saved head: move them away."
        )


def _finished(path: Path) -> _Finished:
    run = RunDirectory(path)
    if not is_directory(path):
        raise missing(path)
    model = run.model()
    if model["encoder"] and model["encoder"]["weights"]:
        raise InputError(
            f"the run in '{path}' trained its sentence encoder, whose weights a small directory cannot hold: keep the run "
            "itself, or train one with tuning.enabled=false and joint.enabled=false."
        )
    epochs = read_json(path / "history" / f"{Path(model['head']).stem}.json")["epochs"]
    best = min(epochs, key=lambda epoch: epoch["val_loss"])
    candidate = Candidate(run.config.head, best["val_loss"], best["val_accuracy"], int(best["epoch"]), len(epochs))
    return _Finished(run, model, candidate)


def _facts(best: _Finished, trained: TrainedModel, name: str, examples: Sequence[str], licence: str | None) -> dict[str, Any]:
    shown = []
    for text, row in zip(examples, trained.predict(examples) if examples else (), strict=True):
        shown.append({"text": text, "class": trained.class_names[row.argmax()], "probability": round(float(row.max()), 6)})
    return {
        "format": FORMAT,
        "name": name,
        "class_names": list(trained.class_names),
        "embedding_dim": int(trained.head.input_shape[-1]),
        "encoder": best.model["encoder"]["config"] if best.model["encoder"] else None,
        "examples": shown,
        "origin": replace(Provenance.of_run(best.run.path), licence=licence).facts(),
    }
