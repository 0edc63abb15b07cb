"""Training: the phases as resumable `model.fit` calls, and the run directory that holds what they leave."""

from tfq_llm.training.cluster import Cluster
from tfq_llm.training.contrastive import contrastive_loss, tune_sentence_encoder
from tfq_llm.training.distributed import fit_distributed, join
from tfq_llm.training.fit import TrainingDivergedError, resumable_fit
from tfq_llm.training.rendezvous import WorkerLostError
from tfq_llm.training.run import RunDirectory
from tfq_llm.training.trained import TrainedModel, load_run

__all__ = [
    "Cluster",
    "RunDirectory",
    "TrainedModel",
    "TrainingDivergedError",
    "WorkerLostError",
    "contrastive_loss",
    "fit_distributed",
    "join",
    "load_run",
    "resumable_fit",
    "tune_sentence_encoder",
]
