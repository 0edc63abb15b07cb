"""The vectors are those of sentence-transformers, recorded by `record_reference.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfq_llm.encoders import SentenceEncoder
from tfq_llm.encoders.convert import TextEncoder
from tfq_llm.encoders.pooling import POOLINGS
from tfq_llm.encoders.sentence_encoder import as_string_tensor
from tfq_llm.encoders.sentence_transformers import read_checkpoint


@pytest.mark.slow
def test_minilm_equals_sentence_transformers(minilm: SentenceEncoder, texts: list[str], reference: Path) -> None:
    """All 64 texts, among them all that is awkward: CJK punctuation, `½ ™`, curly quotes, `İ`, a literal [CLS], emoji, NUL …"""
    recorded = np.load(reference / "minilm.npz")["vectors"]
    vectors = minilm(as_string_tensor(texts)).numpy()
    assert vectors.shape == (len(texts), 384)
    np.testing.assert_allclose(vectors, recorded, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "mpnet"])
def test_both_architectures_and_every_pooling(
    kind: str, texts: list[str], reference: Path, sentence_transformers: Callable[..., Path]
) -> None:
    checkpoint = read_checkpoint(sentence_transformers(kind, pooling=list(POOLINGS), normalize=False))
    recorded = np.load(reference / f"tiny-{kind}.npz")
    expected = np.concatenate([recorded[name] for name in POOLINGS], axis=1)
    vectors = TextEncoder(checkpoint, 48)(as_string_tensor(texts)).numpy()
    # These vectors have entries up to 10, hence the wider bound.
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("kind", ["bert", "mpnet"])
def test_normalized(kind: str, texts: list[str], reference: Path, sentence_transformers: Callable[..., Path]) -> None:
    checkpoint = read_checkpoint(sentence_transformers(kind, pooling="mean", normalize=True))
    recorded = np.load(reference / f"tiny-{kind}.npz")["mean-normalized"]
    vectors = TextEncoder(checkpoint, 48)(as_string_tensor(texts)).numpy()
    np.testing.assert_allclose(vectors, recorded, rtol=0, atol=1e-5)


def test_padding_does_not_change_a_vector(tiny: SentenceEncoder) -> None:
    alone = tiny(tf.constant(["a great movie"]))
    beside_a_long_one = tiny(tf.constant(["a great movie", "long " * 40]))[:1]
    np.testing.assert_allclose(beside_a_long_one, alone, rtol=0, atol=1e-6)
