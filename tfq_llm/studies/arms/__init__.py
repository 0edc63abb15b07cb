"""Arms of a study: heads with default settings and search spaces, and the methods that fit them."""

from tfq_llm.studies.arms.arm import Arm, FittedHead
from tfq_llm.studies.arms.catalog import arms
from tfq_llm.studies.arms.methods import METHODS, Method, fit, restored
from tfq_llm.studies.arms.space import Choice, Range, Space
from tfq_llm.studies.trial import Rows

__all__ = ["METHODS", "Arm", "Choice", "FittedHead", "Method", "Range", "Rows", "Space", "arms", "fit", "restored"]
