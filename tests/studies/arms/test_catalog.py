"""The catalogue: complete settings, spaces that hold them, and what every ablation changes."""

from __future__ import annotations

import numpy as np
import pytest

from tfq_llm import InputError
from tfq_llm.config import FitConfig, HeadConfig
from tfq_llm.studies.arms import METHODS, Choice, Range, arms
from tfq_llm.studies.arms.parameters import hidden_units, perceptron_parameters, quantum_parameters
from tfq_llm.studies.arms.settings import QuantumSettings, checked_settings

HEADS = [
    (HeadConfig(), 768, 2, 435),
    (HeadConfig(encoder_layers=5, padding_value=9.0, reuploads=6, num_measured=3), 384, 3, 50),
    (HeadConfig(padding="zero", num_qubits=4, connectivity=1), 16, 2, 12),
    (HeadConfig(connectivity=1), 2, 2, 4),
]


@pytest.mark.parametrize(("head", "dim", "classes", "rows"), HEADS)
def test_settings_are_complete_and_lie_in_their_space(head, dim, classes, rows):
    for name, arm in arms(head, FitConfig(weight_decay=0.02), dim, classes, rows).items():
        assert arm.name == name
        checked_settings(arm.method, METHODS[arm.method].settings, arm.defaults)
        for setting, values in arm.space.items():
            default = arm.defaults[setting]
            if isinstance(values, Choice):
                assert default in values.values, (name, setting)
            else:
                assert values.low <= default <= values.high, (name, setting)
                assert not values.whole or isinstance(default, int), (name, setting)


@pytest.mark.parametrize(("head", "dim", "classes", "rows"), HEADS)
def test_every_corner_of_a_quantum_space_is_a_head(head, dim, classes, rows):
    """Of one setting at a time, as they are checked by one another only through the number of qubits."""
    for arm in arms(head, FitConfig(), dim, classes, rows).values():
        if METHODS[arm.method].is_quantum:
            for setting, values in arm.space.items():
                for value in values.values if isinstance(values, Choice) else (values.low, values.high):
                    settings = QuantumSettings(**arm.settings({setting: value}))
                    qubits = max(2, int(np.ceil(np.log2(dim + 1))))
                    assert HeadConfig(**settings.head.model_dump() | {"num_qubits": qubits}).num_qubits == qubits


def test_the_default_head_is_that_of_the_configuration():
    arm = arms(HeadConfig(), FitConfig(), 768, 2, 435)["quantum head"]
    expected = HeadConfig().model_dump() | FitConfig().model_dump() | {"qpu_trainable": True}
    assert dict(arm.defaults) == expected
    assert (arm.defaults["encoder_layers"], arm.defaults["padding_value"], arm.defaults["learning_rate"]) == (6, 3.0, 0.005)


def test_no_two_values_in_a_space_are_the_same_head():
    of_two, of_three = (arms(HeadConfig(), FitConfig(), 20, classes, 40)["quantum head"].space for classes in (2, 3))
    assert of_two["num_measured"].values == (5, None)
    assert "num_measured" not in of_three
    assert of_two["encoder_connectivity"].values == (1, 2, None)
    assert "padding_value" not in arms(HeadConfig(padding_value=-1.0), FitConfig(), 20, 2, 40)["quantum head"].space


def test_families_come_in_order():
    found = arms(HeadConfig(), FitConfig(), 768, 2, 435)
    families = [arm.family for arm in found.values()]
    assert families == sorted(families, key=["quantum", "classical", "ablation"].index)
    assert len([arm for arm in found.values() if not arm.space]) == 2  # the SVCs of the paper


def test_an_ablation_differs_in_what_it_takes_away_alone():
    found = arms(HeadConfig(), FitConfig(), 768, 2, 435)
    whole = found["quantum head"]
    ablations = [arm for arm in found.values() if arm.ablates == "quantum head"]
    assert len(ablations) == 10
    for arm in ablations:
        different = {name for name, value in arm.defaults.items() if value != whole.defaults.get(name)}
        assert different == set(arm.changes)
        assert different or arm.method != whole.method
        assert arm.settings({"learning_rate": 0.5}) == {**whole.defaults, "learning_rate": 0.5, **arm.changes}
        assert not set(arm.space) & set(arm.changes)
    assert "no re-uploading" not in arms(HeadConfig(reuploads=1), FitConfig(), 768, 2, 435)


def test_neighbours_alone_can_have_as_many_gates_and_parameters():
    deep = arms(HeadConfig(), FitConfig(), 768, 2, 435)["nearest neighbours with as many parameters"]
    assert (deep.defaults["encoder_layers"], deep.defaults["layers"]) == (54, 2)
    for chosen in ({}, {"encoder_layers": 4, "encoder_connectivity": 3, "layers": 2, "connectivity": 4}):
        whole, own = (QuantumSettings(**given).head for given in (QuantumSettings().model_dump() | chosen, deep.settings(chosen)))
        assert (own.encoder_connectivity, own.connectivity) == (1, 1)
        assert quantum_parameters(own, 768, 2) == quantum_parameters(whole, 768, 2)
    near = HeadConfig(encoder_connectivity=1, connectivity=1)
    assert not [name for name in arms(near, FitConfig(), 768, 2, 435) if "nearest neighbours" in name and "k nearest" not in name]


def test_without_padding_the_register_stays_as_it_is():
    found = arms(HeadConfig(), FitConfig(), 64, 2, 435)
    assert found["padding zero"].changes == {"padding": "zero", "num_qubits": 7}


@pytest.mark.parametrize(("head", "dim", "classes", "rows"), HEADS[:3])
def test_a_perceptron_on_components_is_as_large_as_the_quantum_head(head, dim, classes, rows):
    size = quantum_parameters(head, dim, classes)
    arm = arms(head, FitConfig(), dim, classes, rows)["PCA MLP"]
    for components in arm.space["components"].values:
        hidden = hidden_units(arm.defaults["budget"], components, classes)
        assert perceptron_parameters(components, hidden, classes) == pytest.approx(size, rel=0.03)
        assert components <= min(dim, rows)


def test_what_is_no_range_or_choice():
    with pytest.raises(ValueError, match="above 0 and below the high one"):
        Range(low=0.0, high=1.0, log=True)
    with pytest.raises(ValueError, match="whole numbers"):
        Range(low=0.5, high=2.0, whole=True)
    with pytest.raises(ValueError, match="different values"):
        Choice(values=(1, 2, 1))


def test_two_readout_errors_are_no_setting():
    with pytest.raises(InputError, match="one readout error"):
        arms(HeadConfig(readout_error=(0.1, 0.2), shots=10, gradient="spsa"), FitConfig(), 768, 2, 435)


def test_the_catalogue_loads_no_tensorflow(fresh_process):
    code = (
        "import sys\n"
        "from tfq_llm.config import FitConfig, HeadConfig\n"
        "from tfq_llm.studies.arms import arms\n"
        "arms(HeadConfig(), FitConfig(), 768, 2, 435)\n"
        "print('tensorflow' in sys.modules, 'cirq' in sys.modules)"
    )
    assert fresh_process(code).split() == ["False", "False"]
