"""The whole configuration of a run: what may be set, its default, and what goes together. No TensorFlow here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tfq_llm.execution import MAX_QUBITS, Executor, Gradient, Sampling, not_in_a_configuration, readout_errors
from tfq_llm.sections import Groups, Section, validated
from tfq_llm.yaml_settings import load_settings


class DataConfig(Section):
    """Which texts, and how they are divided."""

    name: str = Field("movie-reviews", description="a named set, a file, or a directory of train/dev/test .tsv")
    embeddings: str | None = Field(None, description="an .npz file of embeddings and labels to use in place of texts")
    text_column: str | None = Field(None, description="column of the texts in a .csv, .tsv or .jsonl; default: the obvious one")
    label_column: str | None = Field(None, description="column of the labels, likewise")
    protocol: Literal["few-shot", "given"] = Field(
        "few-shot", description="draw a few rows per class, or keep the set's own parts"
    )
    per_class: int = Field(256, ge=2, description="rows per class that training and validation share")
    validation_fraction: float = Field(0.15, gt=0, lt=1, description="share of them that validates")
    test_rows: int | None = Field(None, ge=2, description="score a stratified part of the test rows; all of them if not set")


class SentenceEncoderConfig(Section):
    """Which sentence encoder, see `tfq_llm.encoders.load`."""

    name: str = Field("minilm", description="minilm, a sentence-transformers directory, a SavedModel or a TF-Hub handle")
    max_tokens: int = Field(128, ge=3, le=512, description="how much of a text is read, special tokens included")
    preprocessor: str | None = Field(
        None, description="of a SavedModel that takes no strings: its preprocessor's directory or handle"
    )
    output_key: str | None = Field(None, description="of a SavedModel with several outputs: which one")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the matrix products; bfloat16 is faster where the processor has units for it, and not exact"
    )


class HeadConfig(Section):
    """The hybrid head: amplitude encoder, angle scaling, re-uploading PQC, one linear layer.

    Where the paper is silent the defaults are this project's choices; docs/design.md lists them.
    """

    num_qubits: int | None = Field(
        None, ge=2, le=MAX_QUBITS, description="default: the fewest that hold the embedding and its padding"
    )
    num_encoders: int = Field(1, ge=1, description="E, parallel amplitude encoders")
    encoder_layers: int = Field(6, ge=1, description="layers of the amplitude encoder's ansatz")
    encoder_connectivity: int | None = Field(None, ge=1, description="of the amplitude encoder; default: all to all")
    padding: Literal["constant", "zero"] = Field(
        "constant", description="of the free amplitudes: a constant in the first, or zeros"
    )
    padding_value: float = Field(3.0, description="that constant, beside an embedding of length 1")
    merge: Literal["average", "concatenate"] = Field("average", description="how E > 1 amplitude encoders become one output")
    trainable_gain: bool = Field(True, description="train the factor from ⟨Z⟩ to an angle, which starts at π")
    bias: bool = Field(True, description="train an offset of the angle, which starts at 0")
    reuploads: int = Field(2, ge=1, description="N")
    layers: int = Field(1, ge=1, description="layers of PQC 1")
    final_layers: int = Field(1, ge=1, description="layers of PQC 2")
    connectivity: int = Field(2, ge=1, description="C of PQC 1 and PQC 2")
    num_measured: int | None = Field(
        None, ge=1, description="Q_m; default: 1 for two classes as in the paper, all qubits for more"
    )
    entangling: bool = Field(True, description="False leaves all CNOTs out (ablation)")
    shared: bool = Field(True, description="False gives every block PQC 1 angles of its own (ablation)")
    executor: Annotated[Executor, BeforeValidator(not_in_a_configuration)] = Field(
        "compiled", description="what runs the circuits"
    )

    shots: int | None = Field(None, ge=1, description="measurements of the re-uploading circuit; default: exact values")
    trajectories: int | None = Field(None, ge=1, description="noisy circuits per sample, for noise without shots")
    noise: str = Field(
        "none", description="of the re-uploading circuit's gates: none, aria-1, forte-1, depolarizing:P1,P2[,per-qubit]"
    )
    readout_error: Annotated[float | tuple[float, float], BeforeValidator(readout_errors)] = Field(
        0.0, description="probability that a measured qubit is read wrongly, or two: 0 read as 1, 1 read as 0"
    )
    gradient: Gradient = Field("adjoint", description="of what is sampled")
    fixed: bool = Field(False, description="the same draws of shots and noise at every step")

    @model_validator(mode="after")
    def _samples(self) -> HeadConfig:
        sampling = Sampling(self.shots, self.trajectories, self.noise, self.readout_error, self.gradient, fixed=self.fixed)
        sampling.check_executor(self.executor)
        if self.executor == "tfq" and sampling.is_noisy:
            from tfq_llm.circuits.reuploading import reuploading_circuit
            from tfq_llm.circuits.tfq_support import check_tfq_runs

            # Any size of the circuit has the same kinds of gates and noise.
            ansatz = reuploading_circuit(2, connectivity=1, entangling=self.entangling)
            check_tfq_runs(sampling.noisy(ansatz.circuit, ansatz.qubits))
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> HeadConfig:
        if self.merge == "concatenate" and self.num_qubits is None and self.num_encoders > 1:
            raise ValueError("merge 'concatenate' needs num_qubits, the qubits of each amplitude encoder")
        if self.padding == "constant" and not (math.isfinite(self.padding_value) and self.padding_value):
            raise ValueError(
                f"padding_value is {self.padding_value}, but must be a finite number other than 0; for none: padding 'zero'"
            )
        if self.num_qubits is not None:
            if self.qpu_qubits(self.num_qubits) > MAX_QUBITS:
                raise ValueError(
                    f"the re-uploading circuit would have {self.qpu_qubits(self.num_qubits)} qubits; {MAX_QUBITS} is the most"
                )
            for name, value, qubits in (
                ("encoder_connectivity", self.encoder_connectivity, self.num_qubits),
                ("connectivity", self.connectivity, self.qpu_qubits(self.num_qubits)),
                ("num_measured", self.num_measured, self.qpu_qubits(self.num_qubits) + 1),
            ):
                if value is not None and value >= qubits:
                    raise ValueError(f"{name} is {value}, but must be below {qubits} for these numbers of qubits")
        return self

    def encoder_qubits(self, input_dim: int) -> int:
        """Qubits of each amplitude encoder: those set, or the fewest that hold an embedding and its padding."""
        return self.num_qubits or max(2, math.ceil(math.log2(input_dim + (self.padding == "constant"))))

    def qpu_qubits(self, encoder_qubits: int) -> int:
        """Qubits of the re-uploading circuit behind amplitude encoders of `encoder_qubits`."""
        return encoder_qubits * (self.num_encoders if self.merge == "concatenate" else 1)


class FitConfig(Section):
    """One call of `model.fit`: AdamW with cosine decay, early stopping on the validation loss."""

    epochs: int = Field(40, ge=1, description="at most; the cosine decay of the learning rate ends with them")
    batch_size: int = Field(32, ge=2, description="rows per step")
    learning_rate: float = Field(0.005, gt=0, description="at the start, of AdamW")
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    patience: int = Field(10, ge=1, description="epochs without a better validation loss before stopping")


class PhaseConfig(FitConfig):
    """A phase that can be left out."""

    enabled: bool = Field(True, description="false leaves the phase out")


class Config(Groups):
    """Everything that decides a run."""

    seed: int = Field(0, ge=0, lt=2**32, description="decides split, initial weights and the order of batches")
    data: DataConfig = Field(DataConfig(), description="Which texts, and how they are divided.")
    encoder: SentenceEncoderConfig = Field(SentenceEncoderConfig(), description="The sentence encoder.")
    head: HeadConfig = Field(HeadConfig(), description="The hybrid head.")
    tuning: PhaseConfig = Field(
        PhaseConfig(epochs=4, learning_rate=6e-5, weight_decay=0.01, patience=4),
        description="Phase 1: contrastive tuning of the sentence encoder.",
    )
    head_training: FitConfig = Field(FitConfig(), description="Phase 2: the quantum head on cached embeddings.")
    joint: PhaseConfig = Field(
        PhaseConfig(enabled=False, epochs=2, learning_rate=1e-5, weight_decay=0.01, patience=2),
        description="Phase 3: sentence encoder and quantum head together.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        if self.data.embeddings and (self.tuning.enabled or self.joint.enabled):
            raise ValueError(
                "data.embeddings are fixed vectors, so no sentence encoder can be trained: set tuning.enabled and "
                "joint.enabled to false"
            )
        return self


def load_config(path: Path | str, overrides: list[str] | tuple[str, ...] = ()) -> Config:
    """Reads and validates a YAML file.

    Args:
        path: the file.
        overrides: "section.key=value" each, as in `--set`.

    Raises:
        InputError: the file cannot be read, or some settings are wrong; the message names every one with its path.
    """
    return load_settings(Config, path, overrides, "data", "head")


def make_config(settings: Any, origin: str = "configuration") -> Config:
    """Validates a mapping of settings as a whole; raises InputError as `load_config`."""
    return validated(Config, settings, origin)


def without_paths(config: Config) -> Config:
    """The settings with only the last part of paths: what goes to others says nothing of this machine."""
    settings = config.model_dump()
    for section, key in (("data", "name"), ("data", "embeddings"), ("encoder", "name"), ("encoder", "preprocessor")):
        value = settings[section][key]
        if value is not None and Path(value).is_absolute():
            settings[section][key] = Path(value).name
    return make_config(settings)
