"""Drawings of circuits, by Cirq's own text and SVG diagrams."""

from __future__ import annotations

import cirq


def draw_text(circuit: cirq.AbstractCircuit, width: int | None = None) -> str:
    """The circuit as a text diagram, one line per qubit.

    Args:
        circuit: any circuit.
        width: cut every line to this many characters, ending in "…"; None keeps them whole.
    """
    lines = circuit.to_text_diagram(precision=4).splitlines()
    if width is not None:
        lines = [line if len(line) <= width else line[: width - 1] + "…" for line in lines]
    return "\n".join(lines)


def draw_svg(circuit: cirq.AbstractCircuit) -> str:
    """The circuit as a self-contained SVG document on a white ground."""
    # Imported here: Cirq's SVG module loads matplotlib, which takes as long as everything else in this package together.
    from cirq.contrib.svg import circuit_to_svg

    svg: str = circuit_to_svg(circuit.unfreeze())
    start = svg.index(">", svg.index("<svg")) + 1
    return f'{svg[:start]}<rect width="100%" height="100%" fill="white"/>{svg[start:]}'
