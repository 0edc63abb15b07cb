"""TensorFlow Quantum's own `tfq.layers.PQC` on the default data, to compare with: one upload, data given as circuits.

PQC takes data as circuits, which are strings to TensorFlow. So no gradient reaches the sentence encoder, what turns an embedding
into angles (here principal components) cannot be trained, and data stand before the model circuit once. For these three reasons
`ReuploadingPQC` takes angles as ordinary inputs, as `tfq.layers.ControlledPQC` does; for one upload it agrees with PQC.
"""

from __future__ import annotations

import cirq
import numpy as np
import sympy
import tensorflow as tf
import tensorflow_quantum as tfq
from sklearn.decomposition import PCA

from tfq_llm import data, encoders
from tfq_llm.circuits import angle_encoding, long_range_ansatz
from tfq_llm.metrics import interval_text, score


def stock_pqc(per_class: int, num_qubits: int, epochs: int, seed: int) -> str:
    """Trains on `per_class` rows per class of the default data and returns one sentence with the accuracy on 500 test rows."""
    tf.random.set_seed(seed)
    dataset = data.load(data.DEFAULT).deduplicated()
    split = data.few_shot_split(dataset.labels, per_class, seed=seed)
    train, test = split.train, data.subsample(split.test, dataset.labels, 500, seed)
    encoder = encoders.load("minilm")
    components = PCA(num_qubits, whiten=True, random_state=seed)
    train_angles = components.fit_transform(encoders.encode(encoder, dataset.subset(train).texts))
    test_angles = components.transform(encoders.encode(encoder, dataset.subset(test).texts))

    qubits = cirq.LineQubit.range(num_qubits)
    circuits = tf.keras.Input([], dtype=tf.string)
    ansatz = long_range_ansatz(qubits, layers=2, connectivity=2 if num_qubits > 2 else 1)
    start = tf.keras.initializers.RandomUniform(-np.pi, np.pi, seed)
    values = tfq.layers.PQC(ansatz, cirq.Z(qubits[0]), initializer=start)(circuits)
    logits = tf.keras.layers.Dense(2, kernel_initializer=tf.keras.initializers.GlorotUniform(seed))(values)
    model = tf.keras.Model(circuits, logits)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=tf.keras.optimizers.Adam(0.05), loss=loss)
    model.fit(_circuits(train_angles, qubits), dataset.labels[train], batch_size=32, epochs=epochs, verbose=0)
    predicted = model.predict(_circuits(test_angles, qubits), verbose=0).argmax(axis=1)
    result = score("frozen", "stock PQC", dataset.labels[test], predicted)
    return (
        f"tfq.layers.PQC on {num_qubits} principal components, {len(train)} training rows: test accuracy "
        f"{100 * result.accuracy:.1f} % (95 % interval {interval_text(result.low, result.high)}, {result.test_rows} rows)"
    )


def _circuits(angles: np.ndarray, qubits: list[cirq.LineQubit]) -> tf.Tensor:
    """One data circuit per row of angles [rows, qubits], as a tensor of strings."""
    symbols = sympy.symbols(f"x:{len(qubits)}")
    circuit = angle_encoding(qubits, symbols)
    return tfq.convert_to_tensor([cirq.resolve_parameters(circuit, dict(zip(symbols, row, strict=True))) for row in angles])
