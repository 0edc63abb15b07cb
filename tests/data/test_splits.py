"""Few-shot splits by the paper's protocol, given splits, and splits of precomputed embeddings."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfq_llm.data import EmbeddingDataset, Split, TextDataset, embedding_split, few_shot_split, given_split, subsample
from tfq_llm.data.duplicates import text_key
from tfq_llm.errors import InputError

PARTS = ("train", "validation", "test")


def halves(rows: int) -> np.ndarray:
    """Labels ordered by class, as the movie reviews are."""
    return np.repeat([0, 1], rows // 2)


def rows_of(split: Split) -> np.ndarray:
    return np.concatenate([split.train, split.validation, split.test])


def test_the_papers_numbers():
    labels = halves(9_614)[:9_613]
    split = few_shot_split(labels)
    assert (len(split.train), len(split.validation), len(split.test)) == (435, 77, 9_101)
    drawn = labels[np.concatenate([split.train, split.validation])]
    assert np.bincount(drawn).tolist() == [256, 256]
    assert set(np.bincount(labels[split.validation])) == {38, 39}
    assert np.array_equal(split.test, np.sort(split.test))


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    labels = halves(1000)
    first, again, other = (few_shot_split(labels, per_class=50, seed=seed) for seed in (3, 3, 4))
    assert first.to_dict() == again.to_dict()
    assert set(first.train) != set(other.train)


def test_rows_are_drawn_in_mixed_order():
    labels = halves(1000)
    order = labels[few_shot_split(labels, per_class=100).train]
    assert 0.3 < order[: len(order) // 2].mean() < 0.7


def test_every_row_is_drawn_equally_often():
    labels = halves(20)
    counts = np.zeros(20)
    for seed in range(600):
        counts[few_shot_split(labels, per_class=4, seed=seed).train] += 1
    # 3 of 10 rows of a class train each time: 180 of 600, with a standard deviation of 11.
    assert np.all(np.abs(counts - 180) < 4.5 * 11)


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=2, max_size=5),
    per_class=st.integers(2, 30),
    fraction=st.floats(0.01, 0.5),
    seed=st.integers(0, 2**40),
)
def test_counts_are_exact_and_no_row_is_in_two_parts(sizes: list[int], per_class: int, fraction: float, seed: int):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), np.array(sizes) + per_class))
    if not sum(sizes):
        with pytest.raises(InputError, match="nothing is left for the test"):
            few_shot_split(labels, per_class, fraction, seed)
        return
    split = few_shot_split(labels, per_class, fraction, seed)
    assert sorted(rows_of(split)) == list(range(len(labels)))
    validation = max(math.ceil(fraction * (per_class * len(sizes))), len(sizes))
    assert len(split.validation) == validation
    assert len(split.train) == per_class * len(sizes) - validation
    assert np.bincount(labels[split.test], minlength=len(sizes)).tolist() == sizes
    in_validation = np.bincount(labels[split.validation], minlength=len(sizes))
    assert in_validation.max() - in_validation.min() <= 1
    assert np.all(np.bincount(labels[split.train], minlength=len(sizes)) > 0)


texts = st.lists(st.tuples(st.text("ab \u00c4\u00e4", max_size=4), st.integers(0, 1)), min_size=1, max_size=200)


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(0, 1000))
def test_no_text_is_in_two_parts(rows: list[tuple[str, int]], seed: int):
    rows += [(f"{label} {number}", label) for label in (0, 1) for number in range(6)]
    labels = np.array([label for _, label in rows])
    dataset = TextDataset("example", tuple(text for text, _ in rows), labels, ("0", "1"), "Made up.")
    distinct = dataset.deduplicated()
    keys = [text_key(text) for text in dataset.texts]
    for texts, split in (
        (distinct.texts, few_shot_split(distinct.labels, per_class=4, seed=seed)),
        (dataset.texts, few_shot_split(labels, per_class=4, seed=seed, keys=keys)),
    ):
        used = [text_key(texts[row]) for row in rows_of(split)]
        assert len(used) == len(set(used)) == len(distinct)


def test_a_split_survives_json():
    split = few_shot_split(halves(100), per_class=10, seed=5)
    again = Split.from_dict(json.loads(json.dumps(split.to_dict())))
    assert again.to_dict() == split.to_dict()
    assert again.train.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0] * 20, {}, "at least two classes, but all rows are of the class '0'"),
        ([1] * 20, {"class_names": ["neg", "pos"], "per_class": 4}, "all rows are of the class 'pos'"),
        ([], {}, "at least two classes, but there are no rows"),
        (
            [0] * 9 + [1] * 3,
            {"per_class": 5, "class_names": ["neg", "pos"]},
            r"the class 'pos' has 3\. Set per_class to at most 3",
        ),
        ([0] * 4 + [1] * 3, {"per_class": 5}, "the class '0' has 4 and the class '1' has 3"),
        ([0] * 9 + [1] * 9, {"per_class": 5, "class_names": ["a", "b", "c"]}, "the class 'c' has 0"),
        ([0] * 5 + [1] * 5, {"per_class": 5}, "nothing is left for the test: 8 rows train and 2 validate"),
        ([0, 1] * 9, {"per_class": 1}, "per_class must be a whole number of at least 2"),
        ([0, 1] * 9, {"per_class": 2.5}, "per_class must be a whole number of at least 2"),
        ([0, 1] * 9, {"per_class": 4, "validation_fraction": 0.0}, "validation_fraction must be between 0 and 1"),
        ([0, 1] * 9, {"per_class": 4, "validation_fraction": math.nan}, "validation_fraction must be between 0 and 1"),
        ([0, 1] * 9, {"per_class": 4, "validation_fraction": 0.9}, "takes 8 of 8 rows and leaves a class without training rows"),
        ([0, 1] * 9, {"per_class": 4, "seed": -1}, "a seed must be a whole number and not negative, got -1"),
        ([0, 1] * 9, {"per_class": 4, "seed": "0"}, "a seed must be a whole number"),
    ],
)
def test_splits_that_cannot_be_made(labels: list[int], options: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        few_shot_split(np.array(labels, dtype=np.int64), **options)  # type: ignore[arg-type]


def divided(parts: str, labels: str, texts: list[str] | None = None) -> TextDataset:
    """A data set from the initials of each row's part and its label: divided("ttvx", "0101"), where x is the test part."""
    names = {"t": "train", "v": "validation", "x": "test"}
    texts = texts or [f"text {row}" for row in range(len(parts))]
    numbers = np.array([int(label) for label in labels])
    return TextDataset("example", tuple(texts), numbers, ("0", "1"), "Made up.", np.array([names[part] for part in parts]))


def test_given_parts_are_used_as_they_are():
    split = given_split(divided("ttvvxx", "010101"))
    assert [sorted(part) for part in (split.train, split.validation, split.test)] == [[0, 1], [2, 3], [4, 5]]


def test_given_validation_rows_are_put_in_random_order_with_the_seed():
    dataset = divided("tt" + "v" * 100 + "xx", "01" + "0" * 50 + "1" * 50 + "01")
    first, again, other = (given_split(dataset, seed=seed).validation for seed in (0, 0, 1))
    assert sorted(first) == list(range(2, 102))
    assert 0.3 < dataset.labels[first][:50].mean() < 0.7
    assert first.tolist() == again.tolist() != other.tolist()


def test_validation_rows_come_from_the_training_part_if_there_are_none():
    dataset = divided("t" * 40 + "xx", "01" * 21)
    split = given_split(dataset, validation_fraction=0.25, seed=1)
    assert split.test.tolist() == [40, 41]
    assert np.bincount(dataset.labels[split.validation]).tolist() == [5, 5]
    assert sorted([*split.train, *split.validation]) == list(range(40))


def test_the_validation_part_is_the_test_if_there_is_none():
    split = given_split(divided("t" * 40 + "vv", "01" * 21))
    assert split.test.tolist() == [40, 41]
    assert (len(split.train), len(split.validation)) == (34, 6)


def test_a_training_text_that_is_also_a_test_text_does_not_train():
    split = given_split(divided("tttvvx", "010010", ["a", "b", "Same", "c", "d", "same"]))
    assert [sorted(part) for part in (split.train, split.validation, split.test)] == [[0, 1], [3, 4], [5]]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (TextDataset("example", ("a", "b"), np.array([0, 1]), ("0", "1"), "Made up."), "did not come divided"),
        (divided("vvxx", "0101"), "did not come divided, with a training part"),
        (divided("ttvvxx", "000000"), "at least two classes, but all rows are of the class '0'"),
        (divided("ttvvxx", "000101"), "the training part of 'example' has no rows of the class '1'"),
        (divided("tttt", "0101"), "nothing is left for the test"),
    ],
)
def test_given_parts_that_cannot_be_used(dataset: TextDataset, message: str):
    with pytest.raises(InputError, match=message):
        given_split(dataset, validation_fraction=0.5)


def embedded(rows: int = 40, **bound: list[int]) -> EmbeddingDataset:
    embeddings = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    indices = {name: np.array(values) for name, values in bound.items()}
    return EmbeddingDataset("example", embeddings, np.arange(rows) % 2, ("0", "1"), **indices)


def test_bound_rows_are_binding_and_the_rest_is_the_test():
    split = embedding_split(embedded(8, train=[5, 0, 3], validation=[1, 2]))
    assert split.train.tolist() == [5, 0, 3]
    assert split.validation.tolist() == [1, 2]
    assert split.test.tolist() == [4, 6, 7]


def test_test_rows_equal_to_a_bound_row_are_left_out():
    dataset = embedded(8, train=[0, 1], validation=[2, 3])
    dataset.embeddings[5] = dataset.embeddings[1]
    dataset.embeddings[6] = dataset.embeddings[7]
    dataset.embeddings[[2, 4]] = [[0.0, 1.0, 2.0], [-0.0, 1.0, 2.0]]
    assert embedding_split(dataset).test.tolist() == [6, 7]


def test_validation_rows_come_out_of_bound_training_rows_if_there_are_none():
    split = embedding_split(embedded(40, train=list(range(20))), validation_fraction=0.2)
    assert (len(split.train), len(split.validation)) == (16, 4)
    assert split.test.tolist() == list(range(20, 40))


def test_unbound_embeddings_follow_the_few_shot_protocol_without_equal_rows():
    dataset = embedded(40)
    dataset.embeddings[2] = dataset.embeddings[0]
    dataset.embeddings[4] = dataset.embeddings[1]
    split = embedding_split(dataset, per_class=8)
    assert (len(split.train), len(split.validation)) == (13, 3)
    assert set(rows_of(split)) == set(range(40)) - {2, 1, 4}


def test_bound_rows_of_one_class_only():
    with pytest.raises(InputError, match="all rows are of the class '0'"):
        embedding_split(embedded(8, train=[0, 2], validation=[4]))


def test_bound_rows_that_leave_no_test():
    with pytest.raises(InputError, match="nothing is left for the test"):
        embedding_split(embedded(4, train=[0, 1], validation=[2, 3]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=80), st.integers(1, 100), st.integers(0, 1000))
def test_a_subsample_has_each_class_in_proportion(classes: list[int], rows: int, seed: int):
    labels = np.array([9, 9, *classes])
    indices = np.arange(2, len(labels))
    chosen = subsample(indices, labels, rows, seed)
    size = min(rows, len(indices))
    assert len(set(chosen)) == len(chosen) == size
    assert set(chosen) <= set(indices)
    assert np.array_equal(chosen, subsample(indices, labels, rows, seed))
    share = np.bincount(classes, minlength=4) * size / len(classes)
    assert np.all(np.abs(np.bincount(labels[chosen], minlength=4) - share) < 1)


def test_a_subsample_needs_a_sensible_size():
    with pytest.raises(InputError, match="at least 1, got 0"):
        subsample(np.arange(4), halves(4), 0)
