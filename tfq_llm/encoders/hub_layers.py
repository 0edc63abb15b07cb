"""Opens SavedModels of every form as `hub.KerasLayer`, with errors that say what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_hub as hub
import tensorflow_text  # noqa: F401  (SavedModels of sentence encoders use its operations)

from tfq_llm.errors import InputError

_OPEN_ERRORS = (OSError, ValueError, RuntimeError, tf.errors.OpError)
_CALL_ERRORS = (TypeError, ValueError, tf.errors.OpError)


class HubLayer(hub.KerasLayer):
    """A `hub.KerasLayer` that leaves it to the layer around it to save its variables, which are large and mostly unchanged."""

    def get_config(self) -> dict[str, Any]:
        """Has none, as that of a `hub.KerasLayer` would name a path of this machine; Keras then saves the layer without it."""
        raise NotImplementedError("the settings of a sentence encoder are those of the SentenceEncoder around this layer")

    def save_own_variables(self, store: Any) -> None:
        """Saves nothing."""

    def load_own_variables(self, store: Any) -> None:
        """Loads nothing."""


def open_preprocessor(directory: Path) -> HubLayer:
    """Opens the SavedModel that turns strings into what a sentence encoder takes.

    Raises:
        InputError: it cannot be opened, or takes no strings.
    """
    layer = _layer(_load(directory), directory, output_key=None, trainable=False)
    _probe(layer, tf.constant(["probe"]), f"the preprocessor '{directory}' takes no strings")
    return layer


def open_encoder(directory: Path, inputs: Any, output_key: str | None, trainable: bool) -> tuple[HubLayer, int]:
    """Opens a sentence encoder's SavedModel and tries it on `inputs` (a string [1], or the preprocessor's output for it).

    Returns:
        The layer, and the length of its vectors.

    Raises:
        InputError: it cannot be opened, does not take such inputs, has no such output, or cannot be trained.
    """
    loaded = _load(directory)
    layer = _layer(loaded, directory, output_key=None, trainable=trainable)
    if trainable:
        require_trainable(layer, directory)
    expected = "a dictionary as this preprocessor makes" if isinstance(inputs, Mapping) else "strings: give preprocessor="
    output = _probe(layer, inputs, f"the SavedModel '{directory}' does not take {expected}")
    key = _output_key(output, output_key, directory, getattr(loaded, "_is_hub_module_v1", False))
    if key is not None:
        output = output[key]
        layer = _layer(loaded, directory, output_key=key, trainable=trainable)
    if output.shape.rank != 2 or not output.dtype.is_floating:
        raise InputError(f"the output of '{directory}' is {output.dtype.name} {output.shape}, not one vector per text.")
    return layer, int(output.shape[-1])


def require_trainable(layer: HubLayer, directory: Path) -> None:
    """Checks that the SavedModel in `directory`, opened as `layer`, can be trained, whether or not it is to be.

    Raises:
        InputError: it has no trainable variables, or is called by a signature, which has none.
    """
    loaded = layer.resolved_object
    if not (callable(loaded) and getattr(loaded, "trainable_variables", None)):
        raise InputError(
            f"the SavedModel '{directory}' cannot be trained (it has no trainable variables): load it with trainable=False."
        )


def _load(directory: Path) -> Any:
    try:
        return hub.load(str(directory))
    except _OPEN_ERRORS as error:
        raise InputError(f"'{directory}' cannot be opened as a SavedModel: {error}") from error


def _layer(loaded: Any, directory: Path, output_key: str | None, trainable: bool) -> HubLayer:
    if callable(loaded):
        return HubLayer(loaded, trainable=trainable, output_key=output_key)
    signatures = sorted(loaded.signatures)
    wanted = [name for name in ("default", "serving_default") if name in signatures] or signatures
    if not wanted:
        raise InputError(f"the SavedModel '{directory}' has neither a __call__ nor a signature: nothing in it can be called.")
    outputs = {"output_key": output_key} if output_key else {"signature_outputs_as_dict": True}
    # For want of a __call__, hub.KerasLayer takes only the path here.
    return HubLayer(str(directory), trainable=False, signature=wanted[0], **outputs)


def _probe(layer: HubLayer, inputs: Any, complaint: str) -> Any:
    try:
        # In a strategy's scope a SavedModel can be called only as one of its replicas does.
        return tf.distribute.get_strategy().run(layer, args=(inputs,), kwargs={"training": False})
    except _CALL_ERRORS as error:
        raise InputError(f"{complaint} ({str(error).strip().splitlines()[0]}).") from error


def _output_key(output: Any, wanted: str | None, directory: Path, legacy: bool) -> str | None:
    """Which entry of the output is meant; None if the output is a plain tensor."""
    if not isinstance(output, Mapping):
        if wanted is not None:
            raise InputError(
                f"the SavedModel '{directory}' has a single output without a name: leave out the output key '{wanted}'."
            )
        return None
    keys = sorted(output)
    if wanted is None and legacy and "default" in keys:
        return "default"
    if wanted is None and len(keys) == 1:
        return str(keys[0])
    if wanted not in keys:
        given = f"no output '{wanted}'" if wanted else "several outputs and no output key was given"
        raise InputError(f"the SavedModel '{directory}' has {given}. Its outputs: {', '.join(keys)}.")
    return wanted
