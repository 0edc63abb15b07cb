"""Models that were trained with shots or noise say what they serve; TensorFlow Quantum's form samples where it can."""

from __future__ import annotations

import json

import cirq
import numpy as np
import pytest

from tfq_llm import exported
from tfq_llm.export import export_model
from tfq_llm.export.head import HeadParts

SHOTS = {"shots": 200, "gradient": "parameter-shift"}
PER_QUBIT = {"noise": "depolarizing:0.01,0.02,per-qubit", "trajectories": 400}
TWO_QUBIT = {"noise": "aria-1", "trajectories": 4}
LOAD = """
import sys, numpy as np
from tfq_llm import exported
print(exported.load(sys.argv[1])(np.ones([1, 7]))["logits"].tolist())
"""
ROWS = np.random.default_rng(0).normal(size=[4, 7]).astype(np.float32)


@pytest.mark.parametrize("settings", [SHOTS, TWO_QUBIT], ids=["shots", "noise"])
def test_the_plain_form_is_exact_and_says_so(settings, head_model, origin, tmp_path, caplog):
    trained = head_model(**settings)
    model = exported.load(export_model(trained, origin, tmp_path / "m", command="", head_only=True))
    assert "serve exact expectation values" in caplog.text
    assert model.facts.serves == "exact"
    assert model.facts.trained_with.shots == settings.get("shots")
    card = (model.path / "card.md").read_text()
    assert "serves **exact** expectation values of the noiseless circuit: plain TensorFlow operations cannot sample" in card
    assert "on any server that has TensorFlow." in card
    np.testing.assert_allclose(model(ROWS)["logits"], HeadParts.of(trained.head).exact_logits(ROWS), atol=1e-5)


@pytest.mark.slow
def test_the_tfq_form_samples_as_it_was_trained(head_model, origin, tmp_path):
    for number, settings in enumerate((SHOTS, PER_QUBIT)):
        trained = head_model(**settings)
        to = tmp_path / f"m{number}"
        model = exported.load(export_model(trained, origin, to, command="", head_only=True, signature="tfq"))
        assert model.facts.signature == "tfq"
        assert model.facts.serves == model.facts.trained_with
        card = (model.path / "card.md").read_text()
        assert "sampled anew at every request" in card
        assert "TensorFlow Quantum" in card
        first, second = model(ROWS)["expectation_values"], model(ROWS)["expectation_values"]
        assert (first != second).any()
        mean = np.mean([model(ROWS)["z"] for _ in range(20)], axis=0)  # of 4,000 shots or 8,000 trajectories
        np.testing.assert_allclose(mean, density_matrix_z(model, trained), atol=0.08)


def density_matrix_z(model, trained) -> np.ndarray:
    """⟨Z⟩ of every qubit [rows, qubits] by Cirq's density matrices, of the circuit that was exported with its noise put back."""
    circuit, qubits = cirq.read_json(model.path / "circuit.json"), cirq.LineQubit.range(model.facts.qubits)
    noisy = HeadParts.of(trained.head).pqc.sampling.noisy(circuit, qubits)
    simulator, rows = cirq.DensityMatrixSimulator(dtype=np.complex128), []
    for angles in model(ROWS)["angles"].astype(float):
        resolved = cirq.resolve_parameters(noisy, dict(zip(model.facts.circuit.data_symbols, angles, strict=True)))
        rows.append(np.real(simulator.simulate_expectation_values(resolved, [cirq.Z(qubit) for qubit in qubits])))
    return np.array(rows)


@pytest.mark.slow
def test_the_tfq_form_is_loaded_by_a_process_that_trained_nothing(head_model, origin, tmp_path, fresh_process):
    trained = head_model()
    written = export_model(trained, origin, tmp_path / "m", command="", head_only=True, signature="tfq")
    found = json.loads(fresh_process(LOAD, written))
    np.testing.assert_allclose(found, trained.head(np.ones([1, 7], np.float32)), atol=1e-5)


@pytest.mark.slow
def test_what_tfq_cannot_sample_is_exact_and_said(head_model, origin, tmp_path, caplog):
    trained = head_model(**TWO_QUBIT)
    model = exported.load(export_model(trained, origin, tmp_path / "m", command="", head_only=True, signature="tfq"))
    (warning,) = [message for message in caplog.messages if "serves exact expectation values" in message]
    assert "it knows no noise on two qubits" in warning
    assert "executor" not in warning  # an export has none to choose
    assert model.facts.serves == "exact"
    card = (model.path / "card.md").read_text()
    assert "trained with 4 trajectories, gate noise 'aria-1', and serves **exact** expectation values" in card
    assert "TensorFlow Quantum, on whose operators the circuit is, knows no noise on two qubits" in card
    assert "plain TensorFlow operations" not in card
    assert "on any server that has TensorFlow and TensorFlow Quantum." in card
    np.testing.assert_allclose(model(ROWS)["logits"], HeadParts.of(trained.head).exact_logits(ROWS), atol=1e-5)
