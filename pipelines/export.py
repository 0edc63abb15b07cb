"""Exports a finished run for model servers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tfq_llm.checks import spdx_licence
from tfq_llm.export import Provenance, export_model
from tfq_llm.training.trained import load_run


def export(run_dir: Path, to: Path, signature: str, head_only: bool, licence: str | None, command: str) -> str:
    """Writes the model and returns its name, its version and where it is.

    Args:
        run_dir: a finished run, or a saved head.
        to: NAME or NAME/VERSION.
        signature: "plain" or "tfq".
        head_only: leave the sentence encoder out.
        licence: of the model, an SPDX identifier; None for that of a saved head, and for none stated of a run.
        command: what the card says that made the model.

    Raises:
        InputError: the run cannot be used, the model cannot be written there, or the licence is none.
    """
    stated = spdx_licence(licence)
    trained, origin = load_run(run_dir), Provenance.of_run(run_dir)
    origin = replace(origin, licence=stated or origin.licence)
    written = export_model(trained, origin, to, command=command, signature=signature, head_only=head_only)
    return f"wrote the model '{written.parent.name}', version {written.name}, to {written}: its card is {written / 'card.md'}"
