"""Keras layers of the hybrid head: amplitude encoder, angle scaling, re-uploading PQC."""

from tfq_llm.layers.amplitude_encoder import AmplitudeEncoder
from tfq_llm.layers.angle_scaling import AngleScaling
from tfq_llm.layers.reuploading_pqc import ReuploadingPQC

__all__ = ["AmplitudeEncoder", "AngleScaling", "ReuploadingPQC"]
