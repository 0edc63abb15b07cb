"""Who sees which rows: every arm the same, and test rows only where they are scored."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold

from tests.studies.test_trial import trial
from tests.support import blobs
from tfq_llm.data import EmbeddingDataset
from tfq_llm.data.splits import embedding_split
from tfq_llm.errors import InputError
from tfq_llm.studies.trial_rows import final_rows, rows_of


@pytest.fixture
def dataset() -> EmbeddingDataset:
    embeddings, labels = blobs(120)
    return EmbeddingDataset("blobs", embeddings, labels, ("no", "yes"))


def small(**changes: object):
    return trial(**{"per_class": 20, "test_rows": None, "split": 5, **changes})


def test_a_finished_arm_is_scored_on_all_that_was_not_drawn(dataset):
    split = embedding_split(dataset, 20, 0.15, 5)
    rows = rows_of(dataset, small())
    np.testing.assert_array_equal(rows.train[0], dataset.embeddings[split.train])
    np.testing.assert_array_equal(rows.validation[1], dataset.labels[split.validation])
    np.testing.assert_array_equal(rows.scored[0], dataset.embeddings[split.test])
    assert len(rows.scored[1]) == 80


def test_folds_are_scikit_learns_on_the_drawn_rows_and_leave_test_rows_alone(dataset):
    split = embedding_split(dataset, 20, 0.15, 5)
    drawn = np.sort(np.concatenate([split.train, split.validation]))
    for fold, (train, held_out) in enumerate(
        StratifiedKFold(4, shuffle=True, random_state=5).split(drawn, dataset.labels[drawn])
    ):
        rows = rows_of(dataset, small(scored_on="validation", folds=4, fold=fold))
        np.testing.assert_array_equal(rows.train[0], dataset.embeddings[drawn[train]])
        np.testing.assert_array_equal(rows.scored[0], dataset.embeddings[drawn[held_out]])


def test_a_part_of_the_test_rows_is_the_same_for_all(dataset):
    part = final_rows(dataset, small(test_rows=30))
    np.testing.assert_array_equal(part, final_rows(dataset, small(test_rows=30, method="nearest neighbours", init=7)))
    assert len(part) == 30
    assert np.isin(part, embedding_split(dataset, 20, 0.15, 5).test).all()


def test_principal_components_are_those_of_the_training_rows(dataset):
    rows = rows_of(dataset, small(input_dim=3))
    train = dataset.embeddings[embedding_split(dataset, 20, 0.15, 5).train]
    expected = PCA(3, svd_solver="full").fit(train).transform(train)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(rows.train[0], expected, atol=1e-6)
    assert rows.scored[0].shape == (80, 3)


def test_bound_test_rows_are_all_that_is_scored(dataset):
    bound = EmbeddingDataset("b", dataset.embeddings, dataset.labels, dataset.class_names, test=np.arange(100, 120))
    split = embedding_split(bound, 20, 0.15, 5)
    np.testing.assert_array_equal(final_rows(bound, small()), np.arange(100, 120))
    assert max(*split.train, *split.validation) < 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scored_on": "validation", "folds": 21, "fold": 0}, "21 folds need as many drawn rows of each class, and one has 20"),
        ({"input_dim": 8}, "have 7 principal components, and the trial wants 8"),
    ],
)
def test_what_cannot_be_divided_so_is_refused(dataset, changes, message):
    with pytest.raises(InputError, match=message):
        rows_of(dataset, small(**changes))
