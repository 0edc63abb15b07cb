"""The REST API against TensorFlow Serving's protos and documentation, and against the model called in this process."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from google.protobuf import json_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis import classification_pb2, get_model_metadata_pb2, get_model_status_pb2, model_pb2
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from tests.serving.conftest import NAME
from tfq_llm import exported

TEXTS = ["the movie", "un able dog", "long café"]
OUTPUTS = ["angles", "class_names", "embedding", "expectation_values", "logits", "probabilities", "z"]


@pytest.fixture(scope="module")
def expected(plain):
    return exported.load(plain)(TEXTS)


def test_status_is_the_json_of_its_proto(client):
    for path in (f"/v1/models/{NAME}", f"/v1/models/{NAME}/versions/1"):
        reply = client.get(path)
        status = json_format.Parse(reply.content, get_model_status_pb2.GetModelStatusResponse())
        (version,) = status.model_version_status
        assert (version.version, version.state, version.status.error_code) == (1, ModelVersionStatus.AVAILABLE, 0)
        # Fields without a value are there too, as TensorFlow Serving prints them.
        printed = json_format.MessageToDict(status, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        assert reply.json() == printed
        assert reply.headers["content-type"] == "application/json"


def test_metadata_is_the_json_of_its_protos(client, plain):
    for path in (f"/v1/models/{NAME}/metadata", f"/v1/models/{NAME}/versions/1/metadata"):
        found = client.get(path).json()
        spec = json_format.ParseDict(found["model_spec"], model_pb2.ModelSpec())
        assert (spec.name, spec.version.value) == (NAME, 1)
        # TensorFlow Serving prints what is in the Any, which JSON of the whole proto would give an "@type".
        assert (list(found), list(found["metadata"])) == (["model_spec", "metadata"], ["signature_def"])
        signatures = json_format.ParseDict(found["metadata"]["signature_def"], get_model_metadata_pb2.SignatureDefMap())
        saved = SavedModel.FromString((plain / "saved_model.pb").read_bytes()).meta_graphs[0].signature_def
        assert set(signatures.signature_def) == {"serving_default", "classify"}
        assert all(signatures.signature_def[name] == saved[name] for name in signatures.signature_def)


def check(found, expected):
    """Values of one row, or of all in columns."""
    assert list(found) == OUTPUTS
    for name in OUTPUTS:
        if name == "class_names":
            assert found[name] == np.vectorize(bytes.decode)(expected[name]).tolist()
        else:
            np.testing.assert_allclose(found[name], expected[name], atol=2e-6)


@pytest.mark.parametrize("instances", [TEXTS, [{"text": text} for text in TEXTS]])
def test_predict_by_rows(instances, client, expected):
    reply = client.post(f"/v1/models/{NAME}:predict", {"signature_name": "serving_default", "instances": instances})
    assert list(reply.json()) == ["predictions"]
    for row, found in enumerate(reply.json()["predictions"]):
        check(found, {name: values[row] for name, values in expected.items()})


@pytest.mark.parametrize("inputs", [TEXTS, {"text": TEXTS}, {"more": [[1]] * 1000, "text": TEXTS}])
def test_predict_by_columns(inputs, client, expected):
    reply = client.post(f"/v1/models/{NAME}/versions/1:predict", {"inputs": inputs})
    assert list(reply.json()) == ["outputs"]
    check(reply.json()["outputs"], expected)


def test_binary_strings(client, expected):
    encoded = [{"b64": base64.b64encode(text.encode()).decode()} for text in TEXTS]
    broken = [{"b64": f"\n{each['b64'][:4]}\r\n {each['b64'][4:]}\t"} for each in encoded]
    for body in (
        {"instances": encoded},
        {"instances": [{"text": each} for each in encoded]},
        {"inputs": encoded},
        {"inputs": broken},
    ):
        found = client.post(f"/v1/models/{NAME}:predict", body).json()
        probabilities = [row["probabilities"] for row in found["predictions"]] if "predictions" in found else None
        np.testing.assert_allclose(probabilities or found["outputs"]["probabilities"], expected["probabilities"], atol=2e-6)


def test_numbers_have_as_few_digits_as_float32_needs(client):
    """As TensorFlow Serving writes them: 0.2 and not 0.20000000298023224, and 1.0 and not 1."""
    written = client.predict("the movie").text
    numbers = json.loads(written, parse_float=str, parse_int=lambda digits: pytest.fail(f"{digits} has no decimal point"))
    for text in numbers["predictions"][0]["embedding"]:
        assert len(text.strip("-").replace(".", "").lstrip("0").split("e")[0]) <= 9


def test_classify_is_what_its_proto_says(client, expected):
    body = {"signature_name": "classify", "examples": [{"text": text} for text in TEXTS]}
    reply = client.post(f"/v1/models/{NAME}:classify", body).json()
    assert list(reply) == ["results"]
    proto = classification_pb2.ClassificationResult()
    for row in reply["results"]:
        classes = [classification_pb2.Class(label=label, score=score) for label, score in row]
        proto.classifications.add(classes=classes)
    scores = [[each.score for each in row.classes] for row in proto.classifications]
    np.testing.assert_allclose(scores, expected["probabilities"], atol=2e-6)
    assert [each.label for each in proto.classifications[0].classes] == ["negative", "positive"]


def test_examples_may_share_a_context_and_have_lists(client):
    in_common = {"signature_name": "classify", "context": {"text": "the movie"}, "examples": [{}, {"other": [1, 2]}]}
    given = {"signature_name": "classify", "examples": [{"text": ["the movie"]}, {"text": {"b64": "dGhlIG1vdmll"}}]}
    replies = [client.post(f"/v1/models/{NAME}:classify", body).json()["results"] for body in (in_common, given)]
    assert replies[0] == replies[1]


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("few-reviews:predict", b"{", 400, "JSON Parse error"),
        ("few-reviews:predict", b"", 400, "JSON Parse error"),
        ("few-reviews:predict", [], 400, "is a JSON array, not an object"),
        ("few-reviews:predict", {}, 400, "'instances' (rows) and 'inputs' (columns), and not both"),
        ("few-reviews:predict", {"instances": ["a"], "inputs": ["a"]}, 400, "and not both"),
        ("few-reviews:predict", {"instances": []}, 400, "not empty"),
        ("few-reviews:predict", {"instances": "a"}, 400, "must be an array"),
        ("few-reviews:predict", {"instances": [1]}, 400, "must be a string"),
        ("few-reviews:predict", {"instances": [["a"]]}, 400, "not a JSON array"),
        ("few-reviews:predict", {"instances": [{"text": "a"}, "b"]}, 400, "element 1 of 'instances'"),
        ("few-reviews:predict", {"instances": [{"txt": "a"}]}, 400, "the keys text"),
        ("few-reviews:predict", {"instances": [{"text": "a", "more": "b"}]}, 400, "the keys text and no others"),
        ("few-reviews:predict", {"inputs": {"more": ["b"]}}, 400, "the keys text"),
        ("few-reviews:predict", {"inputs": []}, 400, "not empty"),
        ("few-reviews:predict", {"inputs": "a"}, 400, "must be an array"),
        ("few-reviews:predict", {"instances": [{"b64": "?"}]}, 400, "base64"),
        ("few-reviews:predict", {"instances": [{"b64": "YWJj\u2003ZGVm"}]}, 400, "base64"),
        ("few-reviews:predict", {"signature_name": 3, "instances": ["a"]}, 400, "must be a string"),
        ("few-reviews:predict", {"signature_name": "other", "instances": ["a"]}, 400, "classify, serving_default"),
        ("few-reviews:predict", {"signature_name": "classify", "instances": ["no example"]}, 400, "cannot read these inputs"),
        ("few-reviews:classify", {"examples": [{"text": "a"}]}, 400, "Was: tensorflow/serving/predict"),
        ("few-reviews:classify", {"signature_name": "classify", "examples": [{}]}, 400, "one string as its feature 'text'"),
        ("few-reviews:classify", {"signature_name": "classify", "examples": [{"text": [1, "a"]}]}, 400, "of one kind"),
        ("few-reviews:classify", {"signature_name": "classify", "examples": [{"text": 2**63}]}, 400, "64 bits"),
        ("few-reviews:classify", {"signature_name": "classify", "examples": []}, 400, "not empty"),
        ("few-reviews:regress", {"examples": [{}]}, 400, "Malformed request: POST /v1/models/few-reviews:regress"),
        ("other:predict", {"instances": ["a"]}, 404, "Servable not found for request"),
        ("few-reviews/versions/7:predict", {"instances": ["a"]}, 404, "Specific(few-reviews, 7)"),
        ("few-reviews/versions/x:predict", {"instances": ["a"]}, 400, "to numeric"),
        ("few-reviews/labels/none:predict", {"instances": ["a"]}, 404, "label"),
    ],
)
def test_what_is_wrong_is_said_with_tensorflow_servings_status(path, body, status, reason, client):
    reply = client.post(f"/v1/models/{path}", body)
    assert list(reply.json()) == ["error"]
    assert (reply.status_code, reason in reply.json()["error"]) == (status, True), reply.text


def test_paths_that_are_nothing(client):
    assert client.get(f"/v1/models/{NAME}/versions/9").json() == {"error": f"Could not find version 9 of model {NAME}"}
    assert client.get("/v1/nothing").status_code == 400
    assert client.get(f"/v1/models/{NAME}:predict").json() == {"error": f"Malformed request: GET /v1/models/{NAME}:predict"}
    assert client.get("/nothing").status_code == 404
