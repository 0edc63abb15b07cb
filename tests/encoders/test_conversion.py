"""Converting sentence-transformers directories: what is refused, what is kept, what is built again."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tfq_llm import InputError
from tfq_llm.cache import is_intact
from tfq_llm.encoders import SentenceEncoder, available, build, load
from tfq_llm.encoders.locate import locate
from tfq_llm.encoders.sentence_transformers import content_digest, read_checkpoint
from tfq_llm.encoders.sources import PUBLISHED, sentence_transformers_directory
from tfq_llm.encoders.tokenizer_files import read_tokenizer


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("file", "changes", "complaint"),
    [
        ("config.json", {"model_type": "roberta"}, "architecture 'roberta'; supported are bert, mpnet"),
        ("config.json", {"hidden_act": "silu"}, "activation 'silu'"),
        ("config.json", {"position_embedding_type": "relative_key"}, "'relative_key' position embeddings"),
        ("config.json", {"num_hidden_layers": 3}, r"no tensor 'encoder\.layer\.2\."),
        ("1_Pooling/config.json", {"pooling_mode": "attention"}, "pooling 'attention'"),
        ("1_Pooling/config.json", {"pooling_mode_of_the_future": True}, "pooling 'pooling_mode_of_the_future'"),
        ("tokenizer_config.json", {"cls_token": "<start>"}, "no token '<start>'"),
    ],
)
def test_what_is_not_supported_is_named(
    file: str, changes: dict[str, Any], complaint: str, sentence_transformers: Callable[..., Path]
) -> None:
    directory = sentence_transformers("bert")
    edit_json(directory / file, **changes)
    with pytest.raises(InputError, match=complaint):
        read_checkpoint(directory)


def test_a_dense_module_is_not_supported(sentence_transformers: Callable[..., Path]) -> None:
    directory = sentence_transformers("bert")
    modules = json.loads((directory / "modules.json").read_text())
    modules.append({"idx": 3, "type": "sentence_transformers.models.Dense", "path": "3_Dense"})
    (directory / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match="unsupported modules: Dense"):
        read_checkpoint(directory)


@pytest.mark.parametrize("file", ["model.safetensors", "vocab.txt", "1_Pooling/config.json"])
def test_a_missing_file_is_named(file: str, sentence_transformers: Callable[..., Path]) -> None:
    directory = sentence_transformers("bert")
    (directory / file).unlink()
    with pytest.raises(InputError, match=Path(file).name):
        read_checkpoint(directory)


def test_damaged_weights(sentence_transformers: Callable[..., Path]) -> None:
    directory = sentence_transformers("bert")
    (directory / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(directory)


def test_a_tokenizer_of_another_kind(sentence_transformers: Callable[..., Path]) -> None:
    directory = sentence_transformers("mpnet")
    edit_json(directory / "tokenizer.json", normalizer={"type": "NFC"})
    with pytest.raises(InputError, match="not a BERT tokenizer"):
        read_checkpoint(directory)


def test_pooling_flags_of_older_versions(sentence_transformers: Callable[..., Path]) -> None:
    directory = sentence_transformers("bert")
    flags = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True, "pooling_mode_max_tokens": False}
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    assert read_checkpoint(directory).poolings == ("cls", "mean")


def test_without_modules_json_nothing_is_normalized(sentence_transformers: Callable[..., Path]) -> None:
    directory = sentence_transformers("bert")
    (directory / "modules.json").unlink()
    assert not read_checkpoint(directory).normalize


def test_vocab_txt_serves_where_there_is_no_tokenizer_json(sentence_transformers: Callable[..., Path]) -> None:
    directory = sentence_transformers("mpnet")
    serialized = read_tokenizer(directory, "mpnet")
    (directory / "tokenizer.json").unlink()
    (directory / "vocab.txt").write_text("\n".join(serialized.vocabulary) + "\n")
    assert read_tokenizer(directory, "mpnet").vocabulary == serialized.vocabulary


def test_weights_with_the_architecture_in_their_names(sentence_transformers: Callable[..., Path]) -> None:
    directory = sentence_transformers("bert")
    before = read_checkpoint(directory).weights
    tensors = load_file(directory / "model.safetensors")
    save_file({f"bert.{name}": value for name, value in tensors.items()}, directory / "model.safetensors")
    np.testing.assert_equal(read_checkpoint(directory).weights, before)


@pytest.mark.parametrize("max_tokens", [2, 65])
def test_max_tokens_out_of_range(max_tokens: int, own_cache: Path, sentence_transformers: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=f"max_tokens is {max_tokens}; this sentence encoder reads 3 to 64"):
        load(sentence_transformers("bert"), max_tokens=max_tokens)


def test_mpnet_has_two_positions_less_than_its_table(sentence_transformers: Callable[..., Path]) -> None:
    assert read_checkpoint(sentence_transformers("mpnet")).max_tokens == 62


def test_arguments_that_do_not_apply(tiny_directory: Path) -> None:
    with pytest.raises(InputError, match="needs no preprocessor or key"):
        locate(str(tiny_directory), output_key="default")


def test_each_number_of_tokens_is_another_encoder(tiny: SentenceEncoder, shorter: SentenceEncoder) -> None:
    assert shorter.fingerprint != tiny.fingerprint
    assert (shorter.count_truncated(["a a a"]), tiny.count_truncated(["a a a"])) == (1, 0)


def test_build_takes_a_directory(tiny: SentenceEncoder, tiny_directory: Path, tiny_cache: Path) -> None:
    built = build(tiny_directory, max_tokens=48)
    assert built == build(str(tiny_directory), max_tokens=48)
    assert built.parent == tiny_cache / "encoders"
    assert is_intact(built)
    assert load(built).dim == tiny.dim


def test_build_takes_no_other_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no sentence encoder '.*' to build; known: minilm, or the directory of a sentence-tr"):
        build(tmp_path)


@pytest.mark.slow
def test_a_damaged_cache_is_built_again(
    tiny: SentenceEncoder, tiny_directory: Path, tiny_cache: Path, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(tiny_cache / "encoders", own_cache / "encoders")
    built = locate(str(tiny_directory), max_tokens=48).directory
    assert built.is_relative_to(own_cache)
    weights = next((built / "variables").glob("*.data*"))
    for damage in (lambda: weights.write_bytes(weights.read_bytes()[:-1] + b"?"), (built / "MANIFEST.json").unlink):
        damage()
        assert not is_intact(built)
        with caplog.at_level(logging.WARNING, "tfq_llm"):
            assert locate(str(tiny_directory), max_tokens=48).directory == built
        assert "building it again" in caplog.text
        assert is_intact(built)
        caplog.clear()


@pytest.mark.slow
def test_the_default_encoder_needs_no_network_once_built(minilm: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: object) -> None:
        raise AssertionError("nothing may be downloaded")

    monkeypatch.setattr("tfq_llm.encoders.sources.download", no_network)
    assert build("minilm").is_dir()
    assert [(item.name, item.dim, item.built, item.licence) for item in available()] == [("minilm", 384, True, "Apache-2.0")]


def test_an_installed_package_is_used_in_place_of_a_download(
    own_cache: Path, tmp_path: Path, sentence_transformers: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "tiny_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copytree(sentence_transformers("bert"), package / "model")
    monkeypatch.syspath_prepend(str(package.parent))
    published = replace(PUBLISHED["minilm"], package="tiny_package", digest=content_digest(package / "model"))
    with sentence_transformers_directory(published) as directory:
        assert directory == package / "model"
