"""A trial's values name its result, and nothing else does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from tfq_llm.studies.trial import Trial, TrialResult, packed

VALUES = {
    "data": "d" * 16,
    "per_class": 256,
    "validation_fraction": 0.15,
    "test_rows": 100,
    "split": 3,
    "method": "SVC",
    "settings": {"C": 5.0, "gamma_factor": 1.0},
    "scored_on": "test",
}


def trial(**changes: object) -> Trial:
    return Trial.model_validate({**VALUES, **changes})


def test_equal_values_are_one_trial_whatever_their_order():
    other = trial(settings={"gamma_factor": 1.0, "C": 5.0})
    assert other.name == trial().name
    assert trial().name.startswith("svc-split3-test-init0-")


@pytest.mark.parametrize(
    "change",
    [
        {"split": 4},
        {"init": 1},
        {"settings": {"C": 6.0, "gamma_factor": 1.0}},
        {"input_dim": 3},
        {"conditions": {"shots": 5}},
    ],
)
def test_every_value_counts(change):
    assert trial(**change).name != trial().name


def test_what_is_trained_does_not_depend_on_where_it_is_scored():
    assert trial(conditions={"shots": 10}).training_name == trial(test_rows=None).training_name
    assert trial(split=4).training_name != trial().training_name


def test_a_trial_survives_json():
    folded = trial(scored_on="validation", folds=3, fold=2)
    assert Trial.model_validate_json(json.dumps(folded.model_dump(mode="json"))) == folded


@pytest.mark.parametrize("change", [{"folds": 3, "fold": 3, "scored_on": "validation"}, {"folds": 3, "fold": 0}])
def test_a_fold_is_one_of_them_and_never_scored_on_test_rows(change):
    with pytest.raises(ValidationError, match="fold"):
        trial(**change)


def test_predictions_come_back():
    predicted = np.random.default_rng(0).integers(0, 3, 1000)
    values = dict.fromkeys(("accuracy", "correct", "rows", "macro_f1", "parameters"), 0)
    cost = {"fit_seconds": 0.0, "score_seconds": 0.0, "host": "h", "finished": "now"}
    rest = {"log_loss": None, "epochs": None, "confusion": (), "calibration": None, "versions": "", "cost": cost}
    result = TrialResult.model_validate(
        {**values, **rest, "accuracy": 0.0, "macro_f1": 0.0, "trial": trial(), "predictions": packed(predicted)}
    )
    np.testing.assert_array_equal(result.predicted(), predicted)
