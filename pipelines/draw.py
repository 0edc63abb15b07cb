"""Draws the circuits of a configuration."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import cirq

from tfq_llm.cache import write_text
from tfq_llm.circuits import draw_svg, draw_text, long_range_ansatz, reuploading_circuit
from tfq_llm.config import HeadConfig, load_config
from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.pipelines.configs import find

PARTS = ("qpu", "amplitude-encoder")


def draw(config: str, settings: Sequence[str], qubits: int, part: str, svg: Path | None) -> str:
    """Returns the drawing as text, or where the SVG file was written.

    Raises:
        InputError: the part is unknown, the settings do not fit the qubits, or the file cannot be written.
    """
    if part not in PARTS:
        raise InputError(f"there is no part '{part}': choose from {', '.join(PARTS)}.{did_you_mean(part, PARTS)}")
    head = load_config(find(config), tuple(settings)).head
    circuit = _circuit(head, head.num_qubits or qubits, part)
    if svg is None:
        return draw_text(circuit, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
    try:
        write_text(svg, draw_svg(circuit))
    except OSError as error:
        raise InputError(f"cannot write '{svg}': {error.strerror}.") from error
    return f"wrote {svg}"


def _circuit(head: HeadConfig, qubits: int, part: str) -> cirq.Circuit:
    if part == "qpu":
        width = head.qpu_qubits(qubits)
        return reuploading_circuit(
            width,
            head.reuploads,
            head.layers,
            head.final_layers,
            head.connectivity,
            entangling=head.entangling,
            shared=head.shared,
        ).circuit
    connectivity = head.encoder_connectivity or qubits - 1
    return long_range_ansatz(cirq.LineQubit.range(qubits), head.encoder_layers, connectivity, "w", entangling=head.entangling)
