"""JSON to tensors and back, as TensorFlow Serving's Predict maps them: by rows ("instances") or by columns ("inputs")."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError, malformed
from tfq_llm.serving.signatures import Signature, TensorSpec

Tensors = dict[str, np.ndarray]
"""By name: [rows, …], texts as bytes objects."""

_LARGEST = float(np.finfo(np.float32).max)
_BLANKS = re.compile(r"\s+", re.ASCII)
"""That base64 may have anywhere, as with line breaks."""


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body.

    Raises:
        RequestError: the body is none.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    if not isinstance(value, dict):
        raise malformed(f"the request is a JSON {json_type(value)}, not an object.")
    return value


def signature_name(request: Mapping[str, Any], default: str) -> str:
    """The signature that a request names.

    Raises:
        RequestError: the name is no string.
    """
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise malformed(f"'signature_name' must be a string, not a JSON {json_type(name)}.")
    return name or default


def check_rows(values: Any, most: int) -> None:
    """Raises RequestError (413) for an array of more rows than a request may have; before anything is made of them."""
    if isinstance(values, list) and len(values) > most:
        raise RequestError(errors.TOO_LARGE, f"a request may have {most} rows, and this one has {len(values)}: send several.")


def read_inputs(request: Mapping[str, Any], signature: Signature, most: int) -> tuple[Tensors, bool]:
    """The inputs of a Predict request.

    Args:
        request: its JSON object.
        signature: whose inputs they are.
        most: rows of a request.

    Returns:
        Tensors by name, bytes objects [rows] or float32 [rows, width]; and whether they came as rows.

    Raises:
        RequestError: they do not fit the signature, or there are too many (413).
    """
    if ("instances" in request) == ("inputs" in request):
        raise malformed("a request has one of the keys 'instances' (rows) and 'inputs' (columns), and not both.")
    by_rows = "instances" in request
    check_rows(request.get("instances"), most)
    columns = _from_rows(request["instances"], signature) if by_rows else _from_columns(request["inputs"], signature)
    for name in signature.inputs:
        check_rows(columns[name], most)
    tensors = {name: _tensor(name, columns[name], spec) for name, spec in signature.inputs.items()}
    if len({len(tensor) for tensor in tensors.values()}) > 1:
        raise malformed("all inputs must have the same number of rows.")
    return tensors, by_rows


def num_bytes(tensors: Tensors) -> int:
    """Of the values; texts count as they are."""
    return sum(sum(map(len, each)) if each.dtype == object else each.nbytes for each in tensors.values())


def predictions(outputs: Mapping[str, np.ndarray]) -> list[Any]:
    """Outputs by row; values alone if there is one output, objects by its name otherwise."""
    columns = {name: _values(name, tensor) for name, tensor in outputs.items()}
    if len(columns) == 1:
        return list(next(iter(columns.values())))
    rows = range(len(next(iter(outputs.values()))))
    return [{name: values[row] for name, values in columns.items()} for row in rows]


def columnar(outputs: Mapping[str, np.ndarray]) -> Any:
    """Outputs by name; the value alone if there is one."""
    columns = {name: _values(name, tensor) for name, tensor in outputs.items()}
    return columns if len(columns) > 1 else next(iter(columns.values()))


def to_json(value: Any) -> bytes:
    """JSON of a value that may hold arrays; float32 in as few digits as tell it apart from its neighbours."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def json_type(value: Any) -> str:
    """The name that JSON has for a value's type."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def is_base64(value: Any) -> bool:
    """Whether a value is {"b64": "…"}, a binary string."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def text_bytes(value: Any, where: str) -> bytes:
    """The bytes of a string or a binary string; `where` says in errors which one it is."""
    if isinstance(value, str):
        return value.encode()
    if not is_base64(value):
        raise malformed(f'{where} must be a string or {{"b64": "…"}}, not a JSON {json_type(value)}.')
    text = _BLANKS.sub("", value["b64"])
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise malformed(f"{where} is not formatted correctly for base64 data.") from None


def _from_rows(rows: Any, signature: Signature) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not rows:
        raise malformed("'instances' must be an array with a value for every row, and not empty.")
    names = list(signature.inputs)
    if not isinstance(rows[0], dict) or is_base64(rows[0]):
        if len(names) > 1:
            raise malformed(f"'instances' must be objects with the keys {', '.join(names)}.")
        return {names[0]: rows}
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != signature.inputs.keys():
            raise malformed(f"element {index} of 'instances' must be an object with the keys {', '.join(names)} and no others.")
    return {name: [row[name] for row in rows] for name in names}


def _from_columns(inputs: Any, signature: Signature) -> dict[str, Any]:
    names = list(signature.inputs)
    if isinstance(inputs, dict) and not is_base64(inputs):
        if not inputs.keys() >= signature.inputs.keys():
            raise malformed(f"'inputs' must have the keys {', '.join(names)}.")
        return inputs  # others that are in it are ignored, as TensorFlow Serving does of columns, but not of rows
    if len(names) > 1:
        raise malformed(f"'inputs' must be an object with the keys {', '.join(names)}.")
    return {names[0]: inputs}


def _tensor(name: str, values: Any, spec: TensorSpec) -> np.ndarray:
    if not isinstance(values, list) or not values:
        raise malformed(f"the input '{name}' must be an array with a value for every row, and not empty.")
    if spec.is_text:
        texts = np.empty(len(values), object)
        for row, value in enumerate(values):
            texts[row] = text_bytes(value, f"row {row} of the input '{name}'")
        return texts
    assert spec.width is not None
    for row, value in enumerate(values):
        if not isinstance(value, list) or len(value) != spec.width or not all(type(each) in (int, float) for each in value):
            raise malformed(f"row {row} of the input '{name}' must be an array of {spec.width} numbers.")
    numbers = np.asarray(values, np.float64)
    if not np.abs(numbers).max() <= _LARGEST:
        raise malformed(f"a number of the input '{name}' is too large for a float.")
    return numbers.astype(np.float32)


def _values(name: str, tensor: np.ndarray) -> Any:
    """What JSON can be made of."""
    if tensor.dtype != object:
        return tensor if tensor.flags.c_contiguous else np.ascontiguousarray(tensor)
    return _strings(tensor.tolist(), name.endswith("_bytes"))


def _strings(value: Any, binary: bool) -> Any:
    if isinstance(value, list):
        return [_strings(each, binary) for each in value]
    if binary:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode("utf-8", "replace")
