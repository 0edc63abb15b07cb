"""Keeps the head of a run, or the best of several runs by validation, as a small directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfq_llm.training.keep import keep_head as keep
from tfq_llm.training.saved_head import CARD


def keep_head(runs: Sequence[Path], target: Path, **options: Any) -> str:
    """Writes the directory and says what is in it. Options and errors are those of `tfq_llm.training.keep.keep_head`."""
    saved = keep(runs, target, **options)
    size = sum(file.stat().st_size for file in target.iterdir())
    use = "predict" if saved.facts["encoder"] else "evaluate"
    return (
        f"The head is in {target} ({size / 1000:.0f} kB), its card is {target / CARD}. Use it as a run: tfq-llm {use} {target} …"
    )
