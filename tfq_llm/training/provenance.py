"""What a model card says of a model's origin, and where it is known from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tfq_llm.config import without_paths
from tfq_llm.data.catalog import NOT_STATED, origin
from tfq_llm.data.datasets import PARTS
from tfq_llm.encoders.sources import PUBLISHED
from tfq_llm.metrics import QUANTUM, HeadResult
from tfq_llm.model_paths import is_saved_head
from tfq_llm.training.run import RunDirectory, read_json
from tfq_llm.training.saved_head import SavedHead


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from.

    Attributes:
        data: name of the data set.
        data_source: one sentence on where its texts are from.
        data_licence: of the texts.
        results: the heads that were scored on the embeddings of this model's sentence encoder, the quantum head among them.
        rows: how many rows each part of the split has.
        settings: the resolved configuration; of paths only the last part.
        versions: of this package, its stack and Python, when it was trained.
        licence: of the model itself, an SPDX identifier; None if nobody stated one.
    """

    data: str
    data_source: str
    data_licence: str
    results: Sequence[HeadResult]
    rows: Mapping[str, int]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    licence: str | None = None

    @classmethod
    def of_run(cls, path: Path) -> Provenance:
        """What a finished run directory says, or a saved head.

        Raises:
            InputError: a file is missing or damaged.
        """
        if is_saved_head(path):
            return cls.of_saved_head(SavedHead.read(path))
        run = RunDirectory(path)
        config, results, split = run.config, run.results(), read_json(path / "splits.json")
        if not any(result.head == QUANTUM for result in results):
            raise run.damaged(path / "results.json")
        if config.data.embeddings:
            name = Path(config.data.embeddings).name
            source, licence = f"The embeddings in '{name}' of whoever trained the model.", NOT_STATED
        else:
            name = config.data.name
            source, licence = origin(name)
        return cls(
            data=Path(name).name,
            data_source=source,
            data_licence=licence,
            # The run's model is that of its last phase, and so are the last results.
            results=[result for result in results if result.embeddings == results[-1].embeddings],
            rows={part: len(split[part]) for part in PARTS},
            settings=without_paths(config).model_dump(mode="json"),
            versions=read_json(path / "versions.json"),
        )

    @classmethod
    def of_saved_head(cls, saved: SavedHead) -> Provenance:
        """What a saved head says."""
        facts = dict(saved.facts["origin"])
        results = [HeadResult(**record) for record in facts.pop("results")]
        return cls(**facts, results=results, settings=saved.config.model_dump(mode="json"))

    def facts(self) -> dict[str, Any]:
        """What `of_saved_head` reads; settings have a file of their own."""
        kept = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "settings"}
        return kept | {"results": [result.as_dict() for result in self.results]}

    @property
    def quantum(self) -> HeadResult:
        """The result of the quantum head."""
        return next(result for result in self.results if result.head == QUANTUM)


def encoder_licence(name: str) -> str:
    """SPDX identifier of a sentence encoder that is known by name, or "not stated"."""
    return PUBLISHED[name].licence if name in PUBLISHED else NOT_STATED


def encoder_on_hubs(name: str) -> str | None:
    """The name on model hubs of a sentence encoder that is known by name, else None."""
    return f"sentence-transformers/{PUBLISHED[name].model}" if name in PUBLISHED else None


def encoder_model(name: str) -> str:
    """The model's own name of a sentence encoder that is known by name, else `name`."""
    return PUBLISHED[name].model if name in PUBLISHED else name
