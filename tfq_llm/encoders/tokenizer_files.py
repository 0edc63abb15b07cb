"""Reads the tokenizer of a sentence-transformers directory, from `tokenizer.json` or else `vocab.txt`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tfq_llm.encoders.characters import CharacterRules
from tfq_llm.encoders.tokenizer import TokenizerSettings
from tfq_llm.errors import InputError

_ROLES = {
    "bert": {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"},
    "mpnet": {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "[UNK]", "mask_token": "<mask>"},
}


def read_json(path: Path) -> Any:
    """Returns a JSON file's content, or an empty dictionary when there is no such file.

    Raises:
        InputError: the file is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"'{path}' is not a JSON file: {error}.") from error


def read_tokenizer(directory: Path, model_type: str) -> TokenizerSettings:
    """Reads the settings of a WordPiece tokenizer.

    Raises:
        InputError: it is of another kind, or a file is missing.
    """
    config = read_json(directory / "tokenizer_config.json")
    roles = {role: _token_text(config.get(role) or default) for role, default in _ROLES[model_type].items()}
    serialized = read_json(directory / "tokenizer.json")
    settings = _from_serialized(serialized, roles, directory) if serialized else _from_vocabulary(directory, config, roles)
    missing = [token for token in (settings.start, settings.end, settings.padding) if token not in settings.vocabulary]
    if missing or settings.unknown not in settings.vocabulary:
        raise InputError(f"the tokenizer in '{directory}' has no token '{(missing or [settings.unknown])[0]}' in its vocabulary.")
    return settings


def _from_vocabulary(directory: Path, config: dict[str, Any], roles: dict[str, str]) -> TokenizerSettings:
    try:
        # Not splitlines: some tokens are Unicode line separators.
        vocabulary = (directory / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except FileNotFoundError:
        raise InputError(f"'{directory}' has neither tokenizer.json nor vocab.txt: it is no BERT or MPNet encoder.") from None
    normalizer = {
        "lowercase": config.get("do_lower_case", True),
        "strip_accents": config.get("strip_accents"),
        "handle_chinese_chars": config.get("tokenize_chinese_chars", True),
    }
    literals = tuple(token for token in dict.fromkeys(roles.values()) if token in vocabulary)
    return _settings(vocabulary, roles, literals, (), normalizer)


def _from_serialized(serialized: dict[str, Any], roles: dict[str, str], directory: Path) -> TokenizerSettings:
    parts = {part: (serialized.get(part) or {}).get("type") for part in ("model", "normalizer", "pre_tokenizer")}
    expected = {"model": "WordPiece", "normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
    if parts != expected:
        raise InputError(f"'{directory / 'tokenizer.json'}' is not a BERT tokenizer: expected {expected}, found {parts}.")
    added = serialized.get("added_tokens", [])
    ids = {**serialized["model"]["vocab"], **{token["content"]: token["id"] for token in added}}
    vocabulary = sorted(ids, key=ids.__getitem__)
    if [ids[token] for token in vocabulary] != list(range(len(vocabulary))):
        raise InputError(f"the token ids in '{directory / 'tokenizer.json'}' are not 0, 1, 2 …: this tokenizer is not supported.")
    roles = {**roles, "unk_token": serialized["model"]["unk_token"]}
    literals = tuple(token["content"] for token in added if not token["normalized"])
    caseless = tuple(token["content"] for token in added if token["normalized"])
    return _settings(vocabulary, roles, literals, caseless, serialized["normalizer"])


def _settings(
    vocabulary: list[str],
    roles: dict[str, str],
    literals: tuple[str, ...],
    caseless_literals: tuple[str, ...],
    normalizer: dict[str, Any],
) -> TokenizerSettings:
    lower_case, strip_accents = normalizer["lowercase"], normalizer["strip_accents"]
    return TokenizerSettings(
        vocabulary=tuple(vocabulary),
        start=roles["cls_token"],
        end=roles["sep_token"],
        padding=roles["pad_token"],
        unknown=roles["unk_token"],
        literals=literals,
        caseless_literals=caseless_literals,
        rules=CharacterRules(
            lower_case=lower_case,
            strip_accents=lower_case if strip_accents is None else strip_accents,
            split_chinese=normalizer["handle_chinese_chars"],
        ),
    )


def _token_text(token: str | dict[str, Any]) -> str:
    return token if isinstance(token, str) else str(token["content"])
