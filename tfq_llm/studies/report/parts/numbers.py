"""Numbers as they are read: a true minus, few digits, one way to write an interval."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import pandas as pd

from tfq_llm.studies.arms.names import QUANTUM
from tfq_llm.studies.statistics.intervals import Interval

SYMBOLS = {"better": "▲", "worse": "▼", "no difference seen": "≈", "too few runs": "…"}


def percent(share: float | None) -> str:
    """A share as a percentage, such as "88.42"."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.2f}"


def points(value: float | None) -> str:
    """A difference in points, with its sign."""
    if value is None or math.isnan(value):
        return "–"
    return signless_zero(f"{value:+.2f}")


def signless_zero(text: str) -> str:
    """With a true minus, and no sign before a zero."""
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def interval(value: Interval | None, scale: float = 1.0, signed: bool = True) -> str:
    """Such as "[−0.21, +0.83]"."""
    if value is None:
        return ""
    low, high = (signless_zero(f"{scale * end:{'+' if signed else ''}.2f}") for end in (value.low, value.high))
    return f"[{low}, {high}]"


def probability(p: float | None) -> str:
    """A p value."""
    if p is None or math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def seconds(value: float | None) -> str:
    """A time, with as many digits as it deserves."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def span(values: Iterable[float]) -> str:
    """One whole number if all are the same, else the least and the largest."""
    found = sorted({int(value) for value in values})
    return "–" if not found else f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} – {found[-1]:,}"


def chance(p: float | None) -> str:
    """A p value in a sentence."""
    text = probability(p)
    return (f"p {text}" if text.startswith("<") else f"p = {text}").replace(" ", "\u00a0")


def said(kind: str) -> str:
    """A verdict with its symbol, which no line break parts."""
    return f"{SYMBOLS[kind]} {kind}".replace(" ", "\u00a0")


def prose(text: str) -> str:
    """A sentence of the statistics with a capital and true minus signs."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text[:1].upper() + text[1:])


def resolution(value: float) -> str:
    """The difference that a study is to resolve, such as "1 point"."""
    return f"{value:g} {'point' if value == 1 else 'points'}"


def counted(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def the(arm: str) -> str:
    """An arm at the beginning of a sentence: the quantum head by its name, one of the reader's own in quotes."""
    return f"The {arm}" if arm == QUANTUM else f"'{arm}'"


def slug(text: str) -> str:
    """Letters and digits of a name with hyphens, for files and links."""
    return "-".join("".join(letter if letter.isascii() and letter.isalnum() else " " for letter in text.lower()).split()) or "x"


def optional(value: object, form: str) -> str:
    """A number in a form, or a dash where there is none."""
    return "–" if pd.isna(value) else format(float(value), form)  # type: ignore[call-overload,arg-type]
