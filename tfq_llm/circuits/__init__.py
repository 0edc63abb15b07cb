"""Circuits of the architecture, in Cirq alone: ansatz, angle encoding, data re-uploading, noise, reduction, drawings."""

from tfq_llm.circuits.ansatz import angle_encoding, long_range_ansatz, long_range_parameters
from tfq_llm.circuits.drawing import draw_svg, draw_text
from tfq_llm.circuits.noise import depolarizing, ionq_noise, noisy_circuit, parse_noise, readout_error
from tfq_llm.circuits.reduction import reduced
from tfq_llm.circuits.reuploading import ReuploadingCircuit, reuploading_circuit
from tfq_llm.circuits.tfq_support import unsupported_by_tfq

__all__ = [
    "ReuploadingCircuit",
    "angle_encoding",
    "depolarizing",
    "draw_svg",
    "draw_text",
    "ionq_noise",
    "long_range_ansatz",
    "long_range_parameters",
    "noisy_circuit",
    "parse_noise",
    "readout_error",
    "reduced",
    "reuploading_circuit",
    "unsupported_by_tfq",
]
