"""SavedModels of every kind a user may have, written here with plain TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tfq_llm
from tfq_llm import InputError
from tfq_llm.encoders import SentenceEncoder, load

TEXTS = tf.TensorSpec([None], tf.string)
pytestmark = pytest.mark.usefixtures("own_cache")


class LengthEncoder(tf.Module):
    """A sentence encoder with three dimensions: the number of bytes of a text times a weight."""

    def __init__(self, trainable: bool = True) -> None:
        super().__init__()
        self.weight = tf.Variable([1.0, 2.0, 3.0], trainable=trainable, name="weight")

    def vectors(self, texts: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.strings.length(texts), tf.float32)[:, tf.newaxis] * self.weight


def save_reusable(directory: Path, function: tf.types.experimental.PolymorphicFunction, module: tf.Module) -> Path:
    """Saves in TF-Hub's reusable form."""
    reusable = tf.train.Checkpoint(module=module)
    reusable.__call__ = function
    reusable.variables = list(module.variables)
    reusable.trainable_variables = list(module.trainable_variables)
    reusable.regularization_losses = []
    tf.saved_model.save(reusable, str(directory))
    return directory


@pytest.fixture
def strings_in(tmp_path: Path) -> Path:
    module = LengthEncoder()
    return save_reusable(tmp_path / "strings-in", tf.function(module.vectors, input_signature=[TEXTS]), module)


@pytest.fixture
def several_outputs(tmp_path: Path) -> Path:
    module = LengthEncoder()

    @tf.function(input_signature=[TEXTS])
    def call(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": module.vectors(texts), "doubled": 2.0 * module.vectors(texts)}

    return save_reusable(tmp_path / "several-outputs", call, module)


@pytest.fixture
def preprocessor_and_encoder(tmp_path: Path) -> tuple[Path, Path]:
    """As BERT on TF-Hub: strings to a dictionary of ids, and that dictionary to a dictionary of outputs."""
    module, nothing = LengthEncoder(), tf.Module()
    inputs = {"ids": tf.TensorSpec([None, None], tf.int32), "mask": tf.TensorSpec([None, None], tf.int32)}

    @tf.function(input_signature=[TEXTS])
    def preprocess(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        ids = tf.strings.unicode_decode(texts, "UTF-8")
        return {"ids": ids.to_tensor(), "mask": tf.ones_like(ids).to_tensor()}

    @tf.function(input_signature=[inputs])
    def call(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        count = tf.cast(tf.reduce_sum(features["mask"], axis=1), tf.float32)
        pooled = count[:, tf.newaxis] * module.weight
        return {"pooled_output": pooled, "sequence_output": tf.cast(features["ids"], tf.float32)}

    first = save_reusable(tmp_path / "preprocessor", preprocess, nothing)
    return first, save_reusable(tmp_path / "encoder", call, module)


def check(encoder: SentenceEncoder, factor: float = 1.0) -> None:
    assert encoder.dim == 3
    expected = factor * np.array([[4, 8, 12], [0, 0, 0]], np.float32)
    np.testing.assert_array_equal(encoder(tf.constant(["four", ""])), expected)


def test_strings_in_vectors_out(strings_in: Path) -> None:
    encoder = load(strings_in, trainable=True)
    check(encoder)
    assert encoder.encoder_name == "strings-in"
    assert len(encoder.trainable_weights) == 1
    assert encoder.count_truncated(["any"]) is None


def test_output_key(several_outputs: Path) -> None:
    check(load(several_outputs, output_key="default"))
    check(load(several_outputs, output_key="doubled"), factor=2.0)
    assert load(several_outputs, output_key="default").fingerprint != load(several_outputs, output_key="doubled").fingerprint


@pytest.mark.parametrize(("key", "complaint"), [(None, "several outputs and no output key"), ("pooled", "no output 'pooled'")])
def test_an_output_key_that_is_missing_or_wrong(several_outputs: Path, key: str | None, complaint: str) -> None:
    with pytest.raises(InputError, match=f"{complaint}.*default, doubled"):
        load(several_outputs, output_key=key)


def test_an_output_key_that_is_not_needed(strings_in: Path) -> None:
    with pytest.raises(InputError, match="leave out the output key 'default'"):
        load(strings_in, output_key="default")


def test_preprocessor_with_dictionary_output(preprocessor_and_encoder: tuple[Path, Path]) -> None:
    preprocessor, directory = preprocessor_and_encoder
    encoder = load(directory, trainable=True, preprocessor=preprocessor, output_key="pooled_output")
    check(encoder)
    assert len(encoder.trainable_weights) == 1


def test_a_missing_preprocessor_is_asked_for(preprocessor_and_encoder: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="does not take strings: give preprocessor="):
        load(preprocessor_and_encoder[1], output_key="pooled_output")


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (lambda vectors: vectors[:, tf.newaxis, :], r"float32 \(1, 1, 3\)"),  # as one that gives a vector per token
        (lambda vectors: vectors[:, 0], r"float32 \(1,\)"),
        (lambda vectors: tf.cast(vectors, tf.int64), r"int64 \(1, 3\)"),
    ],
)
def test_an_output_that_is_no_vector_per_text(output: Callable[[tf.Tensor], tf.Tensor], found: str, tmp_path: Path) -> None:
    module = LengthEncoder()
    function = tf.function(lambda texts: output(module.vectors(texts)), input_signature=[TEXTS])
    with pytest.raises(InputError, match=f"{found}, not one vector per text"):
        load(save_reusable(tmp_path / "other", function, module))


@pytest.fixture
def fixed(tmp_path: Path) -> Path:
    module = LengthEncoder(trainable=False)
    return save_reusable(tmp_path / "fixed", tf.function(module.vectors, input_signature=[TEXTS]), module)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """Has variables, but only a signature."""
    module = LengthEncoder()
    serve = tf.function(lambda texts: {"vectors": module.vectors(texts)}, input_signature=[TEXTS])
    tf.saved_model.save(module, str(tmp_path / "served"), signatures=serve)
    return tmp_path / "served"


def test_not_trainable(fixed: Path) -> None:
    check(load(fixed))
    with pytest.raises(InputError, match=r"no trainable variables.*trainable=False"):
        load(fixed, trainable=True)


@pytest.mark.parametrize("directory", ["fixed", "served"])
def test_not_trainable_later_either(directory: str, request: pytest.FixtureRequest) -> None:
    encoder = load(request.getfixturevalue(directory))
    with pytest.raises(InputError, match=r"no trainable variables.*trainable=False"):
        encoder.trainable = True
    assert not encoder.trainable
    check(encoder)


def test_not_trainable_as_part_of_a_model_either(fixed: Path) -> None:
    encoder = load(fixed)
    texts = tf.keras.Input([], dtype=tf.string)
    model = tf.keras.Model(texts, encoder(texts))
    model.trainable = True
    with pytest.raises(InputError, match=r"no trainable variables.*trainable=False"):
        model(tf.constant(["four", ""]))
    encoder.trainable = False
    check(encoder)


def test_signature_only(served: Path) -> None:
    check(load(served))
    with pytest.raises(InputError, match="cannot be trained"):
        load(served, trainable=True)


def test_tf1_hub_format(tmp_path: Path) -> None:
    directory = tmp_path / "legacy"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        texts = tf.compat.v1.placeholder(tf.string, [None])
        weight = tf.compat.v1.get_variable("weight", initializer=tf.constant([1.0, 2.0, 3.0]))
        vectors = tf.cast(tf.strings.length(texts), tf.float32)[:, tf.newaxis] * weight
        session.run(tf.compat.v1.global_variables_initializer())
        signature = tf.compat.v1.saved_model.predict_signature_def({"text": texts}, {"default": vectors, "raw": 2 * vectors})
        builder = tf.compat.v1.saved_model.Builder(str(directory))
        builder.add_meta_graph_and_variables(session, [], {"default": signature})
        builder.save()
    (directory / "tfhub_module.pb").write_bytes(b"\x08\x03")
    check(load(directory))


def test_saved_and_loaded_in_a_keras_model(preprocessor_and_encoder: tuple[Path, Path], tmp_path: Path) -> None:
    preprocessor, directory = preprocessor_and_encoder
    encoder = load(directory, preprocessor=preprocessor, output_key="pooled_output")
    texts = tf.keras.Input([], dtype=tf.string)
    tf.keras.Model(texts, encoder(texts)).save(tmp_path / "model.keras")
    check(tf.keras.models.load_model(tmp_path / "model.keras").layers[-1])


def test_a_changed_directory_is_noticed(strings_in: Path) -> None:
    config = load(strings_in).get_config()
    (strings_in / "assets" / "vocabulary.txt").parent.mkdir(exist_ok=True)
    (strings_in / "assets" / "vocabulary.txt").write_text("new")
    with pytest.raises(InputError, match="its files have changed"):
        SentenceEncoder.from_config(config)


def test_unknown_on_this_machine(strings_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(strings_in).get_config()
    assert str(tmp_path) not in json.dumps(config)
    monkeypatch.setenv("TFQ_LLM_CACHE", str(tmp_path / "another-machine"))
    with pytest.raises(InputError, match=r"'strings-in', which is not known.*tfq_llm\.encoders\.load"):
        SentenceEncoder.from_config(config)
    load(strings_in)
    check(SentenceEncoder.from_config(config))


def test_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no sentence encoder.*saved_model\.pb.*model\.safetensors"):
        load(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"garbage")
    with pytest.raises(InputError, match="cannot be opened as a SavedModel"):
        load(tmp_path)


def test_a_handle_without_network() -> None:
    with pytest.raises(InputError, match=r"could not download.*'minilm' and local directories need no network"):
        load("http://localhost:9/google/universal-sentence-encoder/4")


def test_an_unknown_name() -> None:
    with pytest.raises(InputError, match="Did you mean 'minilm'"):
        load("mini-lm")
    with pytest.raises(InputError, match="Did you mean 'minilm'"):
        tfq_llm.encoders.build("minilmm")
