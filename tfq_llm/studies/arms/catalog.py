"""All arms of a study, with their default settings and search spaces."""

from __future__ import annotations

from collections.abc import Iterator

from tfq_llm.checks import whole_number
from tfq_llm.config import FitConfig, HeadConfig
from tfq_llm.errors import InputError
from tfq_llm.studies.arms import names
from tfq_llm.studies.arms.ablations import ablations
from tfq_llm.studies.arms.arm import Arm
from tfq_llm.studies.arms.fourier import MOST_FEATURES, feature_count
from tfq_llm.studies.arms.parameters import hidden_units, perceptron_parameters, quantum_parameters
from tfq_llm.studies.arms.settings import (
    FourierSettings,
    LogisticSettings,
    MLPSettings,
    NeighboursSettings,
    PCAMLPSettings,
    QuantumSettings,
    SurrogateSettings,
    SVCSettings,
)
from tfq_llm.studies.arms.space import Choice, Range, Space
from tfq_llm.studies.trial import Scalar

LITERAL = "quantum head, literal"
PAPER_MLPS = (0, 48, 96, 144, 192)

_STRENGTH = Range(low=1e-2, high=1e4, log=True)
_GAMMA = Range(low=0.01, high=10.0, log=True)
# A perceptron with as many parameters as the quantum head may differ from it by this share.
_CLOSE = 0.03


def arms(head: HeadConfig, fit: FitConfig, input_dim: int, num_classes: int, per_split_train_rows: int) -> dict[str, Arm]:
    """All arms by name: the quantum heads, the classical heads, the ablations of the quantum head.

    Arms whose space is empty, such as the SVCs of the paper, have nothing to tune.

    Args:
        head: of the arm "quantum head".
        fit: of its training. Perceptrons have its epochs, batch size and patience, and a learning rate of their own.
        input_dim: dimensions of the embeddings.
        num_classes: of the task.
        per_split_train_rows: the fewest rows that an arm is trained on, in a fold or a split: neighbours and principal components
            are no more than that.

    Raises:
        InputError: a number is out of its range, or the head has two different readout errors.
    """
    whole_number("input_dim", input_dim, 1)
    whole_number("num_classes", num_classes, 2)
    whole_number("per_split_train_rows", per_split_train_rows, 2)
    whole = _quantum(names.QUANTUM, head, fit, input_dim, num_classes)
    budget = quantum_parameters(head, input_dim, num_classes)
    most = min(input_dim, per_split_train_rows)
    qubits = head.encoder_qubits(input_dim)
    found = [
        whole,
        _literal(head, fit, input_dim, num_classes),
        *_linear_and_kernel(per_split_train_rows),
        *(_mlp(hidden, fit) for hidden in PAPER_MLPS),
        _pca_mlp(fit, budget, qubits, num_classes, most),
        _surrogate(min(qubits, most), most, head.reuploads),
        *ablations(whole, input_dim),
    ]
    return {arm.name: arm for arm in found}


def _quantum(name: str, head: HeadConfig, fit: FitConfig, input_dim: int, num_classes: int) -> Arm:
    if isinstance(head.readout_error, tuple):
        raise InputError(f"a study takes one readout error for 0 and 1 alike, and the head has {head.readout_error}.")
    settings = QuantumSettings.model_validate({**head.model_dump(), **FitConfig.model_dump(fit)})
    return Arm(name, names.QUANTUM, "quantum", settings.model_dump(), _quantum_space(settings, input_dim, num_classes))


def _literal(head: HeadConfig, fit: FitConfig, input_dim: int, num_classes: int) -> Arm:
    """The paper read literally, with zeros for padding: two layers of connectivity 2, as its figure 2 draws them.

    Ten qubits and two classes make 134 parameters. Padding is no part of its search.
    """
    qubits = head.model_copy(update={"padding": "zero"}).encoder_qubits(input_dim)
    changes = {"padding": "zero", "encoder_layers": 2, "encoder_connectivity": min(2, qubits - 1)}
    return _quantum(LITERAL, HeadConfig.model_validate({**head.model_dump(), **changes}), fit, input_dim, num_classes)


def _quantum_space(settings: QuantumSettings, input_dim: int, num_classes: int) -> Space:
    """Ranges that take at most about twice the default's time, without two values that are the same head."""
    qubits = settings.head.encoder_qubits(input_dim)
    qpu_qubits = settings.head.qpu_qubits(qubits)
    space: dict[str, Range | Choice] = {
        **_training(settings, low=1e-3, high=2e-2),
        "encoder_layers": _choice(settings.encoder_layers, 2, 4, 6, 8),
        "encoder_connectivity": _choice(settings.encoder_connectivity, *_below(qubits - 1, 1, 2, 4), None),
        "reuploads": _choice(settings.reuploads, 1, 2, 3, 4),
        "layers": _choice(settings.layers, 1, 2),
        "connectivity": _choice(settings.connectivity, *_below(qpu_qubits, 1, 2, 4)),
    }
    if settings.padding == "constant" and settings.padding_value > 0:
        space["padding_value"] = _around(settings.padding_value, 1.0, 6.0)
    usual = 1 if num_classes == 2 else qpu_qubits
    others = {usual, qpu_qubits} - {settings.num_measured or usual}
    return {**space, "num_measured": _choice(settings.num_measured, *others)} if others else space


def _training(fit: FitConfig, low: float, high: float) -> dict[str, Range | Choice]:
    return {
        "learning_rate": _around(fit.learning_rate, low, high),
        "weight_decay": _choice(fit.weight_decay, 0.0, 1e-3, 1e-2, 1e-1, 1.0),
        "batch_size": _choice(fit.batch_size, 16, 32, 64),
    }


def _linear_and_kernel(rows: int) -> Iterator[Arm]:
    """Arms of scikit-learn on embeddings as they are."""
    yield Arm(names.LOGISTIC, names.LOGISTIC, "classical", LogisticSettings().model_dump(), {"C": _STRENGTH})
    for strength in (1.0, 100.0):
        yield Arm(f"SVC[C={strength:g}]", names.SVC, "classical", SVCSettings(C=strength).model_dump(), {})
    space: dict[str, Range | Choice] = {"C": Range(low=0.1, high=1e3, log=True), "gamma_factor": _GAMMA}
    yield Arm("SVC", names.SVC, "classical", SVCSettings().model_dump(), space)
    sizes = _choice(FourierSettings().components, 300, 1000, 3000)
    space = {"components": sizes, "gamma_factor": _GAMMA, "C": _STRENGTH}
    yield Arm(names.FOURIER, names.FOURIER, "classical", FourierSettings().model_dump(), space)
    most = min(50, rows)
    space = {
        "neighbours": Range(low=1, high=most, log=True, whole=True),
        "weights": Choice(values=("uniform", "distance")),
        "metric": Choice(values=("euclidean", "cosine")),
    }
    nearest = NeighboursSettings(neighbours=min(NeighboursSettings().neighbours, most))
    yield Arm(names.NEIGHBOURS, names.NEIGHBOURS, "classical", nearest.model_dump(), space)


def _mlp(hidden: int, fit: FitConfig) -> Arm:
    settings = MLPSettings.model_validate({**_own_rate(fit), "hidden": hidden})
    space = {**_training(settings, low=1e-4, high=3e-2), "standardise": Choice(values=(False, True))}
    return Arm(f"MLP[{hidden}]", names.MLP, "classical", settings.model_dump(), space)


def _pca_mlp(fit: FitConfig, budget: int, qubits: int, num_classes: int, most: int) -> Arm:
    """As many parameters as the quantum head, by default from about as many values as it has qubits."""
    sizes = _sizes(budget, qubits, num_classes, most)
    settings = PCAMLPSettings.model_validate({**_own_rate(fit), "components": sizes[0], "budget": budget})
    space = {**_training(settings, low=1e-4, high=3e-2), "components": _choice(sizes[0], *sizes)}
    return Arm(names.PCA_MLP, names.PCA_MLP, "classical", settings.model_dump(), space)


def _sizes(budget: int, qubits: int, num_classes: int, most: int) -> list[int]:
    """Numbers of components, each about twice the last, whose perceptron comes nearest to the budget."""

    def distance(components: int) -> float:
        hidden = hidden_units(budget, components, num_classes)
        return abs(perceptron_parameters(components, hidden, num_classes) / budget - 1)

    found = []
    for about in (qubits, 2 * qubits, 4 * qubits, 8 * qubits, 16 * qubits):
        near = [size for size in range(max(1, round(0.8 * about)), round(1.25 * about) + 1) if size <= most]
        best = min(near, key=lambda size: (distance(size), abs(size - about)), default=None)
        if best is not None and distance(best) <= _CLOSE and best not in found:
            found.append(best)
    return found or [min(range(1, most + 1), key=distance)]


def _surrogate(qubits: int, most: int, reuploads: int) -> Arm:
    """Angles, frequencies and orders of which every combination stays within the bound of features."""
    angles = [count for count in (qubits, 2 * qubits, 4 * qubits) if count <= most]
    highest = max(2, reuploads)
    orders = [order for order in (1, 2, 3) if feature_count(angles[-1], highest, order) <= MOST_FEATURES] or [1]
    settings = SurrogateSettings(qubits=qubits, reuploads=reuploads, order=min(2, orders[-1]))
    space: dict[str, Range | Choice] = {
        "qubits": _choice(qubits, *angles),
        "reuploads": _choice(reuploads, 1, 2),
        "order": _choice(settings.order, *orders),
        "spread": Range(low=0.1, high=1.0, log=True),
        "C": Range(low=1e-4, high=1e2, log=True),
    }
    return Arm(names.SURROGATE, names.SURROGATE, "classical", settings.model_dump(), space)


def _own_rate(fit: FitConfig) -> dict[str, int | float]:
    """A perceptron's training: by validation folds its rate is not that of angles in radians."""
    return {**FitConfig.model_dump(fit), "learning_rate": 3e-3}


def _choice(default: Scalar, *values: Scalar) -> Choice:
    """The values and the default, without repetition; numbers in order, None last."""
    numbers = sorted({value for value in (default, *values) if value is not None})
    return Choice(values=(*numbers, *([None] if None in (default, *values) else [])))


def _around(default: float, low: float, high: float) -> Range:
    """A logarithmic range that holds the default too."""
    return Range(low=min(low, default), high=max(high, default), log=True)


def _below(limit: int, *values: int) -> list[int]:
    return [value for value in values if value < limit]
