"""Runs what a study still lacks, and reports it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from tfq_llm.cache import write_text
from tfq_llm.errors import InputError
from tfq_llm.pipelines.report import report_of
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.local import LocalWorkers
from tfq_llm.studies.monitor import Monitor
from tfq_llm.studies.schedule import Workers, run
from tfq_llm.studies.study import Study

logger = logging.getLogger(__name__)


def study(
    config: StudyConfig,
    place: str,
    workers: int | None = None,
    cluster: str | None = None,
    known: Path | None = None,
    export: Path | None = None,
    command: str | None = None,
) -> tuple[str, int]:
    """Runs a study to its end, or goes on with it.

    Args:
        config: all settings.
        place: where it is kept: a directory, or a URL that fsspec knows.
        workers: processes on this machine; default: one for each core.
        cluster: the address of a Ray cluster to run on in their place.
        known: a CSV of trial rows that need not be run again.
        export: a CSV to write all trial rows to.
        command: that asked for it, for the report.

    Returns:
        The report's beginning as Markdown, and how many trials failed.

    Raises:
        InputError: as `Study.begun`; the CSV cannot be read or written; the cluster is not there.
    """
    begun = Study.begun(config, place, None if known is None else _read(known))
    if command is not None:
        begun.remember(command)
    logger.info("%s: %d trials in %d procedures", begun.store.url, begun.plan.size, len(begun.plan.procedures))
    with _workers(begun, workers, cluster) as running:
        monitor = Monitor(f"study {config.kind}", begun.plan.size)
        try:
            summary = run([make() for make in begun.plan.procedures], begun.store, running, monitor)
        finally:
            # Also when it is interrupted: what is finished can go on elsewhere.
            if export is not None:
                write_text(export, begun.store.export_rows())
    logger.info("%d trials run, %d found, %d failed, %.0f s", summary.done, summary.found, len(summary.failed), summary.seconds)
    return report_of(begun), len(summary.failed)


def _workers(begun: Study, count: int | None, cluster: str | None) -> Workers:
    if cluster is None:
        return LocalWorkers(count or os.cpu_count() or 1, begun.store.url)
    if count is not None:
        raise InputError("give either workers on this machine or a cluster.")
    from tfq_llm.studies.cluster import RayWorkers

    return RayWorkers(cluster, begun.store.url)


def _read(known: Path) -> str:
    try:
        return known.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the trial rows '{known}': {error}.") from error
