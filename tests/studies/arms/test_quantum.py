"""The quantum head and its ablations as methods of a study, against the models and circuits that they stand for."""

from __future__ import annotations

import json
from itertools import pairwise

import cirq
import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from tests.support import blobs
from tfq_llm import InputError
from tfq_llm.circuits import reuploading_circuit
from tfq_llm.config import FitConfig, HeadConfig
from tfq_llm.models import predict_logits, quantum_head
from tfq_llm.studies.arms import arms, fit, restored
from tfq_llm.studies.arms.names import ANGLE_SURROGATE, LINEAR_AND_QPU, NO_QPU, PCA_AND_QPU, QUANTUM
from tfq_llm.studies.arms.parameters import quantum_parameters
from tfq_llm.studies.arms.quantum import quantum_model
from tfq_llm.studies.arms.settings import QuantumSettings
from tfq_llm.training.fit import resumable_fit
from tfq_llm.training.heads import prepared

ROWS = blobs(72)
TRAIN, VALIDATION, TEST = ([part[rows] for part in ROWS] for rows in (slice(40), slice(40, 52), slice(52, None)))
TINY = QuantumSettings(encoder_layers=1, epochs=2, learning_rate=0.05)


def small(**changes):
    return TINY.model_dump() | changes


def catalogue(**changes):
    return arms(TINY.head.model_copy(update=changes), TINY.fit, 7, 2, 40)


@pytest.fixture(scope="module")
def exact():
    return fit(QUANTUM, small(), TRAIN, VALIDATION, 2, seed=2)


def model_of(name, dim=7):
    arm = catalogue()[name]
    return quantum_model(arm.method, QuantumSettings(**arm.defaults), dim, 2, 0)


def test_the_quantum_head_is_that_of_a_run():
    fitted = fit(QUANTUM, small(), TRAIN, VALIDATION, 2, seed=5)
    model = quantum_head(7, 2, TINY.head, 5)
    resumable_fit(prepared(model, TINY.fit, 40), tuple(TRAIN), tuple(VALIDATION), TINY.fit, name="head", seed=5)
    logits = predict_logits(model, TEST[0])
    np.testing.assert_array_equal(fitted.predict(TEST[0]), logits.argmax(axis=1))
    np.testing.assert_allclose(fitted.probabilities(TEST[0]), tf.nn.softmax(logits), atol=1e-6)
    assert (fitted.epochs, fitted.parameters) == (2, model.count_params())


@pytest.mark.parametrize(
    ("head", "dim", "classes"),
    [
        (HeadConfig(), 768, 2),
        (HeadConfig(padding="zero", encoder_layers=2, encoder_connectivity=2), 768, 2),
        (HeadConfig(num_qubits=3, num_encoders=2, merge="concatenate", shared=False, reuploads=3), 7, 2),
        (HeadConfig(num_measured=2, trainable_gain=False, layers=2, final_layers=3, connectivity=1), 16, 3),
        (HeadConfig(bias=False, num_encoders=2), 15, 3),
    ],
)
def test_parameters_are_counted_as_keras_counts_them(head, dim, classes):
    assert quantum_parameters(head, dim, classes) == quantum_head(dim, classes, head, 0).count_params()


def test_the_default_and_the_literal_head_have_the_sizes_of_the_facts():
    found = arms(HeadConfig(), FitConfig(), 768, 2, 435)
    sizes = [quantum_parameters(QuantumSettings(**found[name].defaults), 768, 2) for name in (QUANTUM, "quantum head, literal")]
    assert sizes == [634, 134]


def test_without_entanglement_there_are_no_cnots():
    def cnots(model):
        circuits = model.get_layer("amplitude_encoder").circuit, model.get_layer("reuploading_pqc").ansatz.circuit
        return [sum(operation.gate == cirq.CNOT for operation in circuit.all_operations()) for circuit in circuits]

    assert cnots(model_of("no entanglement")) == [0, 0]
    assert min(cnots(model_of(QUANTUM))) > 0


def test_nearest_neighbours_only():
    model = model_of("nearest neighbours only", dim=20)
    circuits = model.get_layer("amplitude_encoder").circuit, model.get_layer("reuploading_pqc").ansatz.circuit
    for circuit in circuits:
        pairs = [op.qubits for op in circuit.all_operations() if op.gate == cirq.CNOT]
        assert pairs
        assert {(target.x - control.x) % 5 for control, target in pairs} == {1}


def test_without_reuploading_every_angle_stands_once():
    ansatz = model_of("no re-uploading").get_layer("reuploading_pqc").ansatz
    for symbol in ansatz.data_symbols:
        assert sum(symbol in cirq.parameter_symbols(operation) for operation in ansatz.circuit.all_operations()) == 1


def test_the_surrogate_for_the_qpu_has_the_angles_of_the_trained_head(exact):
    settings = small(order=1, C=3.0)
    fitted = fit(ANGLE_SURROGATE, settings, TRAIN, VALIDATION, 2, seed=2)
    to_angles = tf.keras.Model(exact.model.inputs, exact.model.get_layer("angle_scaling").output)
    phases = [to_angles(rows[0]).numpy() for rows in (TRAIN, TEST)]
    trained, tested = (np.concatenate([np.cos(angles), np.sin(angles)], axis=1) for angles in phases)
    expected = LogisticRegression(C=3.0, max_iter=10_000).fit(trained, TRAIN[1])
    np.testing.assert_allclose(fitted.probabilities(TEST[0]), expected.predict_proba(tested), atol=1e-4)
    assert fitted.weights() is None
    assert fitted.epochs == exact.epochs
    qpu_and_logits = sum(exact.model.get_layer(name).count_params() for name in ("reuploading_pqc", "logits"))
    assert fitted.parameters == exact.parameters - qpu_and_logits + 2 * to_angles.output_shape[-1] + 1


def test_a_frozen_pqc_keeps_its_angles_and_all_else_is_trained():
    start = quantum_head(7, 2, TINY.head, 0)
    fitted = fit(QUANTUM, small(qpu_trainable=False), TRAIN, VALIDATION, 2, seed=0)
    changed = {
        layer.name: not np.array_equal(layer.get_weights()[0], fitted.model.get_layer(layer.name).get_weights()[0])
        for layer in start.layers[1:]
    }
    assert changed == {"amplitude_encoder": True, "angle_scaling": True, "reuploading_pqc": False, "logits": True}
    assert fitted.parameters == start.count_params() - start.get_layer("reuploading_pqc").count_params()


@pytest.mark.parametrize("method", [PCA_AND_QPU, LINEAR_AND_QPU, NO_QPU])
def test_what_an_ablation_keeps_starts_as_in_the_whole(method):
    whole, part = (quantum_model(name, TINY, 7, 2, 3) for name in (QUANTUM, method))
    kept = ["amplitude_encoder"] if method == NO_QPU else ["angle_scaling", "reuploading_pqc", "logits"]
    for name in kept:
        for ours, theirs in zip(whole.get_layer(name).get_weights(), part.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_principal_components_become_angles_of_a_circuit_that_cirq_simulates():
    fitted = fit(PCA_AND_QPU, small(), TRAIN, VALIDATION, 2, seed=1)
    pca = PCA(3).fit(TRAIN[0])
    values = pca.transform(TEST[0]) / np.abs(pca.transform(TRAIN[0])).max(axis=0)
    gain, bias = fitted.model.get_layer("angle_scaling").get_weights()
    ansatz = reuploading_circuit(3)
    (weights,) = fitted.model.get_layer("reuploading_pqc").get_weights()
    simulator = cirq.Simulator(dtype=np.complex128)
    z = []
    for angles in values * gain + bias:
        resolver = dict(zip((*ansatz.data_symbols, *ansatz.weight_symbols), (*angles, *weights), strict=True))
        z.append(simulator.simulate_expectation_values(ansatz.circuit, ansatz.observables(), resolver)[0].real)
    kernel, offset = fitted.model.get_layer("logits").get_weights()
    expected = tf.nn.softmax(np.array(z)[:, None] @ kernel + offset)
    np.testing.assert_allclose(fitted.probabilities(TEST[0]), expected, atol=1e-4)
    assert fitted.parameters == 6 + len(weights) + 4


def test_a_linear_layer_or_no_qpu():
    linear = fit(LINEAR_AND_QPU, small(), TRAIN, VALIDATION, 2, seed=1)
    assert linear.model.get_layer("linear").get_weights()[0].shape == (7, 3)
    alone = fit(NO_QPU, small(), TRAIN, VALIDATION, 2, seed=1)
    encoded = alone.model.get_layer("amplitude_encoder")(TEST[0])
    kernel, bias = alone.model.get_layer("logits").get_weights()
    np.testing.assert_allclose(alone.probabilities(TEST[0]), tf.nn.softmax(encoded @ kernel + bias), atol=1e-6)


def test_components_may_be_fewer_than_the_register_holds():
    fitted = fit(PCA_AND_QPU, small(num_qubits=2, connectivity=1), TRAIN, VALIDATION, 2, seed=1)
    assert fitted.model.get_layer("components").get_weights()[0].shape == (7, 2)


@pytest.mark.parametrize(
    ("conditions", "built"),
    [
        ({"noise": "aria-1", "trajectories": 4}, {"noise": "aria-1", "trajectories": 4}),
        ({"shots": 50}, {"shots": 50}),
        (
            {"shots": 50, "noise": "depolarizing:0.01,0.05", "readout_error": 0.02},
            {"shots": 50, "noise": "depolarizing:0.01,0.05", "readout_error": 0.02, "gradient": "parameter-shift"},
        ),
    ],
)
def test_a_trained_head_under_other_conditions(exact, conditions, built):
    again, other = (restored(QUANTUM, small(), exact.weights(), 7, 2, 9, given) for given in ({}, conditions))
    direct = quantum_head(7, 2, TINY.head.model_copy(update=built), 9)
    direct.set_weights(exact.weights())
    np.testing.assert_array_equal(again.probabilities(TEST[0]), exact.probabilities(TEST[0]))
    np.testing.assert_allclose(other.probabilities(TEST[0]), tf.nn.softmax(predict_logits(direct, TEST[0])), atol=1e-6)
    assert not np.array_equal(other.probabilities(TEST[0]), exact.probabilities(TEST[0]))
    np.testing.assert_array_equal(other.predict(TEST[0]), other.probabilities(TEST[0]).argmax(axis=1))


def test_conditions_say_everything():
    settings = small(noise="aria-1", trajectories=2, epochs=1)
    noisy = fit(QUANTUM, settings, TRAIN, VALIDATION, 2, seed=2)
    without = restored(QUANTUM, settings, noisy.weights(), 7, 2, 2, {"noise": "none"})
    direct = quantum_head(7, 2, TINY.head)
    direct.set_weights(noisy.weights())
    np.testing.assert_allclose(without.probabilities(TEST[0]), tf.nn.softmax(predict_logits(direct, TEST[0])), atol=1e-6)


def test_an_ablation_is_restored_with_all_that_it_was_fitted_with():
    fitted = fit(PCA_AND_QPU, small(), TRAIN, VALIDATION, 2, seed=2)
    again = restored(PCA_AND_QPU, small(), fitted.weights(), 7, 2, 2, {})
    np.testing.assert_array_equal(again.probabilities(TEST[0]), fitted.probabilities(TEST[0]))


def test_what_cannot_be_restored():
    weights = quantum_head(7, 2, TINY.head).get_weights()
    with pytest.raises(InputError, match="give trajectories or shots"):
        restored(QUANTUM, small(), weights, 7, 2, 0, {"noise": "aria-1"})
    with pytest.raises(InputError, match=r"'shot' is no condition .* Did you mean 'shots'"):
        restored(QUANTUM, small(), weights, 7, 2, 0, {"shot": 5})
    with pytest.raises(InputError, match="no quantum circuit that could have shots"):
        restored(NO_QPU, small(), weights, 7, 2, 0, {"shots": 5})
    with pytest.raises(InputError, match="not of the method 'quantum head' with these settings"):
        restored(QUANTUM, small(encoder_layers=2), weights, 7, 2, 0, {})
    with pytest.raises(InputError, match="'SVC' is no quantum method"):
        restored("SVC", {}, [], 7, 2, 0, {})


def test_training_is_the_same_for_the_same_seed_and_another_for_another():
    heads = [fit(QUANTUM, small(shots=20), TRAIN, VALIDATION, 2, seed).probabilities(TEST[0]) for seed in (4, 4, 5)]
    same = [np.array_equal(one, other) for one, other in pairwise(heads)]
    assert same == [True, False]


@pytest.mark.campaign
def test_two_processes_predict_the_same_to_the_last_bit(fresh_process, tmp_path):
    np.savez(tmp_path / "rows.npz", *TRAIN, *VALIDATION, TEST[0])
    code = (
        "import sys, json, numpy as np\n"
        "from tfq_llm.studies.arms import fit\n"
        "parts = list(np.load(sys.argv[1]).values())\n"
        "for method, settings in json.loads(sys.argv[2]):\n"
        "    head = fit(method, settings, (parts[0], parts[1]), (parts[2], parts[3]), 2, seed=6)\n"
        "    print(head.probabilities(parts[4]).tobytes().hex())\n"
    )
    found = catalogue()
    arms_to_fit = [found[name] for name in (QUANTUM, "MLP[48]", "random Fourier features")]
    methods = [(arm.method, {**arm.defaults, **({"epochs": 2} if "epochs" in arm.defaults else {})}) for arm in arms_to_fit]
    printed = fresh_process(code, tmp_path / "rows.npz", json.dumps(methods)).split()
    here = [fit(*method, TRAIN, VALIDATION, 2, seed=6).probabilities(TEST[0]).tobytes().hex() for method in methods]
    assert printed == here
