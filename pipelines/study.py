"""Runs what a study still lacks, and reports it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfq_llm.cache import write_text
from tfq_llm.errors import InputError
from tfq_llm.pipelines.report import report_of
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.driver import driving
from tfq_llm.studies.limits import Limits
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
    limits: Limits | None = None,
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
        limits: of every trial; CPUs and memory are for a cluster. Default: none.

    Returns:
        The report's beginning as Markdown, and how many trials failed.

    Raises:
        InputError: as `Study.begun`; another command runs the study; the CSV cannot be read or written; the store cannot any
            more; the cluster is not there, or limits are given that only a cluster has.
    """
    limits = limits or Limits()
    if cluster is None and (limits.cpus is not None or limits.memory is not None):
        raise InputError(
            "CPUs and memory per trial are set aside by a cluster (--cluster). On this machine a trial has one thread, and fewer "
            "workers (--workers) leave more memory to each."
        )
    if cluster is not None and workers is not None:
        raise InputError("give either workers on this machine or a cluster.")
    with driving(place) as still_ours:
        # A cluster that is not there is told before texts are embedded for it.
        with _workers(place, workers, cluster, limits) as running:
            begun = Study.begun(config, place, None if known is None else _read(known))
            if command is not None:
                begun.remember(command)
            logger.info("%s: %d trials in %d procedures", begun.store.url, begun.plan.size, len(begun.plan.procedures))
            monitor = Monitor(f"study {config.kind}", begun.plan.size)
            procedures = [make() for make in begun.plan.procedures]
            with _exported(begun, export):
                summary = run(procedures, begun.store, running, monitor, limits.retries, still_ours)
        failed = len(summary.failed)
        logger.info("%d trials run, %d found, %d failed, %.0f s", summary.done, summary.found, failed, summary.seconds)
        return report_of(begun), failed


def _workers(place: str, count: int | None, cluster: str | None, limits: Limits) -> Workers:
    if cluster is None:
        return LocalWorkers(count or os.cpu_count() or 1, place, timeout=limits.timeout)
    from tfq_llm.studies.cluster import RayWorkers

    return RayWorkers(
        cluster,
        place,
        cpus_per_trial=limits.cpus or 1.0,
        memory_per_trial=limits.memory,
        timeout=limits.timeout,
    )


@contextmanager
def _exported(begun: Study, file: Path | None) -> Iterator[None]:
    """Writes all trial rows at the end of a block, also when it is interrupted: what is finished can go on elsewhere."""
    try:
        yield
    except BaseException:
        try:
            _export(begun, file)
        except InputError as error:
            # It must not hide why the block ended.
            logger.warning("%s", error)
        raise
    _export(begun, file)


def _export(begun: Study, file: Path | None) -> None:
    if file is None:
        return
    rows = begun.store.export_rows()
    try:
        write_text(file, rows)
    except OSError as error:
        raise InputError(f"cannot write the trial rows '{file}' ({error.strerror or error}): name another file.") from error


def _read(known: Path) -> str:
    try:
        return known.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the trial rows '{known}': {error}.") from error
