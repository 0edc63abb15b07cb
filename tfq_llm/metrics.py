"""What is reported of a head: accuracy with its interval, macro-F1, size and time; and the table of many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import f1_score

QUANTUM = "quantum head"


@dataclass(frozen=True)
class HeadResult:
    """One head on one set of embeddings, scored on test rows.

    Attributes:
        embeddings: "frozen", "tuned", "joint" or "given".
        head: "logistic regression", "SVC" or "quantum head".
        accuracy: share of right answers, with its 95 % Wilson interval `low` … `high`.
        macro_f1: mean over classes of F1.
        parameters: trained numbers of the head, the sentence encoder's not among them.
        seconds: to train the head on cached embeddings.
        test_rows: how many rows were scored.
    """

    embeddings: str
    head: str
    accuracy: float
    low: float
    high: float
    macro_f1: float
    parameters: int
    seconds: float
    test_rows: int

    def as_dict(self) -> dict[str, str | float | int]:
        """The fields by name."""
        return asdict(self)


def score(
    embeddings: str, head: str, labels: np.ndarray, predicted: np.ndarray, parameters: int = 0, seconds: float = 0.0
) -> HeadResult:
    """Scores predicted class indices [rows] against labels [rows]."""
    right = int(np.sum(labels == predicted))
    interval = binomtest(right, len(labels)).proportion_ci(0.95, method="wilson")
    rows, mean_f1 = len(labels), macro_f1(labels, predicted)
    low, high = float(interval.low), float(interval.high)
    return HeadResult(embeddings, head, right / rows, low, high, mean_f1, parameters, round(seconds, 1), rows)


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of F1 over the classes that occur in `labels`; both are class indices [rows]."""
    return float(f1_score(labels, predicted, average="macro", labels=np.unique(labels), zero_division=0))


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned so that it reads well as plain text too."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def interval_text(low: float, high: float) -> str:
    """An interval of shares, in percent, such as "76.1 – 79.1"."""
    return f"{100 * low:.1f} – {100 * high:.1f}"


def results_table(results: Sequence[HeadResult]) -> str:
    """The table of one run."""
    header = ("embeddings", "head", "test accuracy", "95 % interval", "macro-F1", "parameters", "seconds")
    return markdown_table(
        header,
        (
            (
                result.embeddings,
                result.head,
                f"{100 * result.accuracy:.1f} %",
                interval_text(result.low, result.high),
                f"{result.macro_f1:.3f}",
                f"{result.parameters:,}",
                f"{result.seconds:.1f}",
            )
            for result in results
        ),
    )


def verdict(results: Sequence[HeadResult]) -> str:
    """One sentence on what the table shows: best quantum head against best classical head on the last embeddings.

    One run with one test set cannot settle small differences, so overlapping intervals are called no clear difference.
    """
    last = [result for result in results if result.embeddings == results[-1].embeddings]
    quantum = max((result for result in last if result.head == QUANTUM), key=lambda result: result.accuracy)
    classical = max((result for result in last if result.head != QUANTUM), key=lambda result: result.accuracy)
    points = 100 * (quantum.accuracy - classical.accuracy)
    if quantum.low <= classical.high and classical.low <= quantum.high:
        meaning = "the intervals overlap, so this run shows no clear difference"
    else:
        meaning = f"the intervals do not overlap: the {'quantum' if points > 0 else 'classical'} head is better here"
    place = f"{abs(points):.1f} points {'above' if points > 0 else 'below'}" if abs(points) >= 0.05 else "level with"
    return (
        f"On {quantum.embeddings} embeddings the quantum head ({100 * quantum.accuracy:.1f} %) is {place} the best classical "
        f"head ({classical.head}, {100 * classical.accuracy:.1f} %); {meaning}."
    )
