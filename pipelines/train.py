"""The main job: heads on frozen embeddings, contrastive tuning, heads on tuned embeddings, joint training; one table."""

from __future__ import annotations

import logging
from pathlib import Path

from tfq_llm.config import Config
from tfq_llm.training.cluster import refuse_cluster
from tfq_llm.training.phases import TextJob, train_on_embeddings
from tfq_llm.training.run import RunDirectory

logger = logging.getLogger(__name__)


def train(config: Config, run_dir: Path) -> str:
    """Runs the phases that the configuration enables, or what is left of them, and returns the table as Markdown.

    The model that the run ends with is that of its last phase, never the one with the best test accuracy.

    Raises:
        InputError: TF_CONFIG names several workers, each of which would train everything; or as the phases raise it.
    """
    refuse_cluster("tfq-llm train")
    with RunDirectory.opened(run_dir, config) as run:
        if run.is_finished:
            logger.info("'%s' is a finished run: nothing is left to train.", run_dir)
        elif config.data.embeddings:
            train_on_embeddings(run, config, config.data.embeddings)
        else:
            _train_on_texts(run, config)
        run.clean()
        return run.table


def _train_on_texts(run: RunDirectory, config: Config) -> None:
    job, state = TextJob.prepared(run, config), "frozen"
    job.compare_heads(state)
    if config.tuning.enabled:
        job.tune()
        state = "tuned"
        job.compare_heads(state)
    if config.joint.enabled:
        job.train_jointly(start=state)
        state = "joint"
    job.finish(state)
