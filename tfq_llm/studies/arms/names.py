"""The names of the methods."""

from __future__ import annotations

QUANTUM = "quantum head"
PCA_AND_QPU = "PCA and QPU"
LINEAR_AND_QPU = "linear layer and QPU"
NO_QPU = "amplitude encoder alone"
ANGLE_SURROGATE = "surrogate of the angles"
QUANTUM_METHODS = (QUANTUM, PCA_AND_QPU, LINEAR_AND_QPU, NO_QPU)

LOGISTIC = "logistic regression"
SVC = "SVC"
NEIGHBOURS = "k nearest neighbours"
FOURIER = "random Fourier features"
SURROGATE = "classical surrogate"
MLP = "MLP"
PCA_MLP = "PCA MLP"
