"""A `TextDataset`: its rows, its duplicates, and its labels in terms of another set's classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfq_llm.data import TextDataset, encode_labels
from tfq_llm.data.duplicates import text_key
from tfq_llm.data.labels import number_classes
from tfq_llm.errors import InputError


def dataset(*rows: tuple[str, str], parts: list[str] | None = None) -> TextDataset:
    labels, class_names = number_classes([label for _, label in rows])
    texts = tuple(text for text, _ in rows)
    return TextDataset("example", texts, labels, class_names, "Made up.", None if parts is None else np.array(parts))


def test_a_subset_keeps_the_order_asked_for():
    reviews = dataset(("bad", "neg"), ("good", "pos"), ("awful", "neg"), parts=["train", "train", "test"])
    chosen = reviews.subset([2, 1])
    assert chosen.texts == ("awful", "good")
    assert chosen.labels.tolist() == [0, 1]
    assert chosen.parts.tolist() == ["test", "train"]
    assert reviews.rows_per_class() == {"neg": 2, "pos": 1}


@pytest.mark.parametrize("variant", ["GOOD  film", "good film ", "good\u00a0film", "ｇｏｏｄ film", "Good\n\tfilm"])
def test_case_white_space_and_compatible_characters_do_not_make_another_text(variant: str):
    reviews = dataset(("good film", "pos"), ("bad film", "neg"), (variant, "pos")).deduplicated()
    assert reviews.texts == ("good film", "bad film")
    assert reviews.notes == ("1 duplicate text dropped",)


def test_texts_with_contradictory_labels_all_go():
    reviews = dataset(("so so", "pos"), ("good", "pos"), ("So so", "neg"), ("bad", "neg"), ("so so", "pos")).deduplicated()
    assert reviews.texts == ("good", "bad")
    assert reviews.notes == ("3 texts with contradictory labels dropped",)


def test_of_duplicates_in_different_parts_the_test_row_stays():
    rows = [("good", "pos"), ("bad", "neg"), ("Good", "pos"), ("BAD", "neg")]
    reviews = dataset(*rows, parts=["train", "train", "validation", "test"]).deduplicated()
    assert reviews.texts == ("Good", "BAD")
    assert reviews.parts.tolist() == ["validation", "test"]


def test_nothing_is_noted_when_nothing_is_dropped():
    assert dataset(("good", "pos"), ("bad", "neg")).deduplicated().notes == ()


@given(st.lists(st.tuples(st.text("aA bB\u00df\ufb01", max_size=3), st.sampled_from(["neg", "pos"])), max_size=30))
def test_deduplication_leaves_each_text_once_and_only_if_its_label_is_certain(rows: list[tuple[str, str]]):
    labels_of: dict[str, set[str]] = {}
    for text, label in rows:
        labels_of.setdefault(text_key(text), set()).add(label)
    kept = [text_key(text) for text in dataset(*rows).deduplicated().texts]
    assert sorted(kept) == sorted(key for key, labels in labels_of.items() if len(labels) == 1)


@pytest.mark.parametrize(
    ("written", "class_names", "labels"),
    [
        (["1", "0", "1"], ("0", "1"), [1, 0, 1]),
        (["10", "9", "-1"], ("-1", "9", "10"), [2, 1, 0]),
        (["1.0", "1", "2.50"], ("1", "2.5"), [0, 0, 1]),
        (["0", "-0", "100"], ("0", "100"), [0, 0, 1]),
        (["10", "9", "many"], ("10", "9", "many"), [0, 1, 2]),
        (["spam", "ham"], ("ham", "spam"), [1, 0]),
    ],
)
def test_numbers_are_classes_in_numerical_order_and_words_in_alphabetical(
    written: list[str], class_names: tuple[str, ...], labels: list[int]
):
    numbered, names = number_classes(written)
    assert names == class_names
    assert numbered.tolist() == labels
    assert numbered.dtype == np.int64


def test_labels_of_new_data_are_written_in_the_classes_of_a_trained_model():
    new = dataset(("what a film", "pos"), ("oh dear", "neg"), ("lovely", "pos"))
    assert encode_labels(new, ["pos", "neutral", "neg"]).tolist() == [0, 2, 0]


def test_a_class_without_rows_need_not_be_known_to_the_model():
    new = TextDataset("example", ("fine",), np.array([1]), ("mixed", "pos"), "Made up.")
    assert encode_labels(new, ["neg", "pos"]).tolist() == [1]


def test_labels_the_model_was_not_trained_on_are_named():
    new = dataset(("what a film", "Positive"), ("oh dear", "negative"))
    with pytest.raises(InputError, match=r"'Positive'; valid are 'negative', 'positive'\. Did you mean 'positive'\?"):
        encode_labels(new, ["negative", "positive"])
