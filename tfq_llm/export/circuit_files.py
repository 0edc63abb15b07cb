"""The trained circuit for people and for Cirq: circuit.json and circuit.svg."""

from __future__ import annotations

from pathlib import Path

import cirq

from tfq_llm.circuits import draw_svg


def write_circuit(directory: Path, circuit: cirq.Circuit) -> None:
    """Writes a circuit with trained angles and open data symbols, as Cirq's JSON and as a drawing."""
    (directory / "circuit.json").write_text(str(cirq.to_json(circuit)), encoding="utf-8")
    (directory / "circuit.svg").write_text(draw_svg(circuit), encoding="utf-8")
