"""Signatures, warm-up requests and operators, as TensorFlow Serving looks at them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

import tfq_llm
from tfq_llm import InputError, exported
from tfq_llm.export import export_model
from tfq_llm.export.operators import check_operators, stock_operators
from tfq_llm.training import TrainedModel


def signatures(directory):
    return SavedModel.FromString((directory / "saved_model.pb").read_bytes()).meta_graphs[0].signature_def


def test_signatures_have_tensorflow_servings_methods_and_names(exported_text):
    found = signatures(exported_text)
    assert found["serving_default"].method_name == "tensorflow/serving/predict"
    assert set(found["serving_default"].inputs) == {"text"}
    assert found["classify"].method_name == "tensorflow/serving/classify"
    assert (set(found["classify"].inputs), set(found["classify"].outputs)) == ({"inputs"}, {"classes", "scores"})
    assert [size.size for size in found["serving_default"].outputs["z"].tensor_shape.dim] == [-1, 6]


def test_classify_reads_examples(exported_text):
    loaded = tf.saved_model.load(str(exported_text))
    texts = ["the movie", "un able dog"]
    features = [tf.train.Features(feature={"text": tf.train.Feature(bytes_list={"value": [text.encode()]})}) for text in texts]
    examples = tf.constant([tf.train.Example(features=each).SerializeToString() for each in features])
    found = loaded.signatures["classify"](inputs=examples)
    np.testing.assert_allclose(found["scores"], exported.load(exported_text).predict(texts), atol=1e-6)
    assert found["classes"].numpy().tolist() == [[b"negative", b"positive"]] * 2


@pytest.mark.parametrize("head_only", [False, True])
def test_warm_up_requests_are_ones_that_the_model_answers(head_only, exported_text, text_model, origin, tmp_path):
    directory = exported_text
    if head_only:
        directory = export_model(text_model, origin, tmp_path / "head", command="", head_only=True)
    loaded = tf.saved_model.load(str(directory))
    kinds = set()
    for record in tf.data.TFRecordDataset(str(directory / "assets.extra" / "tf_serving_warmup_requests")):
        log = PredictionLog.FromString(record.numpy())
        kind = log.WhichOneof("log_type")
        request = getattr(log, kind).request
        assert request.model_spec.name == exported.read_facts(directory).name
        if kind == "predict_log":
            inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        else:
            inputs = {"inputs": tf.constant([each.SerializeToString() for each in request.input.example_list.examples])}
        for values in loaded.signatures[request.model_spec.signature_name](**inputs).values():
            assert values.shape[0] == len(next(iter(inputs.values())))
        kinds.add(kind)
    assert kinds == ({"predict_log"} if head_only else {"predict_log", "classify_log"})


def test_operators_of_tensorflow_and_tf_text_are_stock():
    assert {"MatMul", "StatefulPartitionedCall", "FastWordpieceTokenizeWithOffsets"} <= stock_operators()
    assert not {"PyFunc", "EagerPyFunc", "TfqAdjointGradient", "TfqSimulateExpectation"} & stock_operators()


class PythonEncoder(tf.Module):
    """A SavedModel that calls Python, as one with a tokenizer of another library would."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        lengths = tf.numpy_function(lambda rows: np.float32([[len(row)] for row in rows]), [texts], tf.float32)
        return tf.concat([tf.ensure_shape(lengths, [None, 1]), tf.ones([tf.shape(texts)[0], 6])], axis=1)


class TextLengths(tf.Module):
    """A sentence encoder made elsewhere, of stock operators: seven powers of the number of bytes."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        length = tf.cast(tf.strings.length(texts), tf.float32)
        return (length[:, None] / 10) ** tf.range(7.0)


@pytest.fixture
def with_encoder(head_model, tmp_path) -> Callable[[tf.Module], TrainedModel]:
    """Puts a SavedModel of someone else's before a head."""

    def make(module: tf.Module) -> TrainedModel:
        tf.saved_model.save(module, str(tmp_path / "encoder"))
        head = head_model()
        return TrainedModel(head.class_names, head.head, tfq_llm.encoders.load(tmp_path / "encoder"), frozenset())

    return make


def test_a_saved_model_of_stock_operators_is_exported(with_encoder, origin, tmp_path):
    trained = with_encoder(TextLengths())
    model = exported.load(export_model(trained, origin, tmp_path / "lengths", command=""))
    texts = ["abc", "a longer one"]
    np.testing.assert_allclose(model.predict(texts), trained.predict(texts), atol=1e-5)
    assert model.facts.max_tokens is None


def test_a_saved_model_with_other_operators_is_refused_and_nothing_is_left(with_encoder, origin, tmp_path):
    trained = with_encoder(PythonEncoder())
    with pytest.raises(InputError, match=r"EagerPyFunc|PyFunc"):
        export_model(trained, origin, tmp_path / "out" / "m", command="")
    assert not (tmp_path / "out").exists()
    check_operators(export_model(trained, origin, tmp_path / "m", command="", head_only=True), allow_tfq=False)


@pytest.mark.parametrize("name", ["serving_default", "tensorflow/serving/classify"])
def test_who_writes_and_who_serves_have_one_definition_of_a_name(name):
    package = Path(tfq_llm.__file__).parent
    files = [path for part in ("export", "exported", "serving") for path in (package / part).rglob("*.py")]
    holding = [
        path.relative_to(package).as_posix()
        for path in files
        if any(isinstance(node, ast.Constant) and node.value == name for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert holding == ["exported/signatures.py"]
