"""Writing trained models for model servers: a SavedModel of stock operators, what is known of it, and checksums."""

from tfq_llm.export.check import ExportMismatchError
from tfq_llm.export.write import SIGNATURES, export_model
from tfq_llm.training.provenance import Provenance

__all__ = ["SIGNATURES", "ExportMismatchError", "Provenance", "export_model"]
