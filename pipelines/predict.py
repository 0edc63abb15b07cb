"""Classifies texts with a trained model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfq_llm import exported
from tfq_llm.errors import InputError
from tfq_llm.exported import ExportedModel
from tfq_llm.training.trained import TrainedModel, load_run


def predict(model: Path, texts: Sequence[str], file: Path | None = None, *, as_json: bool = False) -> Iterator[str]:
    """Yields one line per text: class, probability and text, or a JSON object.

    Args:
        model: a finished run, a saved head or an exported model.
        texts: may be empty if there is a file.
        file: more texts, one a line; "-" is standard input.
        as_json: yield JSON with the probability of every class.

    Raises:
        InputError: there is no text, or model or file cannot be read.
    """
    given = [*texts, *(_lines(file) if file is not None else [])]
    if not given:
        raise InputError("there is no text to classify: give one or more in quotes, or a file with --file.")
    trained: TrainedModel | ExportedModel = exported.load(model) if exported.is_exported(model) else load_run(model)
    probabilities = trained.predict(given)
    width = max(map(len, trained.class_names))
    for text, row in zip(given, probabilities, strict=True):
        name = trained.class_names[row.argmax()]
        if as_json:
            by_class = {each: round(float(value), 6) for each, value in zip(trained.class_names, row, strict=True)}
            yield json.dumps({"text": text, "class": name, "probabilities": by_class}, ensure_ascii=False)
        else:
            yield f"{name.ljust(width)}  {row.max():.3f}  {text}"


def _lines(file: Path) -> list[str]:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read '{file}': {error.strerror}.") from error
    lines = raw.split(b"\n")
    texts = [_decoded(line, number, file) for number, line in enumerate(lines, start=1)]
    return texts[:-1] if texts[-1] == "" else texts


def _decoded(line: bytes, number: int, file: Path) -> str:
    try:
        return line.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError as error:
        raise InputError(
            f"'{file}', row {number}: the byte {line[error.start]:#04x} is not UTF-8. Convert the file to UTF-8."
        ) from error
