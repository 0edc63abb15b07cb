"""What a SavedModel takes and gives, read from its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from tfq_llm.errors import InputError

_INTERNAL = "__saved_model_init_op"


@dataclass(frozen=True)
class TensorSpec:
    """An input.

    Attributes:
        is_text: whether its values are strings; float32 otherwise.
        width: of its second axis; None if it has none.
    """

    is_text: bool
    width: int | None


@dataclass(frozen=True)
class Signature:
    """One way to call a model.

    Attributes:
        name: as requests name it.
        method: of TensorFlow Serving's that it is made for.
        inputs: by name.
    """

    name: str
    method: str
    inputs: dict[str, TensorSpec]


def read_signatures(directory: Path) -> tuple[dict[str, Signature], dict[str, Any]]:
    """The signatures of a SavedModel, by name; and their protos as the JSON that TensorFlow Serving gives for them.

    Raises:
        InputError: an input is of a kind that this server does not take.
    """
    saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    protos = {name: proto for name, proto in saved.meta_graphs[0].signature_def.items() if name != _INTERNAL}
    signatures = {
        name: Signature(name, proto.method_name, {key: _spec(key, info) for key, info in proto.inputs.items()})
        for name, proto in protos.items()
    }
    described = {
        name: json_format.MessageToDict(proto, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for name, proto in protos.items()
    }
    return signatures, described


def _spec(name: str, info: Any) -> TensorSpec:
    sizes = [dimension.size for dimension in info.tensor_shape.dim]
    if info.dtype == types_pb2.DT_STRING and len(sizes) == 1:
        return TensorSpec(True, None)
    if info.dtype == types_pb2.DT_FLOAT and len(sizes) == 2 and sizes[1] > 0:
        return TensorSpec(False, sizes[1])
    kind = types_pb2.DataType.Name(info.dtype)
    raise InputError(
        f"the input '{name}' is a {kind} of shape {sizes}: this server takes strings [batch] and floats [batch, width]."
    )
