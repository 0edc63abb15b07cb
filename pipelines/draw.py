"""Draws the circuits of a configuration."""

from __future__ import annotations

import logging
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
DEFAULT_QUBITS = 4

logger = logging.getLogger(__name__)


def draw(config: str, settings: Sequence[str], qubits: int | None, part: str, svg: Path | None) -> str:
    """Returns the drawing as text, or where the SVG file was written.

    Args:
        config: a YAML file or the name of a packaged one.
        settings: overrides, "section.key=value".
        qubits: of each amplitude encoder, before what the configuration says; 4 where both leave it open.
        part: one of `PARTS`.
        svg: the file to write; None for text.

    Raises:
        InputError: the part is unknown, the settings do not fit the qubits, or the file cannot be written.
    """
    if part not in PARTS:
        raise InputError(f"there is no part '{part}': choose from {', '.join(PARTS)}.{did_you_mean(part, PARTS)}")
    if svg is not None and svg.is_dir():
        raise InputError(f"'{svg}' is a directory: give the name of a file, such as '{svg / 'circuit.svg'}'.")
    chosen = [] if qubits is None else [f"head.num_qubits={qubits}"]
    head = load_config(find(config), (*settings, *chosen)).head
    if head.num_qubits is None:
        message = "The configuration leaves the number of qubits to the embedding; %d are drawn. Choose with --qubits."
        logger.info(message, DEFAULT_QUBITS)
    circuit = circuit_of(head, head.num_qubits or DEFAULT_QUBITS, part)
    if svg is None:
        return draw_text(circuit, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
    try:
        write_text(svg, draw_svg(circuit))
    except OSError as error:
        raise InputError(f"cannot write '{svg}': {error.strerror}.") from error
    return f"wrote {svg}"


def circuit_of(head: HeadConfig, qubits: int, part: str) -> cirq.Circuit:
    """The circuit of a part of the head, with amplitude encoders of so many qubits."""
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
