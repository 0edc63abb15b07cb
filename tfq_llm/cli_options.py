"""What several groups of commands share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a setting, such as head.layers=2. A text that reads as a number needs quotes: 'data.text_column=\"1\"'.",
    ),
]
TextColumn = Annotated[str | None, typer.Option(help="Column of the texts, for .csv, .tsv and .jsonl.")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the labels, for .csv, .tsv and .jsonl.")]


@contextmanager
def tensorflow() -> Iterator[None]:
    """Imports TensorFlow without what its libraries print about GPUs that are not there."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    saved = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")
        finally:
            os.dup2(saved, 2)
            os.close(saved)
    yield
