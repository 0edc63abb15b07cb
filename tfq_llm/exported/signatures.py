"""How the signatures of an exported SavedModel and their inputs are called, for who writes them, calls them and serves them."""

from __future__ import annotations

DEFAULT_SIGNATURE = "serving_default"
CLASSIFY_SIGNATURE = "classify"
CLASSIFY_METHOD = "tensorflow/serving/classify"
"""TensorFlow Serving answers a Classify request only by a signature of this method."""

TEXT, EMBEDDING = "text", "embedding"
"""The input of "serving_default": strings, or vectors for a head alone."""
