"""What the rest of the package knows of data: labelled texts, and labelled embeddings."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tfq_llm.data.duplicates import DistinctRows, distinct_rows, text_key

PARTS = ("train", "validation", "test")


def counted(count: int, noun: str) -> str:
    """Returns "1 text" or "1,204 texts"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True, eq=False)
class TextDataset:
    """Labelled texts.

    Attributes:
        name: what the set is called in reports.
        texts: the texts, one a row.
        labels: int64 [rows]; places in `class_names`.
        class_names: the classes; some may have no row.
        source: one sentence: where the texts come from, and their licence.
        parts: for each row "train", "validation" or "test" if the source came divided, else None.
        notes: sentences on what was dropped or is odd.
    """

    name: str
    texts: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    source: str
    parts: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def rows_per_class(self) -> dict[str, int]:
        """Number of rows of each class, by name."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def subset(self, indices: np.ndarray | Sequence[int]) -> TextDataset:
        """The given rows, in the given order."""
        rows = np.asarray(indices, dtype=np.int64)
        parts = None if self.parts is None else self.parts[rows]
        return dataclasses.replace(self, texts=tuple(self.texts[row] for row in rows), labels=self.labels[rows], parts=parts)

    def digest(self) -> str:
        """SHA-256 of texts, labels and their order."""
        return _digest((text.encode("utf-8", "surrogatepass") for text in self.texts), self.labels)

    def distinct_rows(self) -> DistinctRows:
        """One row of each text; none of a text that has contradictory labels.

        Texts are the same when they differ only in case, in white space or in compatible forms of a character (Unicode NFKC).
        Of equal texts with one label the first stays; if the source came divided, the first of its test part, so that its test
        part stays what others measured on.
        """
        priority = None if self.parts is None else [-PARTS.index(part) for part in self.parts.tolist()]
        return distinct_rows([text_key(text) for text in self.texts], self.labels.tolist(), priority)

    def deduplicated(self) -> TextDataset:
        """Only the `distinct_rows`, so that no split can put a text into two parts; `notes` says how many rows went."""
        distinct = self.distinct_rows()
        notes = list(self.notes)
        if distinct.duplicates:
            notes.append(f"{counted(distinct.duplicates, 'duplicate text')} dropped")
        if distinct.contradictory:
            notes.append(f"{counted(distinct.contradictory, 'text')} with contradictory labels dropped")
        return dataclasses.replace(self.subset(distinct.kept), notes=tuple(notes))


@dataclass(frozen=True, eq=False)
class EmbeddingDataset:
    """Labelled sentence embeddings, computed elsewhere.

    Attributes:
        name: what the set is called in reports.
        embeddings: float32 [rows, dim].
        labels: int64 [rows]; places in `class_names`.
        class_names: the classes.
        train: int64 row indices that heads may train on, or None: any.
        validation: int64 row indices to validate on, or None.
        test: int64 row indices to score on, or None: all that are neither trained nor validated on.
    """

    name: str
    embeddings: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    train: np.ndarray | None = None
    validation: np.ndarray | None = None
    test: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.embeddings)

    def digest(self) -> str:
        """SHA-256 of embeddings, labels and their order."""
        return _digest((row.tobytes() for row in self.embeddings), self.labels)


def _digest(rows: Iterable[bytes], labels: np.ndarray) -> str:
    digest = hashlib.sha256(np.asarray(labels, np.int64).tobytes())
    for row in rows:
        digest.update(len(row).to_bytes(8, "little") + row)
    return digest.hexdigest()
