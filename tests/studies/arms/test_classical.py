"""The classical arms, against scikit-learn and Keras called directly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from tests.support import blobs
from tfq_llm import InputError
from tfq_llm.config import FitConfig, HeadConfig
from tfq_llm.layers import ReuploadingPQC
from tfq_llm.studies.arms import METHODS, arms, fit
from tfq_llm.studies.arms.fourier import feature_count, features, frequencies
from tfq_llm.studies.arms.names import QUANTUM
from tfq_llm.studies.arms.settings import MLPSettings, PCAMLPSettings, SurrogateSettings

FAST = FitConfig(epochs=4, learning_rate=0.05)


def parts(classes=2):
    embeddings, labels = blobs(72, classes=classes)
    noisy = embeddings + np.random.default_rng(1).normal(size=embeddings.shape).astype(np.float32)
    return [(noisy[rows], labels[rows]) for rows in (slice(40), slice(40, 52), slice(52, None))]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    ("method", "settings", "estimator", "has_probabilities"),
    [
        ("logistic regression", {"C": 0.3}, LogisticRegression(C=0.3, max_iter=10_000), True),
        ("SVC", {"C": 100.0, "gamma_factor": 1.0}, SVC(C=100, gamma="scale"), False),
        (
            "k nearest neighbours",
            {"neighbours": 4, "weights": "distance", "metric": "cosine"},
            KNeighborsClassifier(4, weights="distance", metric="cosine"),
            True,
        ),
        (
            "random Fourier features",
            {"components": 50, "gamma_factor": 1.0, "C": 2.0},
            make_pipeline(RBFSampler(gamma="scale", n_components=50, random_state=3), LogisticRegression(C=2, max_iter=10_000)),
            True,
        ),
    ],
)
def test_heads_are_those_of_scikit_learn(classes, method, settings, estimator, has_probabilities):
    train, validation, test = parts(classes)
    fitted = fit(method, settings, train, validation, classes, seed=3)
    estimator.fit(train[0].astype(float), train[1])
    np.testing.assert_array_equal(fitted.predict(test[0]), estimator.predict(test[0]))
    if has_probabilities:
        np.testing.assert_allclose(fitted.probabilities(test[0]), estimator.predict_proba(test[0]), atol=1e-4)
    else:
        assert fitted.probabilities(test[0]) is None
    assert (fitted.epochs, fitted.weights()) == (None, None)


@pytest.mark.parametrize(
    ("method", "settings", "parameters"),
    [
        ("logistic regression", {"C": 1.0}, 8),
        ("k nearest neighbours", {"neighbours": 3, "weights": "uniform", "metric": "euclidean"}, 0),
        ("random Fourier features", {"components": 50, "gamma_factor": 1.0, "C": 2.0}, 51),
        ("classical surrogate", SurrogateSettings(qubits=3, reuploads=2, order=6).model_dump(), 125),
    ],
)
def test_parameters(method, settings, parameters):
    train, validation, _ = parts()
    assert fit(method, settings, train, validation, 2, seed=0).parameters == parameters


def test_a_class_without_training_rows_has_probability_0():
    train, validation, test = parts()
    probabilities = fit("logistic regression", {"C": 1.0}, train, validation, 3, seed=0).probabilities(test[0])
    np.testing.assert_array_equal(probabilities[:, 2], 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize(("hidden", "parameters"), [(0, 1538), (48, 37_010), (96, 74_018), (144, 111_026), (192, 148_034)])
def test_perceptrons_have_the_sizes_of_the_paper(hidden, parameters):
    rows = blobs(8, dim=768)
    settings = MLPSettings(hidden=hidden, epochs=1).model_dump()
    assert fit("MLP", settings, rows, rows, 2, seed=0).parameters == parameters


def test_a_perceptron_learns_and_stops_early():
    train, validation, test = parts()
    settings = MLPSettings(**FAST.model_dump() | {"epochs": 100, "patience": 1}, hidden=16, standardise=True).model_dump()
    fitted = fit("MLP", settings, train, validation, 2, seed=0)
    assert fitted.epochs < 100
    assert np.mean(fitted.predict(test[0]) == test[1]) > 0.7
    np.testing.assert_array_equal(fitted.predict(test[0]), fitted.probabilities(test[0]).argmax(axis=1))


def test_principal_components_go_into_a_perceptron():
    train, validation, test = parts()
    settings = PCAMLPSettings(**FAST.model_dump(), components=3, budget=40).model_dump()
    fitted = fit("PCA MLP", settings, train, validation, 2, seed=0)
    components = tf.keras.Model(fitted.model.input, fitted.model.get_layer("components").output)
    expected = PCA(3, whiten=True).fit(train[0]).transform(test[0]) * math.sqrt(40 / 39)
    np.testing.assert_allclose(np.abs(components(test[0])), np.abs(expected), atol=1e-4)
    assert fitted.parameters == (3 + 1) * 6 + (6 + 1) * 2


@pytest.mark.parametrize("reuploads", [1, 2])
def test_a_reuploading_circuit_lies_in_the_span_of_the_features(reuploads):
    rng = np.random.default_rng(reuploads)
    angles = rng.uniform(-np.pi, np.pi, [200, 2])
    start = tf.keras.initializers.RandomUniform(-np.pi, np.pi, reuploads)
    values = ReuploadingPQC(2, reuploads, connectivity=1, initializer=start, dtype="float64")(angles).numpy()
    found = frequencies(2, reuploads, order=2 * reuploads)
    assert 2 * len(found) + 1 == (2 * reuploads + 1) ** 2
    basis = np.concatenate([np.ones([200, 1]), features(angles, found)], axis=1)
    coefficients = np.linalg.lstsq(basis, values, rcond=None)[0]
    assert np.std(values) > 0.05
    np.testing.assert_allclose(basis @ coefficients, values, atol=1e-8)
    if reuploads == 2:  # of fewer frequencies there are too few
        less = basis[:, [0, *(1 + np.flatnonzero(np.tile(np.abs(found).max(axis=1), 2) < 2))]]
        assert np.abs(less @ np.linalg.lstsq(less, values, rcond=None)[0] - values).max() > 1e-2


def test_the_surrogate_is_ridge_regression_on_the_features_of_scaled_components():
    train, validation, test = parts()
    settings = SurrogateSettings(qubits=3, reuploads=1, order=2, spread=1.0, C=0.5)
    fitted = fit("classical surrogate", settings.model_dump(), train, validation, 2, seed=0)
    pca = PCA(3).fit(train[0].astype(float))
    scale = np.pi / np.abs(pca.transform(train[0])).max(axis=0)
    # By hand: |ω1| + |ω2| + |ω3| ≤ 2 with entries −1, 0, 1, of every pair ω and −ω one.
    waves = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]])

    def transform(rows):
        phases = pca.transform(rows) * scale @ waves.T
        return np.concatenate([np.cos(phases), np.sin(phases)], axis=1)

    estimator = make_pipeline(FunctionTransformer(transform), LogisticRegression(C=0.5, max_iter=10_000))
    estimator.fit(train[0].astype(float), train[1])
    np.testing.assert_allclose(fitted.probabilities(test[0]), estimator.predict_proba(test[0]), atol=1e-3)


@pytest.mark.parametrize(("qubits", "reuploads", "order"), [(1, 3, 2), (2, 2, 4), (4, 2, 3), (10, 2, 2)])
def test_frequencies_are_counted_and_come_once(qubits, reuploads, order):
    found = frequencies(qubits, reuploads, order)
    both = {tuple(row) for row in np.concatenate([found, -found]).tolist()}
    assert len(both) == 2 * len(found) == feature_count(qubits, reuploads, order)
    assert np.abs(found).max() <= reuploads
    assert np.abs(found).sum(axis=1).max() <= order


def test_every_kind_of_arm_fits_three_classes():
    train, validation, test = parts(3)
    found = {arm.method: arm for arm in arms(HeadConfig(encoder_layers=1), FitConfig(epochs=1), 7, 3, 40).values()}
    for arm in (arm for method, arm in found.items() if method == QUANTUM or not METHODS[method].is_quantum):
        fitted = fit(arm.method, arm.defaults, train, validation, 3, seed=0)
        assert fitted.predict(test[0]).shape == (20,), arm.name
        assert fitted.predict(test[0]).dtype.kind == "i"
        assert (fitted.weights() is None) != METHODS[arm.method].is_quantum


def test_bad_input():
    train, validation, _ = parts()
    with pytest.raises(InputError, match=r"no method 'SCV'.* Did you mean 'SVC'"):
        fit("SCV", {}, train, validation, 2, 0)
    with pytest.raises(InputError, match=r"no setting 'gama_factor'.* Did you mean 'gamma_factor'"):
        fit("SVC", {"gama_factor": 1.0}, train, validation, 2, 0)
    with pytest.raises(InputError, match="needs all of its settings, and there is no gamma_factor"):
        fit("SVC", {"C": 1.0}, train, validation, 2, 0)
    with pytest.raises(InputError, match=r"C: Input should be greater than 0 \(given: -1.0\)"):
        fit("logistic regression", {"C": -1.0}, train, validation, 2, 0)
    with pytest.raises(InputError, match="41 neighbours were asked for, and there are 40 training rows"):
        fit("k nearest neighbours", {"neighbours": 41, "weights": "uniform", "metric": "cosine"}, train, validation, 2, 0)
    with pytest.raises(InputError, match="40 rows of 7 dimensions have 7 principal components, and 8 were asked for"):
        fit("classical surrogate", SurrogateSettings(qubits=8).model_dump(), train, validation, 2, 0)
    with pytest.raises(InputError, match="20,000 are the most: use a smaller order"):
        fit("classical surrogate", SurrogateSettings(qubits=7, order=12).model_dump(), train, validation, 2, 0)
    with pytest.raises(InputError, match="all of one class"):
        fit("logistic regression", {"C": 1.0}, (train[0], np.zeros(40, int)), validation, 2, 0)
    with pytest.raises(InputError, match="training labels must be whole numbers from 0 to 1"):
        fit("logistic regression", {"C": 1.0}, (train[0], train[1] + 1), validation, 2, 0)
    with pytest.raises(InputError, match="validation embeddings must be finite"):
        fit("logistic regression", {"C": 1.0}, train, (validation[0] * np.nan, validation[1]), 2, 0)
    with pytest.raises(InputError, match="have 7 dimensions and validation embeddings 5"):
        fit("logistic regression", {"C": 1.0}, train, (validation[0][:, :5], validation[1]), 2, 0)
