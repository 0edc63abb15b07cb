"""A saved head: a small directory with a trained head and all that is needed to use it but the sentence encoder's weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from tfq_llm.cache import MANIFEST, file_digest, recorded_digests
from tfq_llm.config import Config, load_config
from tfq_llm.errors import InputError
from tfq_llm.model_paths import SAVED_HEAD_FACTS
from tfq_llm.models import quantum_head
from tfq_llm.yaml_settings import dump_yaml

FORMAT = 1
FACTS, SETTINGS, WEIGHTS, CARD = SAVED_HEAD_FACTS, "config.yaml", "head.safetensors", "card.md"
FILES = {FACTS, SETTINGS, WEIGHTS, CARD, MANIFEST}
KEY_BYTES = 5
"""Of each key of a seen text: with a million of them, one unseen text in a million is taken for a seen one."""

_SEEN = "seen"


@dataclass(frozen=True, eq=False)
class SavedHead:
    """What a directory written by `tfq-llm keep-head` holds.

    | file | what it holds |
    | --- | --- |
    | head.json | classes, the sentence encoder's name and fingerprint, examples, data, results, versions |
    | config.yaml | the settings of the run that trained it |
    | head.safetensors | the head's weights, and the first bytes of the keys of what it was trained or validated on |
    | card.md | the model card, for people |
    | MANIFEST.json | SHA-256 of every file |

    Attributes:
        config: the settings of the run.
        facts: the contents of head.json.
        weights: of the head, in Keras' order.
        seen: beginnings of `seen_key`s, all of `2 · KEY_BYTES` digits.
    """

    config: Config
    facts: dict[str, Any]
    weights: tuple[np.ndarray, ...]
    seen: frozenset[str]

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.facts["class_names"])

    def head(self) -> tf.keras.Model:
        """The head, built from its settings and given its weights: embeddings [batch, dim] → logits [batch, classes]."""
        head = quantum_head(self.facts["embedding_dim"], len(self.class_names), self.config.head, self.config.seed)
        head.set_weights(self.weights)
        return head

    def write(self, directory: Path) -> None:
        """Writes all but the card and the manifest."""
        (directory / FACTS).write_text(json.dumps(self.facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (directory / SETTINGS).write_text(dump_yaml(self.config), encoding="utf-8")
        arrays = {f"{place:03d}": np.ascontiguousarray(array) for place, array in enumerate(self.weights)}
        (directory / WEIGHTS).write_bytes(save({**arrays, _SEEN: _packed(self.seen)}))

    @classmethod
    def read(cls, directory: Path) -> SavedHead:
        """Reads a directory.

        Raises:
            InputError: a file is missing or not as it was written, or the directory is of a later version of this package.
        """
        try:
            facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
            found = facts["format"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(directory, FACTS) from error
        if found != FORMAT:
            raise InputError(
                f"'{directory}' is a saved head of format {found!r}, and this version of tfq_llm reads format {FORMAT}: install "
                "the version that wrote it."
            )
        _verify(directory)
        try:
            arrays = load_file(directory / WEIGHTS)
            seen = arrays.pop(_SEEN)
        except (OSError, SafetensorError, KeyError) as error:
            raise _damaged(directory, WEIGHTS) from error
        weights = tuple(arrays[key] for key in sorted(arrays))
        return cls(load_config(directory / SETTINGS), facts, weights, frozenset(row.tobytes().hex() for row in seen))


def shortened(keys: Iterable[str]) -> frozenset[str]:
    """`seen_key`s as a saved head keeps them."""
    return frozenset(key[: 2 * KEY_BYTES] for key in keys)


def _packed(keys: Iterable[str]) -> np.ndarray:
    """uint8 [keys, KEY_BYTES], sorted."""
    return np.frombuffer(b"".join(map(bytes.fromhex, sorted(keys))), np.uint8).reshape(-1, KEY_BYTES)


def _verify(directory: Path) -> None:
    try:
        recorded = recorded_digests(directory)
        digests = {name: recorded[name] for name in (FACTS, SETTINGS, WEIGHTS)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(directory, MANIFEST) from error
    for name, digest in digests.items():
        if not (directory / name).is_file() or file_digest(directory / name) != digest:
            raise _damaged(directory, name)


def _damaged(directory: Path, name: str) -> InputError:
    return InputError(f"the saved head '{directory}' is damaged: '{name}' is missing or not as it was written. Copy it anew.")
