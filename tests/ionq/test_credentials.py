"""Where the key comes from, and where it may go."""

from __future__ import annotations

import pytest

from tfq_llm import InputError
from tfq_llm.ionq.credentials import DEFAULT_HOST, EMULATOR_KEY, checked_host, read_key

KEY = "a1B2c3D4e5F6g7H8"
LOOPBACK = "http://127.0.0.1:8765"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY", raising=False)
    monkeypatch.delenv("CIRQ_IONQ_API_KEY", raising=False)


@pytest.fixture
def key_file(tmp_path):
    def write(content: str, mode: int = 0o600):
        file = tmp_path / "key"
        file.write_text(content, encoding="utf-8")
        file.chmod(mode)
        return file

    return write


def test_a_file_comes_before_the_environment_and_ionqs_variable_before_cirqs(monkeypatch, key_file):
    monkeypatch.setenv("CIRQ_IONQ_API_KEY", "of-cirq-itself")
    assert read_key(None, DEFAULT_HOST) == "of-cirq-itself"
    monkeypatch.setenv("IONQ_API_KEY", "of-ionq-itself")
    assert read_key(None, DEFAULT_HOST) == "of-ionq-itself"
    assert read_key(key_file(KEY + "\n"), DEFAULT_HOST) == KEY


def test_a_file_with_mode_400_is_stricter_still(key_file):
    assert read_key(key_file(KEY, 0o400), DEFAULT_HOST) == KEY


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_may_read_is_refused_with_the_way_out(key_file, mode):
    with pytest.raises(InputError, match="chmod 600") as caught:
        read_key(key_file(KEY, mode), DEFAULT_HOST)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "  \n", "short", f"{KEY}\n{KEY}", f"{KEY} {KEY}", KEY + "é", f"{KEY}\x00", f"{KEY}\r\nX: y"]
)
def test_what_cannot_be_a_key_is_refused_without_being_shown(key_file, content):
    with pytest.raises(InputError, match="no API key") as caught:
        read_key(key_file(content), DEFAULT_HOST)
    assert KEY not in str(caught.value)


def test_a_key_in_the_environment_is_checked_too(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", f"{KEY}\n{KEY}")
    with pytest.raises(InputError, match="IONQ_API_KEY") as caught:
        read_key(None, DEFAULT_HOST)
    assert KEY not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        read_key(tmp_path / "nowhere", DEFAULT_HOST)


def test_only_the_loopback_needs_no_key():
    assert read_key(None, LOOPBACK) == EMULATOR_KEY
    with pytest.raises(InputError, match="IONQ_API_KEY"):
        read_key(None, DEFAULT_HOST)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "https://api.ionq.co"),
        ("https://api.ionq.co/", "https://api.ionq.co"),
        ("HTTPS://API.ionq.co:443", "https://api.ionq.co:443"),
        (LOOPBACK, LOOPBACK),
        ("http://localhost:80", "http://localhost:80"),
        ("http://127.9.8.7", "http://127.9.8.7"),
        ("http://[::1]:8765/", "http://[::1]:8765"),
    ],
)
def test_hosts_that_may_have_the_key(given, expected):
    assert checked_host(given) == expected


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("http://api.ionq.co", "plain text"),
        ("http://localhost.example.com", "plain text"),
        ("http://127.0.0.1.example.com", "plain text"),
        ("http://0.0.0.0:80", "plain text"),
        ("http://[::2]:80", "plain text"),
        ("https://user:secret@api.ionq.co", "password"),
        ("http://127.0.0.1\\@example.com", "password"),
        ("https://api.ionq.co/v0.4", "more than a host"),
        ("https://api.ionq.co?x=1", "more than a host"),
        ("https://api.ionq.co#x", "more than a host"),
        ("api.ionq.co", "no address"),
        ("ftp://api.ionq.co", "no address"),
        ("https://", "no address"),
        ("https://api.ionq.co:99999", "no address"),
        ("https://api ionq.co", "no address"),
        ("https://[::1", "no address"),
        ("", "no address"),
    ],
)
def test_hosts_that_may_not(given, why):
    with pytest.raises(InputError, match=why) as caught:
        checked_host(given)
    assert "secret" not in str(caught.value)
