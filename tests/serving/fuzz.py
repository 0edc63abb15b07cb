"""Requests made from the server's OpenAPI schema, right and wrong ones, by schemathesis: `make fuzz-server`.

Every reply must have a status, a content type and a shape that the schema states for it, right requests are answered, and
nothing is the server's fault. Three models get as many each: a few operations in the place of a model, and two exports, of a tiny
sentence encoder with its head, and of the head alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import booleans
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.export.small_models import small_origin, small_text_model, tiny_encoder
from tests.serving.conftest import NAME, running
from tests.serving.plain_model import write_plain_model
from tfq_llm.export import export_model

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
THERE = {"name": NAME, "version": 1, "label": "stable"}
LEAKS = ("Traceback", ".py", "site-packages", "tensorflow.python", "/tmp/", "/home/", "/root/", "0x7f")


def fuzz(url: str, cases: int, draws: int = 0) -> dict[str, int]:
    """Sends requests to a server; raises if a reply is not as it should be, or if a right request is refused.

    Args:
        url: of a server of `NAME`, whose version 1 has the label "stable".
        cases: in all; operations that take anything get as many each, half of them right and half of them wrong.
        draws: seed.

    Returns:
        How many replies had each status.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    open_ones = [each for each in operations if each.body or each.path_parameters]
    statuses: dict[str, int] = {}
    for operation in operations:
        examples = max(1, cases // len(open_ones) // 2) if operation in open_ones else 1
        for mode in GenerationMode if operation in open_ones else [GenerationMode.POSITIVE]:
            for status, count in _fuzz_one(operation, mode, examples, draws).items():
                statuses[status] = statuses.get(status, 0) + count
    return dict(sorted(statuses.items()))


def _fuzz_one(operation: APIOperation, mode: GenerationMode, examples: int, draws: int) -> dict[str, int]:
    statuses: dict[str, int] = {}
    is_right = mode == GenerationMode.POSITIVE

    @seed(draws)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), keep=booleans())
    def send(case: schemathesis.Case, keep: bool) -> None:
        if is_right or keep:  # for a version that is there, so that the body is read, too
            case.path_parameters = {name: THERE[name] for name in case.path_parameters or {}}
        reply = case.call(timeout=60)
        case.validate_response(reply, checks=CHECKS)
        assert reply.status_code == 200 or not is_right, reply.text
        assert not any(leak in reply.text for leak in LEAKS), reply.text
        statuses[str(reply.status_code)] = statuses.get(str(reply.status_code), 0) + 1

    send()
    return statuses


def models(folder: Path) -> Iterator[tuple[str, Path]]:
    """Writes what is served into a folder: what it is, and its directory."""
    yield "a few operations", write_plain_model(folder / "plain" / NAME / "1").parent
    trained = small_text_model(tiny_encoder(folder))
    for what, head_only in (("an export", False), ("an export of the head alone", True)):
        to = folder / what / NAME / "1"
        yield what, export_model(trained, small_origin(), to, command="", head_only=head_only).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    # Some operations have fewer different requests than their share: with so many, 10,000 are sent.
    parser.add_argument("--cases", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TFQ_LLM_CACHE"] = f"{folder}/cache"
        for place, (what, directory) in enumerate(models(Path(folder))):
            with running(directory, labels={"stable": 1}) as client:
                found = fuzz(client.url, options.cases // 3, options.seed + place)
            print(f"{what}: {_counted(found)}")
            total.update(found)
    print(f"every reply was as the schema says: {_counted(total)}")


def _counted(statuses: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()))
    return f"{sum(statuses.values()):,} requests, answered by {counts}"


if __name__ == "__main__":
    main()
