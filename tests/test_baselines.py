"""The classical heads are scikit-learn's own with its defaults."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from tests.support import blobs
from tfq_llm import InputError
from tfq_llm.baselines import NAMES, fit_baseline


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("name", "estimator"), [("logistic regression", LogisticRegression(max_iter=2000)), ("SVC", SVC())])
def test_predictions_are_those_of_scikit_learn(name, estimator, classes):
    embeddings, labels = blobs(classes=classes)
    train, test = slice(0, 40), slice(40, None)
    fitted = fit_baseline(name, embeddings[train], labels[train])
    expected = estimator.fit(embeddings[train], labels[train]).predict(embeddings[test])
    assert fitted.name == name
    np.testing.assert_array_equal(fitted.predict(embeddings[test]), expected)
    assert np.mean(expected == labels[test]) > 0.9


@pytest.mark.parametrize(("classes", "weights", "biases"), [(2, 7, 1), (3, 21, 3)])
def test_logistic_regression_counts_weights_and_biases(classes, weights, biases):
    assert fit_baseline("logistic regression", *blobs(dim=7, classes=classes)).parameters == weights + biases


@pytest.mark.parametrize("classes", [2, 3])
def test_svc_counts_dual_coefficients_and_intercepts(classes):
    embeddings, labels = blobs(classes=classes)
    machine = SVC().fit(embeddings, labels)
    assert fit_baseline("SVC", embeddings, labels).parameters == machine.dual_coef_.size + machine.intercept_.size


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_head(name):
    embeddings, labels = blobs()
    first, second = (fit_baseline(name, embeddings, labels, seed=3).estimator for _ in range(2))
    np.testing.assert_array_equal(first.decision_function(embeddings), second.decision_function(embeddings))


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="no classical head 'forest': choose from logistic regression, SVC"):
        fit_baseline("forest", *blobs())
