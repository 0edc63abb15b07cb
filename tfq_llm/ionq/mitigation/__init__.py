"""Error mitigation on this side of the wire: readout errors corrected, gate noise extrapolated to none, what both are worth."""

from tfq_llm.ionq.mitigation.comparison import Comparison, Outcome, compare
from tfq_llm.ionq.mitigation.methods import METHODS, Method, Run, mitigated, shots_by_scale
from tfq_llm.ionq.mitigation.readout import (
    ReadoutError,
    calibration_templates,
    corrected,
    measured_readout,
    readout_from_values,
)
from tfq_llm.ionq.mitigation.zero_noise import Extrapolated, extrapolate

__all__ = [
    "METHODS",
    "Comparison",
    "Extrapolated",
    "Method",
    "Outcome",
    "ReadoutError",
    "Run",
    "calibration_templates",
    "compare",
    "corrected",
    "extrapolate",
    "measured_readout",
    "mitigated",
    "readout_from_values",
    "shots_by_scale",
]
