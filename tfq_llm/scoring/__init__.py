"""Batch scoring: files of any size through a trained model, in bounded memory, going on where a killed process was."""

from tfq_llm.scoring.job import Job, Summary, score

__all__ = ["Job", "Summary", "score"]
