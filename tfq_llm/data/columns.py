"""Which column holds the texts and which the labels."""

from __future__ import annotations

from collections.abc import Sequence

from tfq_llm.errors import InputError, did_you_mean

USUAL_NAMES = {"text": ("text", "sentence"), "label": ("label",)}


def choose_column(kind: str, given: str | None, columns: Sequence[str], where: str) -> str:
    """Returns the column the user named, or the one with an obvious name.

    Args:
        kind: "text" or "label".
        given: the user's choice, or None.
        columns: the columns there are.
        where: what has them, for messages, such as "'reviews.csv'".

    Raises:
        InputError: there is no such column, or none or several have an obvious name.
    """
    listed = ", ".join(f"'{column}'" for column in columns) or "none"
    if given is not None:
        if given not in columns:
            raise InputError(f"{where} has no column '{given}'; its columns are {listed}.{did_you_mean(given, columns)}")
        if columns.count(given) > 1:
            raise InputError(f"{where} has {columns.count(given)} columns called '{given}'; rename all but one.")
        return given
    obvious = [column for column in columns if is_usual(kind, column)]
    if len(obvious) != 1:
        raise InputError(
            f"cannot tell which column of {where} holds the {kind}s; its columns are {listed}. "
            f"Name one of them with {kind}_column (for tfq-llm: --{kind}-column)."
        )
    return obvious[0]


def is_usual(kind: str, column: str) -> bool:
    """Whether a column's name says that it holds texts (`kind` "text") or labels ("label")."""
    return column.strip().lower() in USUAL_NAMES[kind]
