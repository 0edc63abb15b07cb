"""The commands that put a trained model to use: `tfq-llm export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfq_llm.cli_options import tensorflow, this_command


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")],
    to: Annotated[
        Path, typer.Option(metavar="NAME[/VERSION]", help="Such as saved_models/movie-reviews. Default version: the next one.")
    ],
    signature: Annotated[
        str,
        typer.Option(help="plain: operators of TensorFlow and TF-Text alone. tfq: TensorFlow Quantum's too, which can sample."),
    ] = "plain",
    head_only: Annotated[bool, typer.Option("--head-only", help="Without the sentence encoder: embeddings in.")] = False,
) -> None:
    """Write a trained model as a SavedModel that stock TensorFlow Serving can load, with a model card."""
    with tensorflow():
        from tfq_llm.pipelines.export import export as run_export

        print(run_export(run, to, signature, head_only, this_command()))
