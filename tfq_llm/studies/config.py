"""The whole configuration of a study: what is compared, on which rows, and the rule for its verdict. No TensorFlow here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import Field, model_validator

from tfq_llm.config import FitConfig, HeadConfig, PhaseConfig, SentenceEncoderConfig
from tfq_llm.errors import InputError
from tfq_llm.execution import MAX_QUBITS
from tfq_llm.sections import Groups, Section, validated
from tfq_llm.studies.verdict_rule import VerdictRule
from tfq_llm.yaml_settings import from_overrides, load_settings, read_yaml

T = TypeVar("T")
Several = Annotated[tuple[T, ...], Field(strict=False)]
"""A list in YAML."""

TUNING = PhaseConfig(epochs=4, learning_rate=6e-5, weight_decay=0.01, patience=4)
Probability: TypeAlias = Annotated[float, Field(ge=0, le=1)]

MOST_INITS = 1000
"""Initialisations of split s have the seeds s · 1,000 and what follows."""

Level: TypeAlias = "int | float | str | bool"
Kind = Literal["screen", "qubits", "ablation", "noise", "shots", "compare", "tune"]


class TextsConfig(Section):
    """Which texts, and which of them are drawn."""

    name: str = Field("movie-reviews", description="a named set, a file, or a directory of train/dev/test .tsv")
    text_column: str | None = Field(None, description="column of the texts in a .csv, .tsv or .jsonl; default: the obvious one")
    label_column: str | None = Field(None, description="column of the labels, likewise")
    per_class: int = Field(256, ge=2, description="rows per class that are drawn, to train and to validate")
    validation_fraction: float = Field(0.15, gt=0, lt=1, description="share of them that validates when nothing is selected")


class StudyDataConfig(TextsConfig):
    """Which rows are drawn from, and in which states of the sentence encoder they are embedded."""

    embeddings: Several[str] = Field(
        (), description=".npz files in place of texts: one for all splits, or files that bind their rows, one for each split"
    )
    states: Several[Literal["frozen", "tuned"]] = Field(
        ("frozen",), description="of the sentence encoder; each is a table of its own"
    )
    test: str | None = Field(None, description="a set of texts to score on, if not the rows that are not drawn")
    test_rows: int | None = Field(None, ge=2, description="score a stratified part of the test rows; all of them if not set")


class SelectionConfig(Section):
    """How every arm's settings are chosen: on each split anew, by validation folds of the drawn rows, the same for all arms."""

    candidates: int = Field(8, ge=1, description="settings tried for each arm and split, the arm's default first; 1: no search")
    folds: int = Field(3, ge=1, description="of cross-validation on the drawn rows; 1: the split's own validation rows")
    sampler: Literal["tpe", "random"] = Field("tpe", description="of candidates, by Optuna")
    batch: int = Field(4, ge=1, description="candidates that are asked for at once")


class ScreenConfig(Section):
    """A two-level design over settings of the quantum head, scored on validation folds."""

    factors: dict[str, Annotated[tuple[Level, Level], Field(strict=False)]] = Field(
        {
            "encoder_layers": (2, 6),
            "encoder_connectivity": (2, 8),
            "padding_value": (1.0, 3.0),
            "reuploads": (1, 3),
            "connectivity": (1, 2),
            "learning_rate": (0.002, 0.01),
        },
        description="low and high level of each setting of the head or its training",
    )
    log: Several[str] = Field(("learning_rate",), description="factors whose centre is the geometric mean")
    design: Literal["fractional-factorial", "plackett-burman", "full-factorial"] = Field(
        "fractional-factorial", description="of the runs"
    )
    resolution: int | None = Field(
        None,
        ge=3,
        description="of a fractional factorial; default: 4, which keeps main effects apart from pairs, or what runs allow",
    )
    runs: int | None = Field(None, ge=4, description="of the design, without centre points; default: as few as will do")
    centre_points: int = Field(2, ge=0, description="runs at the centre, to see curvature")


class QubitsConfig(Section):
    """Accuracy against the number of qubits."""

    qubits: Several[int] = Field(
        (4, 6, 8, 10, 12, 14, 16, 18), description="of amplitude encoder and re-uploading circuit, run in this order"
    )
    inputs: Literal["fixed", "growing"] = Field(
        "growing", description="principal components: as many as the fewest qubits hold, or as many as each number holds"
    )


class NoiseConfig(Section):
    """Training and scoring under gate noise, each combination an arm of its own."""

    train: Several[str] = Field(("none", "aria-1"), description="noise to train under; none is noise-blind")
    test: Several[str] = Field(
        ("none", "forte-1", "aria-1", "depolarizing:0.001,0.01", "depolarizing:0.003,0.03"), description="noise to score under"
    )
    p1: Several[Probability] = Field((), description="of a grid: probabilities of depolarizing after a one-qubit gate")
    p2: Several[Probability] = Field((), description="of the grid: after a two-qubit gate; each p1 with each p2 is a noise")
    grid: Several[Literal["train", "test"]] = Field(("test",), description="what the grid is added to")
    trajectories: int = Field(8, ge=1, description="noisy circuits for each sample and step of training")
    test_trajectories: int = Field(64, ge=1, description="noisy circuits for each scored row")

    @model_validator(mode="after")
    def _fits_together(self) -> NoiseConfig:
        if bool(self.p1) != bool(self.p2):
            raise ValueError("noise.p1 and noise.p2 make a grid together: give both or none")
        return self

    @property
    def trained(self) -> tuple[str, ...]:
        """All that is trained under, each once."""
        return self._with_grid(self.train, "train")

    @property
    def scored(self) -> tuple[str, ...]:
        """All that is scored under, each once."""
        return self._with_grid(self.test, "test")

    def _with_grid(self, named: tuple[str, ...], part: Literal["train", "test"]) -> tuple[str, ...]:
        grid = [f"depolarizing:{p1},{p2}" for p1 in self.p1 for p2 in self.p2] if part in self.grid else []
        return tuple(dict.fromkeys([*named, *grid]))


class ShotsConfig(Section):
    """Training and scoring with a finite number of shots."""

    shots: Several[int] = Field((10, 30, 100, 300, 1000, 10_000), description="of scoring, after exact training")
    train_shots: Several[int] = Field((10, 100, 1000, 10_000), description="of training and scoring alike")
    gradient: Literal["adjoint", "parameter-shift", "spsa"] = Field("parameter-shift", description="of training with shots")


class ArmConfig(Section):
    """An arm of one's own: another arm with other settings."""

    like: str = Field(description="the arm it begins with")
    settings: dict[str, str | int | float | bool | None] = Field({}, description="what differs")


class StudyConfig(Groups):
    """Everything that decides a study."""

    kind: Kind = Field(description="what is studied")
    data: StudyDataConfig = Field(StudyDataConfig(), description="Which rows, and their embeddings.")
    encoder: SentenceEncoderConfig = Field(SentenceEncoderConfig(), description="The sentence encoder.")
    tuning: PhaseConfig = Field(TUNING, description="Contrastive tuning of the sentence encoder, for the state tuned.")
    head: HeadConfig = Field(HeadConfig(), description="The quantum head where nothing else is said.")
    fit: FitConfig = Field(FitConfig(), description="Its training.")
    splits: int = Field(10, ge=1, description="how many draws of rows")
    first_split: int = Field(0, ge=0, description="seed of the first of them; the others follow")
    inits: int = Field(
        1, ge=1, le=MOST_INITS, description="initialisations on each split: of each finished arm, or of each run of a screening"
    )
    selection: SelectionConfig = Field(SelectionConfig(), description="How settings are chosen.")
    arms: Several[str] = Field((), description="of compare and tune, by name; default: all but ablations")
    more_arms: dict[str, ArmConfig] = Field({}, description="arms of one's own, by name")
    screen: ScreenConfig = Field(ScreenConfig(), description="The screening design.")
    qubits: QubitsConfig = Field(QubitsConfig(), description="The study of the number of qubits.")
    noise: NoiseConfig = Field(NoiseConfig(), description="The study of noise.")
    shots: ShotsConfig = Field(ShotsConfig(), description="The study of shots.")
    verdict: VerdictRule = Field(VerdictRule(), description="The rule by which the report decides.")

    @model_validator(mode="after")
    def _fits_together(self) -> StudyConfig:
        bad = [str(qubits) for qubits in self.qubits.qubits if not 2 <= qubits <= MAX_QUBITS]
        if bad:
            raise ValueError(f"qubits.qubits has {', '.join(bad)}, but must be from 2 to {MAX_QUBITS}")
        known = {*HeadConfig.model_fields, *FitConfig.model_fields}
        unknown = [name for name in self.screen.factors if name not in known]
        if unknown:
            raise ValueError(f"screen.factors has {', '.join(unknown)}, which no setting of the head or its training is called")
        if self.data.embeddings and (self.data.test or len(self.data.states) > 1 or self.data.states[0] != "frozen"):
            raise ValueError("data.embeddings are fixed vectors: leave out data.test and data.states")
        if len(set(self.data.states)) < len(self.data.states) or not self.data.states:
            raise ValueError("data.states must have each state once, and one at least")
        if not self.data.embeddings and "tuned" in self.data.states and not self.tuning.enabled:
            raise ValueError("the state tuned needs tuning.enabled")
        return self

    @property
    def split_seeds(self) -> range:
        """Seeds of the splits."""
        return range(self.first_split, self.first_split + self.splits)


class EmbeddingsConfig(Groups):
    """Everything that decides a file of embeddings."""

    data: TextsConfig = Field(TextsConfig(), description="Which texts, and which rows are drawn for tuning.")
    encoder: SentenceEncoderConfig = Field(SentenceEncoderConfig(), description="The sentence encoder.")
    tuning: PhaseConfig = Field(
        TUNING.model_copy(update={"enabled": False}), description="Contrastive tuning; without it the sentence encoder is frozen."
    )
    split: int = Field(0, ge=0, description="seed of the draw that is tuned on, as in a study")


def load_study_config(path: Path | str, overrides: list[str] | tuple[str, ...] = (), kind: Kind | None = None) -> StudyConfig:
    """Reads and validates a YAML file.

    Args:
        path: the file.
        overrides: "section.key=value" each, as in `--set`.
        kind: that is to be run. A file that does not say its kind is of this one.

    Raises:
        InputError: the file cannot be read, or is of another kind, or some settings are wrong; the message names every one with
            its path.
    """
    sections = ("data", "verdict")
    unsaid = [] if kind is None or "kind" in read_yaml(path, *sections) else [f"kind={kind}"]
    config = load_settings(StudyConfig, path, [*unsaid, *overrides], *sections)
    if kind not in (None, config.kind):
        raise InputError(
            f"the configuration '{path}' is of the study '{config.kind}', and '{kind}' was to be run: give the command "
            f"'tfq-llm study {config.kind}' with it, or another configuration."
        )
    return config


def make_embeddings_config(overrides: list[str] | tuple[str, ...] = ()) -> EmbeddingsConfig:
    """The defaults with overrides, "section.key=value" each; raises InputError as `load_study_config`."""
    return from_overrides(EmbeddingsConfig, overrides, "the settings of embed")


def make_study_config(settings: Any, origin: str = "study") -> StudyConfig:
    """Validates a mapping of settings as a whole; raises InputError as `load_study_config`."""
    return validated(StudyConfig, settings, origin)
