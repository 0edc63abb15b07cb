"""What the plans are made of."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from tfq_llm.config import HeadConfig
from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.studies.arms import Arm, arms
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.desk import Desk
from tfq_llm.studies.search import num_candidates, select
from tfq_llm.studies.trial import Entry, Procedure, Settings, TrialResult


@dataclass(frozen=True)
class Step:
    """A procedure and how many entries it has."""

    procedure: Callable[[], Procedure]
    size: int


def all_arms(desk: Desk, head: HeadConfig | None = None) -> dict[str, Arm]:
    """Every arm at a desk by name, the configuration's own among them.

    Args:
        desk: where.
        head: of the arm "quantum head", if not the configuration's.

    Raises:
        InputError: an arm of the configuration begins with one that there is not, or sets what that one does not have.
    """
    config, draw = desk.config, desk.draw
    dim = desk.input_dim or draw.dim
    found = arms(head or config.head, config.fit, dim, draw.num_classes, desk.fewest_rows)
    for name, own in config.more_arms.items():
        if own.like not in found:
            raise InputError(f"more_arms.{name} is like '{own.like}', which is no arm.{did_you_mean(own.like, list(found))}")
        base = found[own.like]
        unknown = [key for key in own.settings if key not in base.defaults]
        if unknown:
            raise InputError(
                f"more_arms.{name} sets '{unknown[0]}', which '{own.like}' does not have."
                f"{did_you_mean(unknown[0], list(base.defaults))}"
            )
        space = {key: values for key, values in base.space.items() if key not in own.settings}
        found[name] = Arm(name, base.method, base.family, {**base.defaults, **own.settings}, space)
    return found


def chosen_arms(config: StudyConfig, found: dict[str, Arm]) -> list[Arm]:
    """Those that the configuration names, or all but ablations.

    Raises:
        InputError: there is no arm of a name.
    """
    for name in config.arms:
        if name not in found:
            raise InputError(f"there is no arm '{name}'.{did_you_mean(name, list(found))} There are: {', '.join(found)}.")
    return [found[name] for name in config.arms] or [arm for arm in found.values() if arm.family != "ablation"]


def quantum_arm(config: StudyConfig, found: Mapping[str, Arm]) -> Arm:
    """The quantum arm that the rule names.

    Raises:
        InputError: there is no arm of that name, or it is not quantum.
    """
    name = config.verdict.quantum
    quantum = [arm.name for arm in found.values() if arm.family == "quantum"]
    if name not in quantum:
        what = f"of the family {found[name].family}" if name in found else "no arm"
        raise InputError(
            f"verdict.quantum is '{name}', which is {what}.{did_you_mean(name, quantum)} Quantum arms here: {', '.join(quantum)}."
        )
    return found[name]


def selection_size(desk: Desk, arm: Arm) -> int:
    """How many entries choosing an arm's settings has."""
    return num_candidates(arm, desk.config.selection) * len(desk.fold_numbers)


def chosen_settings(desk: Desk, arm: Arm) -> Generator[list[Entry], list[TrialResult | None], Settings | None]:
    """An arm's settings at a draw: the best candidate; None if none could be scored.

    An arm without a choice is scored on the validation rows all the same, for arms are compared by them before any test row is.
    """
    found = yield from select(arm, lambda settings: desk.folds(arm, settings), desk.config.selection, desk.draw.split)
    return found and found[0]


def at_once(entries: Sequence[Entry]) -> Step:
    """Entries that need no other's results."""

    def procedure() -> Procedure:
        yield list(entries)

    return Step(procedure, len(entries))
