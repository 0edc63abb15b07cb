"""Sentence encoder + hybrid head = one Keras model from strings to logits."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfq_llm.adamw import FusedAdamW
from tfq_llm.config import Config, FitConfig, HeadConfig
from tfq_llm.errors import InputError
from tfq_llm.layers import AmplitudeEncoder, AngleScaling, ReuploadingPQC

PREDICTION_BATCH = 256


def quantum_head(input_dim: int, num_classes: int, config: HeadConfig | None = None, seed: int | None = None) -> tf.keras.Model:
    """The hybrid head: embeddings [batch, input_dim] → logits [batch, num_classes], compiled.

    Args:
        input_dim: dimensions of the embeddings.
        num_classes: at least 2.
        config: see `HeadConfig`.
        seed: decides the initial weights; None leaves them to Keras. (`tf.keras.utils.set_random_seed` is no way on Python 3.12:
            after it, Keras 2.18 cannot initialise any layer.)

    Raises:
        InputError: the embedding does not fit the qubits, or the numbers of qubits do not fit together.

    Source: arXiv 2504.08732, figure 1.
    """
    if num_classes < 2:
        raise InputError(f"a classifier needs at least 2 classes and was given {num_classes}.")
    config = config or HeadConfig()
    num_qubits = config.encoder_qubits(input_dim)
    qpu_qubits = config.qpu_qubits(num_qubits)
    num_measured = config.num_measured or (1 if num_classes == 2 else qpu_qubits)
    for_encoder, for_pqc, for_logits = _seeds(seed, 3)
    inputs = tf.keras.Input([input_dim], name="embedding")
    values = AmplitudeEncoder(
        num_qubits,
        config.num_encoders,
        config.encoder_layers,
        config.encoder_connectivity,
        config.padding,
        config.padding_value,
        config.merge,
        config.entangling,
        "tensorflow" if config.executor == "tensorflow" else "compiled",
        initializer=_any_angle(for_encoder),
        name="amplitude_encoder",
    )(inputs)
    angles = AngleScaling(config.trainable_gain, config.bias, name="angle_scaling")(values)
    measured = ReuploadingPQC(
        qpu_qubits,
        config.reuploads,
        config.layers,
        config.final_layers,
        config.connectivity,
        num_measured,
        config.executor,
        config.entangling,
        config.shared,
        config.shots,
        config.trajectories,
        config.noise,
        config.readout_error,
        config.gradient,
        seed or 0,
        config.fixed,
        initializer=_any_angle(for_pqc),
        name="reuploading_pqc",
    )(angles)
    start = tf.keras.initializers.GlorotUniform(for_logits)
    # Under a mixed policy the weights' dtype: a loss of half-precision logits would overflow.
    dtype = tf.keras.mixed_precision.global_policy().variable_dtype
    logits = tf.keras.layers.Dense(num_classes, kernel_initializer=start, dtype=dtype, name="logits")(measured)
    return compile_classifier(tf.keras.Model(inputs, logits, name="quantum_head"))


def hybrid_classifier(
    encoder: tf.keras.layers.Layer,
    num_classes: int,
    head: HeadConfig | tf.keras.layers.Layer | None = None,
    fit: FitConfig | None = None,
    seed: int | None = None,
) -> tf.keras.Model:
    """Strings [batch] → logits [batch, num_classes]: a sentence encoder and a head in one model, compiled.

    It is trained, evaluated, saved (`.keras`) and given callbacks like any Keras model. With `encoder.trainable = True` gradients
    reach the sentence encoder's weights through both circuits.

    Args:
        encoder: a layer from `tfq_llm.encoders.load`.
        num_classes: at least 2.
        head: the hybrid head's settings, or any layer or model from embeddings to logits, such as a trained `quantum_head`.
        fit: learning rate and weight decay. By default those of a head (learning rate 0.005); for a trainable sentence encoder,
            which such a rate would wreck, those of the joint phase (1e-5).
        seed: decides the initial weights of a new head, as in `quantum_head`.

    Raises:
        InputError: a given head puts out another number of values; or as `quantum_head`.
    """
    texts = tf.keras.Input([], dtype=tf.string, name="text")
    embeddings = encoder(texts)
    if head is None or isinstance(head, HeadConfig):
        logits = quantum_head(embeddings.shape[-1], num_classes, head, seed)(embeddings)
    else:
        logits = head(embeddings)
    if logits.shape[-1] != num_classes:
        raise InputError(f"the head puts out {logits.shape[-1]} values and there are {num_classes} classes.")
    if fit is None and encoder.trainable and encoder.trainable_weights:
        fit = Config().joint
    return compile_classifier(tf.keras.Model(texts, logits, name="hybrid_classifier"), fit)


def compile_classifier(
    model: tf.keras.Model, fit: FitConfig | None = None, steps: int | None = None, loss: tf.keras.losses.Loss | None = None
) -> tf.keras.Model:
    """Compiles with AdamW, cross-entropy on logits, and accuracy; returns the model.

    Args:
        model: from anything to logits.
        fit: learning rate and weight decay.
        steps: of the whole training; the learning rate falls to 0 over them along a cosine. Constant if not given.
        loss: in place of the cross-entropy.
    """
    fit = fit or FitConfig()
    rate = tf.keras.optimizers.schedules.CosineDecay(fit.learning_rate, steps) if steps else fit.learning_rate
    model.compile(
        optimizer=FusedAdamW(rate, weight_decay=fit.weight_decay),
        loss=loss or tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy("accuracy")],
    )
    return model


def plain_tensorflow(model: tf.keras.Model) -> tf.keras.Model:
    """The model with its circuits as plain TensorFlow operations, in which form it can be saved for other processes.

    Weights, outputs and gradients are the same; quantum layers are copies, all others are shared with `model`. Executors that
    call Python, such as the compiled engine, cannot be part of a SavedModel, and TensorFlow refuses to write one.

    Args:
        model: any functional or sequential Keras model, with models in it or not. It is returned uncompiled.

    Raises:
        InputError: a layer has shots or noise.
    """

    def plain(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        if isinstance(layer, tf.keras.Model):
            return plain_tensorflow(layer)
        if not isinstance(layer, (AmplitudeEncoder, ReuploadingPQC)):
            return layer
        if isinstance(layer, ReuploadingPQC) and not layer.sampling.is_exact:
            raise InputError(
                f"plain TensorFlow operations are exact, and the layer '{layer.name}' has shots or noise: to serve its weights, "
                "build the same model without them and give it the weights (set_weights)."
            )
        return type(layer).from_config(layer.get_config() | {"executor": "tensorflow"})

    copy = tf.keras.models.clone_model(model, clone_function=plain)
    copy.set_weights(model.get_weights())
    return copy


def predict_logits(
    head: tf.keras.Model, embeddings: np.ndarray, callbacks: Sequence[tf.keras.callbacks.Callback] = ()
) -> np.ndarray:
    """Logits [rows, classes] of embeddings [rows, dim], in batches of `PREDICTION_BATCH`."""
    batches = tf.data.Dataset.from_tensor_slices(embeddings).batch(PREDICTION_BATCH)
    return np.asarray(head.predict(batches, verbose=0, callbacks=list(callbacks)))


def _any_angle(seed: int | None) -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.RandomUniform(-math.pi, math.pi, seed)


def _seeds(seed: int | None, count: int) -> list[int | None]:
    """Seeds that differ, one for each initializer."""
    if seed is None:
        return [None] * count
    draws = random.Random(seed)
    return [draws.randint(1, 10**9) for _ in range(count)]
