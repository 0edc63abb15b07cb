"""Exports a finished run for model servers."""

from __future__ import annotations

from pathlib import Path

from tfq_llm.export import Provenance, export_model
from tfq_llm.training.trained import load_run


def export(run_dir: Path, to: Path, signature: str, head_only: bool, command: str) -> str:
    """Writes the model and returns its name, its version and where it is.

    Args:
        run_dir: a finished run, or a saved head.
        to: NAME or NAME/VERSION.
        signature: "plain" or "tfq".
        head_only: leave the sentence encoder out.
        command: what the card says that made the model.

    Raises:
        InputError: the run cannot be used, or the model cannot be written there.
    """
    trained = load_run(run_dir)
    written = export_model(trained, Provenance.of_run(run_dir), to, command=command, signature=signature, head_only=head_only)
    return f"wrote the model '{written.parent.name}', version {written.name}, to {written}: its card is {written / 'card.md'}"
