"""Finds the SavedModel of a sentence encoder: by name, by directory, by TF-Hub handle, or again by fingerprint."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import tensorflow as tf
import tensorflow_hub as hub

from tfq_llm.cache import cache_dir, directory_digests, is_intact, write_text
from tfq_llm.encoders.convert import convert, converted_directory, converted_fingerprint
from tfq_llm.encoders.sentence_transformers import content_digest, is_sentence_transformers
from tfq_llm.encoders.sources import PUBLISHED, sentence_transformers_directory
from tfq_llm.encoders.transformer import PRECISIONS
from tfq_llm.errors import InputError, did_you_mean

_LOAD_IT = "Load it once with tfq_llm.encoders.load, from the same files and with the same arguments, and try again."
_OFFLINE = "the sentence encoder 'minilm' and local directories need no network"
_SHORT_HANDLE = re.compile(r"[\w.-]+(/[\w.-]+)+/\d+")


@dataclass(frozen=True)
class Located:
    """A sentence encoder on this machine's disk.

    Args:
        name: what it is called in saved models: a known name, a handle, or a directory's last part.
        directory: its SavedModel.
        fingerprint: a hash of all that decides its vectors, the same on every machine.
        max_tokens: how many tokens of a text it reads; None where only the SavedModel knows.
        preprocessor: the SavedModel whose output it takes; None if it takes strings.
        output_key: which of its outputs is the vector, as the user gave it.
        precision: of its matrix products, one of `transformer.PRECISIONS`; SavedModels have their own and ignore it.
    """

    name: str
    directory: Path
    fingerprint: str
    max_tokens: int | None = None
    preprocessor: Path | None = None
    output_key: str | None = None
    precision: str = "float32"


def locate(
    source: str,
    max_tokens: int = 128,
    preprocessor: str | None = None,
    output_key: str | None = None,
    precision: str = "float32",
) -> Located:
    """Finds a sentence encoder, builds or downloads it if need be, and notes where it is for `locate_again`.

    Args:
        source: a known name, a directory (SavedModel or sentence-transformers) or a TF-Hub handle.
        max_tokens: how many tokens to read, where the SavedModel is built here.
        preprocessor: for a SavedModel that does not take strings, the directory or handle of the one that prepares them.
        output_key: for a SavedModel with several outputs, the name of one.
        precision: of the matrix products, where the SavedModel is built here.

    Raises:
        InputError: there is no such sentence encoder or precision, or it cannot be had.
    """
    if precision not in PRECISIONS:
        raise InputError(
            f"there is no precision '{precision}'; known: {', '.join(PRECISIONS)}.{did_you_mean(precision, PRECISIONS)}"
        )
    directory = Path(source).expanduser()
    if source in PUBLISHED or (directory.is_dir() and is_sentence_transformers(directory)):
        if preprocessor or output_key:
            raise InputError(
                f"the sentence encoder '{source}' takes strings and has one output: it needs no preprocessor or key."
            )
        make = _published if source in PUBLISHED else _converted
        located = make(source, max_tokens, precision)
    elif precision != "float32":
        raise InputError(f"'{source}' is a SavedModel, whose precision is its own: leave out precision '{precision}'.")
    else:
        located = _saved_model(source, preprocessor, output_key)
    if source not in PUBLISHED:
        _note(located, source, preprocessor)
    return located


def locate_again(
    name: str, fingerprint: str, max_tokens: int | None, output_key: str | None, precision: str = "float32"
) -> Located:
    """Finds the sentence encoder that a saved model names.

    Raises:
        InputError: it is not known on this machine, or what is known under this name is another one.
    """
    note = _note_path(fingerprint)
    if note.is_file():
        known = json.loads(note.read_text(encoding="utf-8"))
    elif name in PUBLISHED or _is_handle(name):
        known = {"source": name, "preprocessor": None}
    else:
        raise InputError(
            f"this model was made with the sentence encoder '{name}', which is not known on this machine. {_LOAD_IT}"
        )
    cached = converted_directory(name, fingerprint)
    if is_intact(cached):  # enough even when the files it was made from are gone
        return Located(name, cached, fingerprint, max_tokens, precision=precision)
    located = locate(known["source"], max_tokens or 128, known["preprocessor"], output_key, precision)
    if located.fingerprint != fingerprint:
        raise InputError(
            f"this model was made with the sentence encoder '{name}' of fingerprint {fingerprint[:16]}…, but "
            f"'{known['source']}' now has {located.fingerprint[:16]}…: its files have changed, or another version of tfq_llm "
            f"made the model. {_LOAD_IT}"
        )
    return replace(located, name=name)


def published_directory(name: str, max_tokens: int, precision: str = "float32") -> Path:
    """Where the SavedModel of a known name is or will be."""
    return converted_directory(name, converted_fingerprint(PUBLISHED[name].digest, max_tokens, precision))


def _published(name: str, max_tokens: int, precision: str) -> Located:
    fingerprint = converted_fingerprint(PUBLISHED[name].digest, max_tokens, precision)
    target = published_directory(name, max_tokens, precision)
    if not is_intact(target):
        with sentence_transformers_directory(PUBLISHED[name]) as source:
            convert(source, target, max_tokens, precision)
    return Located(name, target, fingerprint, max_tokens, precision=precision)


def _converted(source: str, max_tokens: int, precision: str) -> Located:
    directory = Path(source).expanduser()
    name = directory.resolve().name
    fingerprint = converted_fingerprint(content_digest(directory), max_tokens, precision)
    target = converted_directory(name, fingerprint)
    convert(directory, target, max_tokens, precision)
    return Located(name, target, fingerprint, max_tokens, precision=precision)


def _saved_model(source: str, preprocessor: str | None, output_key: str | None) -> Located:
    directory = _resolve(source)
    first = _resolve(preprocessor) if preprocessor else None
    content = [directory_digests(directory), directory_digests(first) if first else None, output_key]
    fingerprint = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    name = source if _is_handle(source) else directory.resolve().name
    return Located(name, directory, fingerprint, preprocessor=first, output_key=output_key)


def _resolve(source: str) -> Path:
    """The local directory of a SavedModel, downloaded by TF-Hub if `source` is a handle."""
    directory = Path(source).expanduser()
    if directory.is_dir():
        if not any((directory / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")):
            raise InputError(
                f"'{source}' holds no sentence encoder: expected a TensorFlow SavedModel (saved_model.pb) or a "
                "sentence-transformers directory (config.json, modules.json, model.safetensors)."
            )
        return directory
    if not _is_handle(source):
        hint = did_you_mean(source, PUBLISHED) or f" Known names: {', '.join(PUBLISHED)}."
        raise InputError(f"there is no sentence encoder and no directory '{source}'.{hint} A TF-Hub handle begins with https://.")
    handle = source if "://" in source else f"https://tfhub.dev/{source}"
    try:
        return Path(hub.resolve(handle))
    except (OSError, ValueError, RuntimeError, tarfile.TarError, tf.errors.OpError) as error:
        as_path = "" if source == handle else f"there is no directory '{source}', and as a TF-Hub handle it cannot be reached: "
        raise InputError(
            f"{as_path}could not download the sentence encoder '{handle}' ({error}). Offline, {_OFFLINE}: download and unpack it "
            "elsewhere and give its path."
        ) from error


def _is_handle(source: str) -> bool:
    return "://" in source or _SHORT_HANDLE.fullmatch(source) is not None


def _note(located: Located, source: str, preprocessor: str | None) -> None:
    """Remembers, on this machine only, where the sentence encoder of a fingerprint came from."""
    origins = {"source": _absolute(source), "preprocessor": _absolute(preprocessor) if preprocessor else None}
    write_text(_note_path(located.fingerprint), json.dumps(origins))


def _absolute(source: str) -> str:
    path = Path(source).expanduser()
    return str(path.resolve()) if path.is_dir() else source


def _note_path(fingerprint: str) -> Path:
    return cache_dir("encoders", "known") / f"{fingerprint}.json"
