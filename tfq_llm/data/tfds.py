"""Text classification sets of TensorFlow Datasets (TFDS), by their names there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from tfq_llm.data.columns import choose_column
from tfq_llm.data.datasets import PARTS, TextDataset, counted
from tfq_llm.data.labels import number_classes
from tfq_llm.errors import InputError, did_you_mean

ALIASES = {"sst2": "glue/sst2"}
HIDDEN = -1
PREPARED_SETS = "https://storage.googleapis.com"
READ_ROWS = 1024


def load_tfds(
    name: str, text_column: str | None = None, label_column: str | None = None, known: Iterable[str] = ()
) -> TextDataset:
    """Loads a TFDS set, downloading it first if need be.

    TFDS keeps its data where it always does: `$TFDS_DATA_DIR`, else `~/tensorflow_datasets`.

    Args:
        name: a name TFDS knows, such as "imdb_reviews" or "glue/cola", or one of `ALIASES`.
        text_column: the text feature; by default the only one, or the one with an obvious name.
        label_column: the label feature; by default the only `ClassLabel`, or the one with an obvious name.
        known: other names the user may have meant.

    Raises:
        InputError: TFDS is not installed, knows no such set, cannot download it, or the set has no such features.
    """
    tfds = _import_tfds()
    builder = _builder(tfds, name, known)
    text, label = _features(tfds, builder, text_column, label_column)
    _prepare(builder, name)
    return _dataset(name, builder, _read(tfds, builder, text, label), getattr(builder.info.features[label], "names", None))


def fetch_tfds(name: str, known: Iterable[str] = ()) -> Path:
    """Downloads a TFDS set if need be and returns the directory it is in; see `load_tfds`."""
    builder = _builder(_import_tfds(), name, known)
    _prepare(builder, name)
    return Path(str(builder.data_dir))


def is_fetched(name: str) -> bool:
    """Whether TFDS has prepared the set in its data directory. TFDS itself is not loaded."""
    root = Path(os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets")
    return any((root / ALIASES.get(name, name)).glob("*/dataset_info.json"))


def _import_tfds() -> ModuleType:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            "this needs TensorFlow Datasets. Install it with: pip install '.[tfds]' where this package is from."
        ) from error
    # TFDS logs the error of a failed import of its own and leaves an empty module behind.
    if not hasattr(tfds, "builder"):
        raise InputError("TensorFlow Datasets is installed but broken (see its log); install the versions of constraints.txt.")
    return tfds


def _builder(tfds: ModuleType, name: str, known: Iterable[str]) -> Any:
    try:
        return tfds.builder(ALIASES.get(name, name), data_dir=os.environ.get("TFDS_DATA_DIR") or None)
    except ValueError as error:
        names = [*known, *tfds.list_builders(with_community_datasets=False)]
        suggestion = "" if name.split("/")[0] in names else did_you_mean(name, names)
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"'{name}' is no data set, file or directory.{suggestion} TensorFlow Datasets says: {reason}") from error


def _features(tfds: ModuleType, builder: Any, text_column: str | None, label_column: str | None) -> tuple[str, str]:
    """The names of the text feature and of the label feature."""
    features = dict(builder.info.features)
    where = f"the TFDS set '{builder.info.full_name}'"
    texts = [name for name, feature in features.items() if isinstance(feature, tfds.features.Text)]
    labels = [name for name, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    text = texts[0] if text_column is None and len(texts) == 1 else choose_column("text", text_column, texts, where)
    if label_column is None and len(labels) == 1:
        return text, labels[0]
    numbers = [name for name, feature in features.items() if feature.shape == () and np.issubdtype(feature.np_dtype, np.integer)]
    return text, choose_column("label", label_column, numbers if label_column else labels, where)


def _prepare(builder: Any, name: str) -> None:
    if builder.is_prepared():
        return
    offline = (
        f"Offline, write its texts and labels to train.tsv, dev.tsv and test.tsv and give their directory instead of '{name}', "
        f"or copy the TFDS data directory of a machine that has it and set TFDS_DATA_DIR."
    )
    _require_network(builder, name, offline)
    try:
        builder.download_and_prepare()
    except Exception as error:  # a data set's own code runs here and may raise anything
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise InputError(f"TensorFlow Datasets could not prepare '{name}': {reason} {offline}") from error


def _require_network(builder: Any, name: str, advice: str) -> None:
    """Fails at once when no host of the set's files can be reached; TFDS would retry for minutes."""
    import requests

    urls = [urlsplit(url) for url in builder.url_infos or ()]
    sites = sorted({f"{url.scheme}://{url.netloc}" for url in urls if url.scheme in ("http", "https")})
    if not sites:
        return
    tried = [PREPARED_SETS, *sites[:3]]
    for site in tried:
        try:
            requests.head(site, timeout=10)
        except requests.RequestException:
            continue
        return
    raise InputError(f"cannot download '{name}': no network connection to {', '.join(tried)}. {advice}")


class _Rows(NamedTuple):
    """Texts, labels (int64 [rows]) and parts ([rows]) of a set."""

    texts: list[str]
    labels: np.ndarray
    parts: np.ndarray


def _read(tfds: ModuleType, builder: Any, text: str, label: str) -> _Rows:
    """Reads the splits that are called train, validation or test."""
    texts: list[str] = []
    labels: list[np.ndarray] = []
    parts: list[str] = []
    decoders = tfds.decode.PartialDecoding({text: True, label: True})
    for part in PARTS:
        if part not in builder.info.splits:
            continue
        batches = builder.as_dataset(split=part, batch_size=READ_ROWS, shuffle_files=False, decoders=decoders)
        for batch in tfds.as_numpy(batches):
            texts += [value.decode("utf-8", errors="replace") for value in batch[text]]
            labels.append(np.asarray(batch[label], dtype=np.int64))
        parts += [part] * (len(texts) - len(parts))
    if not texts:
        raise InputError(f"the TFDS set '{builder.info.full_name}' has no rows in splits called {', '.join(PARTS)}.")
    return _Rows(texts, np.concatenate(labels), np.array(parts))


def _dataset(name: str, builder: Any, rows: _Rows, names: Sequence[str] | None) -> TextDataset:
    """The data set of the rows whose labels are not hidden; `names` are the classes', or None for a feature of plain numbers."""
    shown = np.flatnonzero(rows.labels != HIDDEN) if names is not None else np.arange(len(rows.labels))
    hidden = len(rows.labels) - len(shown)
    labels, parts = rows.labels[shown], rows.parts[shown]
    if names is None:
        labels, names = number_classes([str(label) for label in labels])
    notes = [f"{counted(hidden, 'text')} with hidden labels dropped"] if hidden else []
    notes += [f"split '{split}' not used" for split in builder.info.splits if split not in PARTS]
    return TextDataset(
        name=name,
        texts=tuple(rows.texts[row] for row in shown),
        labels=labels,
        class_names=tuple(names),
        source=f"TensorFlow Datasets {builder.info.full_name}; for its licence see {builder.info.homepage}",
        parts=parts if len(np.unique(parts)) > 1 else None,
        notes=tuple(notes),
    )
