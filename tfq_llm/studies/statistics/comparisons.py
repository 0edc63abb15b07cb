"""A study's arms beside its quantum arm: every one on the same splits, and the verdict against one that was to be beaten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.studies.statistics.correction import holm
from tfq_llm.studies.statistics.intervals import Interval, mean_interval
from tfq_llm.studies.statistics.mcnemar import McNemar, mcnemar
from tfq_llm.studies.statistics.paired import Paired, paired
from tfq_llm.studies.statistics.power import Power, power
from tfq_llm.studies.statistics.verdict import Verdict, verdict
from tfq_llm.studies.verdict_rule import BEST_CLASSICAL, VerdictRule


@dataclass(frozen=True)
class ArmScore:
    """An arm by itself, over its own splits.

    Attributes:
        arm: its name.
        family: "quantum", "classical" or "ablation".
        splits: with a final trial.
        accuracy: on test rows, a share: mean over splits of the mean over inits.
        sd: over splits, a share; None for one split.
        interval: bootstrap over splits, shares; None for one split.
        validation: mean over splits of the validation accuracy of the best candidate, a share; None without candidates.
    """

    arm: str
    family: str
    splits: int
    accuracy: float
    sd: float | None
    interval: Interval | None
    validation: float | None


@dataclass(frozen=True)
class Comparison:
    """The quantum arm beside another arm, on the splits that both have. Differences are quantum − other.

    Attributes:
        other: the other arm.
        family: its family, within which p values are corrected.
        common_splits: which.
        paired: the comparison.
        adjusted_p: after Holm's correction within the family; of the opponent, which is tested alone, p as it is.
        verdict: of the quantum arm.
        power: how many splits this comparison would need.
        mcnemar: on the test rows of each split; empty if it is not known which rows were right.
    """

    other: str
    family: str
    common_splits: tuple[int, ...]
    paired: Paired
    adjusted_p: float
    verdict: Verdict
    power: Power
    mcnemar: tuple[McNemar, ...]


@dataclass(frozen=True)
class Comparisons:
    """Everything beside the quantum arm, for one state of the embeddings.

    Attributes:
        quantum_arm: its name.
        scores: of all arms with final trials, in order of the frame.
        comparisons: with every other arm, in that order; families are "classical", "ablation" and "quantum" (its other forms).
        opponent: the arm that the rule names, or the classical arm with the best validation accuracy; None if there is none.
        level: other classical arms whose validation accuracy is the same; the opponent has the fewest parameters of them.
        overall: the verdict against the opponent; None if there is none.
    """

    quantum_arm: str
    scores: tuple[ArmScore, ...]
    comparisons: tuple[Comparison, ...]
    opponent: str | None
    level: tuple[str, ...]
    overall: Verdict | None

    def of(self, arm: str) -> Comparison:
        """The comparison with an arm."""
        return next(comparison for comparison in self.comparisons if comparison.other == arm)


def compare_arms(
    frame: pd.DataFrame,
    quantum_arm: str,
    rule: VerdictRule,
    right: Mapping[str, np.ndarray] | None = None,
    rows: Mapping[int, np.ndarray] | None = None,
    train_rows: int | None = None,
) -> Comparisons:
    """Pairs every other arm with the quantum arm and corrects p values in each family of arms.

    The opponent, `rule.against`, is one question that was asked beforehand, and is tested alone: corrected together with arms
    that were tried beside it, it would be the harder to answer the more of these there are. The best classical arm is chosen by
    validation accuracy alone: the best candidate of each split, averaged over splits. Choosing it by test accuracy would favour
    the classical arms, for the luckiest of many looks better than it is.

    Args:
        frame: of a study: its candidate and final trials for one state of the embeddings.
        quantum_arm: its name.
        rule: of the study.
        right: by name of a final trial, bool [test rows]: which were right. Then intervals allow for other test rows too.
        rows: by split, the numbers of its test rows in the data set; None: all splits are tested on the same rows.
        train_rows: of a split; for the test "corrected-t".

    Raises:
        InputError: no final trials, no such arm, no opponent of the name that the rule gives, embeddings of several states, an
            arm that shares no split or only one with the quantum arm, two final trials of the same split and init, or classical
            arms without candidates.
    """
    final = _final(frame, quantum_arm)
    arms = list(dict.fromkeys(final["arm"]))
    family = {str(arm): str(name) for arm, name in zip(final["arm"], final["family"], strict=True)}
    validation = _validation(frame)
    pairs = {arm: _Pair(final, quantum_arm, arm, right, rows, train_rows) for arm in arms if arm != quantum_arm}
    compared = {arm: pair.compared(rule) for arm, pair in pairs.items()}
    level = _opponents(rule, compared, family, final, validation)
    opponent = level[0] if level else None
    comparisons: dict[str, Comparison] = {}
    tested_with = {arm: "opponent" if arm == opponent else family[arm] for arm in compared}
    for name in dict.fromkeys(tested_with.values()):
        members = [arm for arm in compared if tested_with[arm] == name]
        for arm, adjusted in zip(members, holm([compared[arm].p for arm in members]), strict=True):
            assert adjusted is not None
            said = verdict(compared[arm], adjusted, rule, len(members), f"'{quantum_arm}'", f"'{arm}'")
            needed = power(compared[arm].sd, compared[arm].splits, rule, len(members), compared[arm].shared)
            tests = pairs[arm].mcnemar()
            comparisons[arm] = Comparison(arm, family[arm], pairs[arm].splits, compared[arm], adjusted, said, needed, tests)
    return Comparisons(
        quantum_arm,
        tuple(_score(arm, family[arm], final, validation, rule) for arm in arms),
        tuple(comparisons[arm] for arm in compared),
        opponent,
        tuple(level[1:]),
        None if opponent is None else comparisons[opponent].verdict,
    )


def _final(frame: pd.DataFrame, quantum_arm: str) -> pd.DataFrame:
    final = frame[frame["role"] == "final"]
    if final.empty:
        raise InputError("there are no final trials to compare: let the study finish its selection first.")
    states = sorted(set(final["state"]))
    if len(states) > 1:
        raise InputError(
            f"embeddings of different states ({', '.join(states)}) are compared one state at a time: give one of them."
        )
    arms = sorted(set(final["arm"]))
    if quantum_arm not in arms:
        raise InputError(
            f"'{quantum_arm}' has no final trials; arms that do: {', '.join(arms)}.{did_you_mean(quantum_arm, arms)}"
        )
    twice = final[final.duplicated(["arm", "split", "init"])]
    if not twice.empty:
        arm, split, init = twice.iloc[0][["arm", "split", "init"]]
        raise InputError(
            f"'{arm}' has several final trials of split {split} and init {init}: give the trials of one set of conditions."
        )
    return final


class _Pair:
    """Final trials of two arms on the splits that both have."""

    def __init__(
        self,
        final: pd.DataFrame,
        own: str,
        other: str,
        right: Mapping[str, np.ndarray] | None,
        rows: Mapping[int, np.ndarray] | None,
        train_rows: int | None,
    ) -> None:
        trials = [final[final["arm"] == arm].sort_values(["split", "init"]) for arm in (own, other)]
        self.splits = tuple(int(split) for split in sorted(set(trials[0]["split"]) & set(trials[1]["split"])))
        if not self.splits:
            raise InputError(f"'{own}' and '{other}' have no split in common: run both on the same splits.")
        if len(self.splits) < 2:
            raise InputError(
                f"'{own}' and '{other}' have one split in common, and a test needs several: run at least 2 splits, better 10."
            )
        self._own, self._other = ([of_arm[of_arm["split"] == split] for split in self.splits] for of_arm in trials)
        self._rows, self._train_rows = rows, train_rows
        self._right = right if right is not None and self._all_known(right) else None

    def _all_known(self, right: Mapping[str, np.ndarray]) -> bool:
        return all(trial in right for of_split in [*self._own, *self._other] for trial in of_split["trial"])

    def compared(self, rule: VerdictRule) -> Paired:
        return paired(
            np.array([of_split["accuracy"].mean() for of_split in self._own]),
            np.array([of_split["accuracy"].mean() for of_split in self._other]),
            rule,
            right_own=self._shares(self._own),
            right_other=self._shares(self._other),
            rows=None if self._rows is None else [self._rows[split] for split in self.splits],
            test_rows=round(float(np.mean([of_split["rows"].mean() for of_split in self._own]))),
            train_rows=self._train_rows,
        )

    def _shares(self, trials: Sequence[pd.DataFrame]) -> list[np.ndarray] | None:
        """For each split [test rows], the share of inits that got a row right."""
        if self._right is None:
            return None
        return [np.mean([self._right[trial] for trial in of_split["trial"]], axis=0) for of_split in trials]

    def mcnemar(self) -> tuple[McNemar, ...]:
        """Of the first init of each split."""
        if self._right is None:
            return ()
        first = [
            {split: self._right[of_split["trial"].iloc[0]] for split, of_split in zip(self.splits, trials, strict=True)}
            for trials in (self._own, self._other)
        ]
        return mcnemar(*first)


def _validation(frame: pd.DataFrame) -> pd.DataFrame:
    """[splits, arms], the best candidate's validation accuracy over folds and inits; NaN for an arm without candidates there."""
    candidates = frame[frame["role"] == "candidate"]
    of_candidate = candidates.groupby(["arm", "split", "candidate"])["accuracy"].mean()
    return of_candidate.groupby(["split", "arm"]).max().unstack()


def _opponents(
    rule: VerdictRule, compared: Mapping[str, Paired], family: Mapping[str, str], final: pd.DataFrame, validation: pd.DataFrame
) -> list[str]:
    """The opponent, and behind it classical arms that are level with it; none among ablations alone."""
    if all(family[arm] == "ablation" for arm in compared):
        return []
    if rule.against == BEST_CLASSICAL:
        classical = [arm for arm in compared if family[arm] == "classical"]
        return _best(classical, final, validation) if classical else []
    if rule.against not in compared:
        raise InputError(f"the rule compares with '{rule.against}', which has no final trials beside the quantum arm yet.")
    return [rule.against]


def _best(classical: Sequence[str], final: pd.DataFrame, validation: pd.DataFrame) -> list[str]:
    """The best, and those level with it, fewest parameters first.

    By the mean over the splits that all of them have, so that none gains by easier splits.
    """
    common = validation.reindex(columns=list(classical)).dropna()
    missing = [arm for arm in classical if arm not in validation] or (classical if common.empty else [])
    if missing:
        raise InputError(
            f"the best classical arm is chosen by validation accuracy, and {', '.join(missing)} have no candidates on the same "
            "splits: run the selection of every classical arm."
        )
    means = common.mean()
    level = [str(arm) for arm in means.index[np.isclose(means, means.max(), rtol=1e-9)]]
    parameters = final.groupby("arm")["parameters"].mean()
    return sorted(level, key=lambda arm: (parameters[arm], arm))


def _score(arm: str, family: str, final: pd.DataFrame, validation: pd.DataFrame, rule: VerdictRule) -> ArmScore:
    of_splits = final[final["arm"] == arm].groupby("split")["accuracy"].mean().to_numpy(np.float64)
    several = len(of_splits) > 1
    return ArmScore(
        arm,
        family,
        len(of_splits),
        float(of_splits.mean()),
        float(of_splits.std(ddof=1)) if several else None,
        mean_interval(of_splits, rule.alpha, rule.resamples, rule.seed) if several else None,
        float(validation[arm].mean()) if arm in validation else None,
    )
