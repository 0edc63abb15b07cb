"""An exported model is the trained one, in a process that has TensorFlow and TF-Text and nothing else of what trained it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cirq
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.exported_logits import largest_differences
from benchmarks.stock_process import PREAMBLE
from tfq_llm import data, exported, load_run
from tfq_llm.export import Provenance, export_model
from tfq_llm.export.circuit_operations import FoldedCircuit, GatewiseCircuit
from tfq_llm.export.head import HeadParts
from tfq_llm.export.orthogonal import rows_matrix
from tfq_llm.models import predict_logits

TEXTS = [f"the movie number {n} is un{'great' * (n % 3)} and naïve; le café {chr(0x0430 + n % 30)}!" for n in range(998)] + [
    "",
    "电影",
]
# Every form that the circuits can take: name → dimensions, classes, settings.
FORMS = {
    "averaged encoders, one upload, fixed gain": (
        7,
        2,
        {"num_encoders": 2, "reuploads": 1, "trainable_gain": False, "bias": False},
    ),
    "concatenated encoders, three classes, angles of their own": (
        7,
        3,
        {"num_encoders": 2, "merge": "concatenate", "num_qubits": 3, "shared": False, "reuploads": 3},
    ),
    "no padding, two qubits": (4, 2, {"padding": "zero", "connectivity": 1, "encoder_connectivity": 1}),
    "gate by gate": (30, 2, {"num_qubits": 11, "encoder_layers": 1, "connectivity": 1}),
}
LOAD_ALL = """
from pathlib import Path
for folder in sorted(Path(sys.argv[1]).iterdir()):
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    case = np.load(Path(sys.argv[2]) / (folder.name + ".npz"))
    found = serve(**{str(case["key"]): tf.constant(case["inputs"])})
    np.testing.assert_allclose(found["logits"], case["logits"], atol=1e-5, err_msg=folder.name)
    np.testing.assert_allclose(found["probabilities"], case["probabilities"], atol=1e-5, err_msg=folder.name)
assert not FORBIDDEN & {name.partition(".")[0] for name in sys.modules}
"""


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.asarray(tf.nn.softmax(logits))


@pytest.mark.slow
def test_a_thousand_texts_and_every_form_of_head_on_a_stock_server(
    exported_text, text_model, head_model, origin, tmp_path, fresh_process
):
    models, cases = tmp_path / "models", tmp_path / "cases"
    models.mkdir()
    cases.mkdir()
    (models / "texts").symlink_to(exported_text)
    logits = predict_logits(text_model.head, text_model.embed(TEXTS))
    texts = np.array([text.encode() for text in TEXTS])
    np.savez(cases / "texts.npz", key="text", inputs=texts, logits=logits, probabilities=softmax(logits))
    for name, (dim, classes, settings) in FORMS.items():
        trained = head_model(dim, classes, **settings)
        (models / name).symlink_to(export_model(trained, origin, tmp_path / "all", command="", head_only=True))
        rows = np.random.default_rng(5).normal(size=[1000, dim]).astype(np.float32)
        rows[0] = 0
        logits = predict_logits(trained.head, rows)
        np.savez(cases / f"{name}.npz", key="embedding", inputs=rows, logits=logits, probabilities=softmax(logits))
    fresh_process(PREAMBLE + LOAD_ALL, models, cases, cwd=tmp_path)


@pytest.mark.campaign
def test_the_benchmark_says_how_far_the_exported_logits_are(exported_text, text_model, head_model):
    assert 0 <= largest_differences(text_model, exported_text.parent, TEXTS[:70]).logits < 1e-5
    weights = text_model.head.get_weights()
    other = tf.keras.models.clone_model(text_model.head)
    other.set_weights([*weights[:-1], weights[-1] + 0.25])  # of the linear layer's bias
    spoilt = dataclasses.replace(text_model, head=other)
    np.testing.assert_allclose(largest_differences(spoilt, exported_text, TEXTS[:70]).logits, 0.25, atol=1e-5)


def test_outputs_are_what_the_layers_put_out(exported_text, text_model):
    model = exported.load(exported_text)
    found = model(TEXTS[:6])
    embeddings = text_model.encoder(tf.constant(TEXTS[:6]))
    parts = HeadParts.of(text_model.head)
    angles = parts.scaling(parts.amplitude_encoder(embeddings))
    np.testing.assert_allclose(found["embedding"], embeddings, atol=1e-6)
    np.testing.assert_allclose(found["angles"], angles, atol=1e-5)
    np.testing.assert_allclose(found["expectation_values"], parts.pqc(angles), atol=1e-5)
    assert found["class_names"].tolist() == [[b"negative", b"positive"]] * 6
    circuit = cirq.read_json(exported_text / "circuit.json")
    symbols = model.facts.circuit.data_symbols
    for row in range(2):
        resolved = cirq.resolve_parameters(circuit, dict(zip(symbols, found["angles"][row].astype(float), strict=True)))
        z = cirq.Simulator(dtype=np.complex128).simulate_expectation_values(
            resolved, [cirq.Z(q) for q in cirq.LineQubit.range(6)]
        )
        np.testing.assert_allclose(found["z"][row], np.real(z), atol=1e-5)
    weights = model.facts.logits
    np.testing.assert_allclose(found["expectation_values"] @ np.array(weights.kernel) + weights.bias, found["logits"], atol=1e-5)


def test_a_batch_may_have_any_size_and_a_bad_row_spoils_no_other(head_model, origin, tmp_path):
    model = exported.load(export_model(head_model(), origin, tmp_path / "head", command="", head_only=True))
    rows = np.random.default_rng(0).normal(size=[5, 7]).astype(np.float32)
    whole = model(rows)
    assert model(rows[:0])["logits"].shape == (0, 2)
    for name, values in model.outputs(rows, batch=2).items():
        np.testing.assert_array_equal(values, whole[name]) if name == "class_names" else np.testing.assert_allclose(
            values, whole[name], atol=1e-6
        )
    spoilt = rows.copy()
    spoilt[2, 3] = np.nan
    found = model(spoilt)["logits"]
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(found[[0, 1, 3, 4]], whole["logits"][[0, 1, 3, 4]], atol=1e-6)


@pytest.mark.parametrize("qubits", [2, 3, 5])
def test_a_folded_block_is_cirqs_matrix(qubits):
    line = cirq.LineQubit.range(qubits)
    circuit = cirq.testing.random_circuit(line, 20, 1, {cirq.CNOT: 2, cirq.ry(0.7): 1, cirq.ry(-2.1): 1}, random_state=1)
    np.testing.assert_allclose(rows_matrix(circuit, line), cirq.unitary(circuit_on(circuit, line)).T, atol=1e-12)
    np.testing.assert_allclose(rows_matrix(circuit, line, 3), cirq.unitary(circuit_on(circuit, line)).T[:3], atol=1e-12)


def circuit_on(circuit: cirq.Circuit, line: list[cirq.LineQubit]) -> cirq.Circuit:
    """The circuit with all qubits of the line, idle ones too."""
    return circuit + cirq.Circuit(cirq.I.on_each(*line))


def test_folded_and_gate_by_gate_agree(head_model):
    parts = HeadParts.of(head_model(15, 2, reuploads=3, shared=False).head)
    angles = tf.constant(np.random.default_rng(0).uniform(-3, 3, [9, 4]).astype(np.float32))
    np.testing.assert_allclose(FoldedCircuit(parts)(angles), GatewiseCircuit(parts)(angles), atol=1e-5)


@pytest.mark.campaign
def test_the_model_to_start_from_is_the_same_on_a_thousand_texts(tmp_path):
    saved = Path(__file__).parents[2] / "saved_models" / "movie-reviews"
    trained, texts = load_run(saved), data.load("movie-reviews").deduplicated().texts[:1000]
    written = export_model(trained, Provenance.of_run(saved), tmp_path / "movie-reviews", command="")
    logits, probabilities = largest_differences(trained, written, texts)
    assert logits < 1e-5
    assert probabilities < 1e-5
