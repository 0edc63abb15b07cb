"""Reading exported models: manifest, model.json, versions, and the SavedModel as something to call.

It needs NumPy, TensorFlow and TF-Text, and none of what trains: `load` is for servers and scripts.
"""

from tfq_llm.exported.facts import ModelFacts, read_facts
from tfq_llm.exported.manifest import verify_manifest
from tfq_llm.exported.model import ExportedModel, load
from tfq_llm.exported.versions import is_exported, model_versions, parse_version, version_directory

__all__ = [
    "ExportedModel",
    "ModelFacts",
    "is_exported",
    "load",
    "model_versions",
    "parse_version",
    "read_facts",
    "verify_manifest",
    "version_directory",
]
