"""TensorFlow Quantum's own layer on the default data."""

from __future__ import annotations

import re

import pytest

from tfq_llm.pipelines.stock_pqc import stock_pqc


@pytest.mark.slow
def test_the_sentence_tells_rows_accuracy_and_interval():
    sentence = stock_pqc(per_class=8, num_qubits=2, epochs=2, seed=0)
    found = re.fullmatch(
        r"tfq\.layers\.PQC on 2 principal components, (\d+) training rows: test accuracy (\d+\.\d) % "
        r"\(95 % interval (\d+\.\d) – (\d+\.\d), 500 rows\)",
        sentence,
    )
    assert found, sentence
    rows, accuracy, low, high = map(float, found.groups())
    assert rows == 13  # 16, less 15 % for validation, rounded up
    assert 30 < low < accuracy < high < 100
