"""What results say, and how sure: paired comparisons, verdicts, effects of a screening study, trends, power.

Everything takes plain arrays or a study's frame, and knows nothing of stores, TensorFlow or configurations but the verdict's
rule.
"""

from __future__ import annotations

from tfq_llm.studies.statistics.block_fit import Estimate, term_name
from tfq_llm.studies.statistics.comparisons import ArmScore, Comparison, Comparisons, compare_arms
from tfq_llm.studies.statistics.correction import holm
from tfq_llm.studies.statistics.effects import Effect, Effects, MeanAt, effects, screening
from tfq_llm.studies.statistics.intervals import Interval, mean_interval, two_level_interval
from tfq_llm.studies.statistics.mcnemar import McNemar, mcnemar
from tfq_llm.studies.statistics.paired import Paired, paired
from tfq_llm.studies.statistics.power import Power, power
from tfq_llm.studies.statistics.trend import LevelMean, Trend, trend
from tfq_llm.studies.statistics.verdict import Verdict, verdict

__all__ = [
    "ArmScore",
    "Comparison",
    "Comparisons",
    "Effect",
    "Effects",
    "Estimate",
    "Interval",
    "LevelMean",
    "McNemar",
    "MeanAt",
    "Paired",
    "Power",
    "Trend",
    "Verdict",
    "compare_arms",
    "effects",
    "holm",
    "mcnemar",
    "mean_interval",
    "paired",
    "power",
    "screening",
    "term_name",
    "trend",
    "two_level_interval",
    "verdict",
]
