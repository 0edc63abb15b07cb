"""What several groups of commands share."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tfq_llm.errors import InputError
from tfq_llm.model_paths import model_path

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
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory, or a saved head.")]
ReadRun = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory, or a saved head.", callback=model_path)]
LabelledData = Annotated[str, typer.Option(help="A named set, a file, a directory of .tsv; an .npz for a run on embeddings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def data_settings(
    data: str | None, text_column: str | None, label_column: str | None, embeddings: Sequence[Path] | None
) -> list[str]:
    """Overrides of data.name and the columns, as given.

    Raises:
        InputError: embeddings are given too, which take their place.
    """
    if embeddings and (data or text_column or label_column):
        raise InputError("--embeddings take the place of texts: leave out --data, --text-column and --label-column.")
    from tfq_llm.yaml_settings import text_setting

    given = {"name": data, "text_column": text_column, "label_column": label_column}
    return [text_setting(f"data.{key}", value) for key, value in given.items() if value is not None]


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


def this_command() -> str:
    """The command as it was given, for a report from which it is to be given again."""
    return shlex.join(["tfq-llm", *sys.argv[1:]])


def public_command() -> str:
    """The command for a card, which goes to others: of absolute paths, which tell of this machine, only the last part."""
    return shlex.join(["tfq-llm", *map(_without_place, sys.argv[1:])])


def _without_place(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{Path(value).name if Path(value).is_absolute() else value}"
