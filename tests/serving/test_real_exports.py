"""Models that `tfq-llm export` wrote, served: with the sentence encoder, and a head alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.export.conftest import (  # noqa: F401  (fixtures)
    _own_cache,
    cache,
    exported_text,
    head_model,
    origin,
    text_model,
    tiny,
)
from tests.export.test_what_it_serves import SHOTS
from tests.serving.conftest import NAME, running
from tests.serving.fuzz import fuzz
from tfq_llm import exported
from tfq_llm.export import export_model

pytestmark = pytest.mark.slow

TEXTS = ["the movie", "un able dog", "long café"]


def test_texts(exported_text):  # noqa: F811
    rows = exported.load(exported_text)(TEXTS)
    with running(exported_text.parent) as client:
        found = client.predict(*TEXTS).json()["predictions"]
        for name in ("probabilities", "angles", "z", "embedding"):
            np.testing.assert_allclose([row[name] for row in found], rows[name], atol=2e-6)
        examples = {"signature_name": "classify", "examples": [{"text": text} for text in TEXTS]}
        results = client.post(f"/v1/models/{NAME}:classify", examples).json()["results"]
        np.testing.assert_allclose([[score for _, score in row] for row in results], rows["probabilities"], atol=2e-6)
        shots = client.post("/api/shots", {"text": TEXTS[0], "machine": "forte-1"}).json()
        np.testing.assert_allclose(shots["served"], rows["probabilities"][0], atol=2e-6)


def test_a_head_alone_takes_embeddings(text_model, origin, tmp_path, exported_text):  # noqa: F811
    directory = export_model(text_model, origin, tmp_path / NAME, command="", head_only=True)
    rows = exported.load(exported_text)(TEXTS)
    with running(directory.parent) as client:
        found = client.post(f"/v1/models/{NAME}:predict", {"instances": rows["embedding"].tolist()}).json()["predictions"]
        np.testing.assert_allclose([row["probabilities"] for row in found], rows["probabilities"], atol=2e-6)
        vector = [0.0] * 31
        wrong = ([[0.0] * 31], [["a"] * 32], [[True] * 32], [[1e39, *vector]], [[10**400, *vector]], ["text"])
        for instances in wrong:
            assert client.post(f"/v1/models/{NAME}:predict", {"instances": instances}).status_code == 400, instances
        broken = b'{"instances": [[NaN' + b", 0" * 31 + b"]]}"
        assert "JSON Parse error" in client.post(f"/v1/models/{NAME}:predict", broken).json()["error"]
        shots = client.post("/api/shots", {"embedding": rows["embedding"][0].tolist()}).json()
        np.testing.assert_allclose(shots["served"], rows["probabilities"][0], atol=2e-6)
        assert not [path for path in client.get("/openapi.json").json()["paths"] if "classify" in path]
        refused = client.post(f"/v1/models/{NAME}:classify", {"examples": [{"text": "a"}]})
        assert (refused.status_code, "use :predict" in refused.json()["error"]) == (400, True)


def test_replies_of_a_head_alone_are_as_the_schema_says(text_model, origin, tmp_path):  # noqa: F811
    """A short run of the part of `make fuzz-server` that has another schema."""
    directory = export_model(text_model, origin, tmp_path / NAME, command="", head_only=True)
    with running(directory.parent, labels={"stable": 1}) as client:
        statuses = fuzz(client.url, cases=40)
    assert {"200", "400"} <= statuses.keys()
    assert sum(statuses.values()) > 20


def test_a_model_that_samples_says_so(head_model, origin, tmp_path):  # noqa: F811
    trained, row = head_model(**SHOTS), [1.0] * 7
    directory = export_model(trained, origin, tmp_path / NAME, command="", head_only=True, signature="tfq")
    with running(directory.parent) as client:
        model = client.get("/api/model").json()
        assert model["serves"] == {"shots": 200, "noise": "none", "trajectories": None, "readout_error": 0.0}
        assert model["sampling"] == "200 shots"
        replies = [client.post("/api/shots", {"embedding": row, "seed": 1}).json() for _ in range(4)]
    assert all(reply["serves"] == model["serves"] for reply in replies)
    # What it answers itself is drawn anew; the shots of one seed, at the angles of the same embedding, are not.
    assert len({tuple(reply["served"]) for reply in replies}) > 1
    assert len({str(reply["outcomes"]) for reply in replies}) == 1
