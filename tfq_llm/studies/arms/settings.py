"""The settings of every method. No TensorFlow here."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import Field

from tfq_llm.config import FitConfig, HeadConfig
from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.sections import Section, validated
from tfq_llm.studies.trial import Settings


class QuantumSettings(HeadConfig, FitConfig):
    """The hybrid head and its training, flat; parts that a method replaces leave theirs without effect."""

    readout_error: float = Field(0.0, ge=0, le=1, description="probability that a measured qubit is read wrongly")
    qpu_trainable: bool = Field(True, description="False leaves the angles of PQC 1 and PQC 2 as they were drawn (ablation)")

    @property
    def head(self) -> HeadConfig:
        """The fields of the head alone."""
        return HeadConfig.model_validate(self.model_dump(include=set(HeadConfig.model_fields)))

    @property
    def fit(self) -> FitConfig:
        """The fields of the training alone."""
        return fit_config(self)


class AngleSurrogateSettings(QuantumSettings):
    """A trained quantum head whose re-uploading circuit is replaced by logistic regression on Fourier features of its angles."""

    order: int = Field(2, ge=1, description="the most that the absolute frequencies of a feature add up to")
    C: float = Field(1.0, gt=0, description="inverse strength of the ridge")


class LogisticSettings(Section):
    """Logistic regression."""

    C: float = Field(1.0, gt=0, description="inverse strength of the ridge")


class SVCSettings(Section):
    """A support vector machine with a Gaussian kernel."""

    C: float = Field(1.0, gt=0, description="inverse strength of the regularisation")
    gamma_factor: float = Field(1.0, gt=0, description="the kernel's gamma, in units of 1 / (dim · variance of the embeddings)")


class NeighboursSettings(Section):
    """k nearest neighbours."""

    neighbours: int = Field(21, ge=1, description="k")
    weights: Literal["uniform", "distance"] = Field("uniform", description="whether the near ones count more")
    metric: Literal["euclidean", "cosine"] = Field("euclidean", description="what is near")


class FourierSettings(Section):
    """Logistic regression on random Fourier features of a Gaussian kernel."""

    components: int = Field(1000, ge=1, description="random features")
    gamma_factor: float = Field(0.1, gt=0, description="the kernel's gamma, in units of 1 / (dim · variance of the embeddings)")
    C: float = Field(10.0, gt=0, description="inverse strength of the ridge")


class SurrogateSettings(Section):
    """Logistic regression on the Fourier features that a re-uploading circuit has."""

    qubits: int = Field(10, ge=1, description="angles: so many principal components")
    reuploads: int = Field(2, ge=1, description="N: the highest frequency of an angle")
    order: int = Field(2, ge=1, description="the most that the absolute frequencies of a feature add up to")
    spread: float = Field(0.3, gt=0, description="the largest angle among the training rows, in units of π")
    C: float = Field(0.1, gt=0, description="inverse strength of the ridge")


class MLPSettings(FitConfig):
    """A multi-layer perceptron."""

    hidden: int = Field(48, ge=0, description="units of the one hidden layer; 0 for none")
    standardise: bool = Field(False, description="scale every dimension to mean 0 and variance 1 on the training rows")


class PCAMLPSettings(FitConfig):
    """Principal components, and a multi-layer perceptron with a given number of parameters."""

    components: int = Field(10, ge=1, description="principal components, each scaled to variance 1")
    budget: int = Field(634, ge=1, description="parameters; the hidden layer gets as many units as come nearest")


_Settings = TypeVar("_Settings", bound=Section)


def checked_settings(method: str, kind: type[_Settings], settings: Settings) -> _Settings:
    """The settings of a method as a section.

    Raises:
        InputError: a setting is unknown, missing or wrong; the message names every wrong one.
    """
    known = list(kind.model_fields)
    for name in settings:
        if name not in known:
            raise InputError(f"the method '{method}' has no setting '{name}'.{did_you_mean(name, known)}")
    missing = [name for name in known if name not in settings]
    if missing:
        raise InputError(f"the method '{method}' needs all of its settings, and there is no {', '.join(missing)}.")
    return validated(kind, dict(settings), f"'{method}'")


def fit_config(settings: FitConfig) -> FitConfig:
    """The fields of the training alone."""
    return FitConfig.model_validate(settings.model_dump(include=set(FitConfig.model_fields)))
