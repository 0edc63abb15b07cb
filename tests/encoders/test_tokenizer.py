"""Token ids, where vectors would not show a difference or texts are extreme."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfq_llm.encoders.characters import CharacterRules
from tfq_llm.encoders.tokenizer import Tokenizer, TokenizerSettings

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "<unk>", "a", "b", "##a", "##b", "é", "e", "A", "!", "电", "##电")


def tokenizer(max_tokens: int = 8, **rules: bool) -> Tokenizer:
    settings = TokenizerSettings(
        vocabulary=VOCABULARY,
        start="[CLS]",
        end="[SEP]",
        padding="[PAD]",
        unknown="[UNK]",
        literals=("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
        caseless_literals=("<unk>",),
        rules=CharacterRules(**rules),
    )
    return Tokenizer(settings, max_tokens)


def tokens(text: str | bytes, made: Tokenizer) -> list[str]:
    ids, lengths = made(tf.constant([text]))
    assert lengths[0] == ids.shape[1]
    return [VOCABULARY[place] for place in ids[0].numpy()[1:-1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab !a", ["a", "##b", "!", "a"]),
        ("É e\u0301", ["e", "e"]),
        ("a电b", ["a", "电", "b"]),
        ("a[CLS]b [cls]", ["a", "[CLS]", "b", "[UNK]", "[UNK]", "[UNK]"]),
        ("<unk>a<UNK>", ["<unk>", "a", "<unk>"]),
        ("a\0b\u200d\ufffda", ["a", "##b", "##a"]),
        ("zab", ["[UNK]"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert tokens(text, tokenizer()) == expected


def test_a_cased_tokenizer_keeps_case_and_accents() -> None:
    assert tokens("A é", tokenizer(lower_case=False, strip_accents=False)) == ["A", "é"]


def test_chinese_characters_may_stay_in_words() -> None:
    assert tokens("a电", tokenizer(split_chinese=False)) == ["a", "##电"]


def test_invalid_utf8_is_left_out() -> None:
    assert tokens(b"a\xff\xfeb \xc3", tokenizer()) == ["a", "##b"]


def test_a_word_of_more_than_100_characters_is_unknown() -> None:
    made = tokenizer(max_tokens=200)
    assert tokens("a" * 100, made) == ["a"] + ["##a"] * 99
    assert tokens("a" * 101, made) == ["[UNK]"]
    assert tokens("电" * 101, tokenizer(max_tokens=200, split_chinese=False)) == ["[UNK]"]


def test_truncation_leaves_room_for_start_and_end() -> None:
    made = tokenizer(max_tokens=5)
    assert tokens("a b a b", made) == ["a", "b", "a"]
    np.testing.assert_array_equal(made.truncated(tf.constant(["a b a", "a b a b", "abab", ""])), [False, True, True, False])


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a " * 500_000, "a"),
        ("!" * 1_000_000, "!"),
        (" " * 99_999 + "b", "b"),
        ("a\u0301\u0323" * 333_333, "[UNK]"),
        ("[CLS]" * 200_000, "[CLS]"),
    ],
)
def test_of_a_very_long_text_only_the_beginning_is_looked_at(text: str, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tokenizer(max_tokens=128)
    sizes: dict[str, list[int]] = {"text": [], "words": []}

    def split(texts: tf.Tensor) -> tf.RaggedTensor:
        sizes["text"].append(int(tf.reduce_max(tf.strings.length(texts))))
        return Tokenizer._words(made, texts)

    def tokenize(words: tf.RaggedTensor) -> tf.RaggedTensor:
        sizes["words"].append(words.flat_values.shape[0])
        return wordpiece(words)

    wordpiece = made._wordpiece.tokenize
    monkeypatch.setattr(made, "_words", split)
    monkeypatch.setattr(made._wordpiece, "tokenize", tokenize)
    read = tokens(text, made)
    assert len(read) in (1, 126)
    assert read[0] == first
    assert len(sizes["text"]) == len(sizes["words"]) == 1
    assert sizes["text"][0] <= 1024 * 128
    assert sizes["words"][0] <= 128


def test_an_empty_batch() -> None:
    ids, lengths = tokenizer()(tf.constant([], tf.string))
    assert ids.shape[0] == lengths.shape[0] == 0
