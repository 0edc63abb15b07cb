"""Who is answered, and what browsers are told."""

from __future__ import annotations

import json

import pytest

from tests.serving.conftest import NAME, running
from tfq_llm import InputError
from tfq_llm.serving.settings import Limits, ServerSettings, read_token

TOKEN = "0123456789abcdef-token"


def test_with_a_token_nobody_else_is_answered(plain):
    with running(plain.parent, token=TOKEN) as client:
        for path in (f"/v1/models/{NAME}", "/metrics", "/api/model", "/openapi.json", "/nothing"):
            refused = client.get(path)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            for wrong in (TOKEN, f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ", "Bearer \xff"):
                assert client.get(path, headers={"Authorization": wrong.encode("latin-1")}).status_code == 401
        given = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get(f"/v1/models/{NAME}", headers=given).status_code == 200
        assert client.get("/openapi.json", headers=given).json()["security"] == [{"token": []}]
        for path in ("/", "/healthz", "/readyz", "/static/page.js"):
            assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:8501", 200),
        ("an.example", 403),
        ("127.0.0.1.an.example", 403),
        ("", 403),
    ],
)
def test_without_a_token_only_names_of_the_loopback_are_answered(host, status, client):
    assert client.get("/healthz", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://an.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "own", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site"}, 200),
    ],
)
def test_pages_elsewhere_cannot_use_the_browser_to_call(headers, status, plain):
    with running(plain.parent, cors_origins=("https://example.org",)) as client:
        headers = {name: client.url if value == "own" else value for name, value in headers.items()} | {
            "Content-Type": "text/plain"
        }
        body = json.dumps({"instances": ["the movie"]})
        assert client.post(f"/v1/models/{NAME}:predict", body, headers=headers).status_code == status
        assert client.get("/", headers=headers).status_code == 200  # a link to the page may be anywhere


def test_pages_elsewhere_may_call_only_if_asked_for(client, plain):
    preflight = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-encoding, content-type",
    }
    path = f"/v1/models/{NAME}:predict"
    asked = client.session.options(client.url + path, headers=preflight, timeout=30)
    assert "access-control-allow-origin" not in asked.headers
    with running(plain.parent, cors_origins=("https://example.org",)) as open_client:
        allowed = open_client.session.options(open_client.url + path, headers=preflight, timeout=30)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://example.org")
        refused = open_client.post(path, "{", headers={"Origin": "https://example.org"})
        assert refused.headers["access-control-expose-headers"] == "Retry-After, X-Request-Id"
        other = open_client.get("/healthz", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers


def test_browsers_are_told_to_load_nothing_from_elsewhere(client):
    for path in ("/", "/static/page.js", "/healthz", "/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    for name in ("index.html", "page.js", "api.js", "circuit.js", "page.css"):
        text = client.get(f"/static/{name}").text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "style=" not in text


def test_settings_that_would_be_mistakes(tmp_path):
    with pytest.raises(InputError, match="can be reached by other machines, so callers need a token"):
        ServerSettings(tmp_path, host="0.0.0.0")
    assert ServerSettings(tmp_path, host="0.0.0.0", token=TOKEN)
    assert TOKEN not in repr(ServerSettings(tmp_path, token=TOKEN))
    for wrong in ({"port": 70000}, {"name": "a/b"}, {"cors_origins": ("*",)}, {"labels": {"a:b": 1}}, {"poll_seconds": 0}):
        with pytest.raises(InputError):
            ServerSettings(tmp_path, **wrong)
    for wrong in ({"batch_rows": 0}, {"timeout": float("inf")}, {"batch_wait": -1}):
        with pytest.raises(InputError):
            Limits(**wrong)


def test_a_token_file_is_for_its_owner_alone(tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o644)
    with pytest.raises(InputError, match="may be read by others"):
        read_token(file)
    file.chmod(0o600)
    assert read_token(file) == TOKEN
    file.write_text("short")
    with pytest.raises(InputError, match="is no token"):
        read_token(file)
    with pytest.raises(InputError, match="cannot read the token"):
        read_token(tmp_path / "nothing")
