"""Circuits of the architecture, in Cirq alone: ansatz, angle encoding, data re-uploading, drawings."""

from tfq_llm.circuits.ansatz import angle_encoding, long_range_ansatz, long_range_parameters
from tfq_llm.circuits.drawing import draw_svg, draw_text
from tfq_llm.circuits.reuploading import ReuploadingCircuit, reuploading_circuit

__all__ = [
    "ReuploadingCircuit",
    "angle_encoding",
    "draw_svg",
    "draw_text",
    "long_range_ansatz",
    "long_range_parameters",
    "reuploading_circuit",
]
