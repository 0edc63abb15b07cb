"""Studies whose results are drawn at random, with a seed: every kind, in the form that replay gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import cirq
import numpy as np
import pandas as pd

from tfq_llm.circuits.drawing import draw_svg
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.designs import two_level
from tfq_llm.studies.report import ReportInput
from tfq_llm.studies.report.input import COLUMNS
from tfq_llm.studies.verdict_rule import VerdictRule

ROWS = 400
QUANTUM = "quantum head"
ARMS = {
    QUANTUM: ("quantum", 0.858, 634),
    "quantum head, zero padding": ("quantum", 0.81, 634),
    "logistic regression": ("classical", 0.866, 769),
    "SVC, tuned": ("classical", 0.865, 412),
    "MLP 96": ("classical", 0.852, 74_018),
    "PCA and MLP of as many parameters": ("classical", 0.849, 630),
    "k-nearest neighbours": ("classical", 0.83, 0),
}
ABLATIONS = {
    QUANTUM: ("quantum", 0.858, 634),
    "no entanglement": ("ablation", 0.76, 634),
    "nearest neighbours only": ("ablation", 0.80, 154),
    "no re-uploading": ("ablation", 0.857, 634),
    "PCA for the amplitude encoder": ("ablation", 0.85, 114),
    "PQC frozen at random": ("ablation", 0.858, 574),
    "no QPU": ("ablation", 0.8585, 591),
}
# Enough for all 2⁸ signs of eight splits.
RULE = VerdictRule(resamples=300)


class Rows:
    """Collects rows of a frame, and what belongs to their trials."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.rows: list[dict[str, Any]] = []
        self.right: dict[str, np.ndarray] = {}
        self.confusion: dict[str, list[list[int]]] = {}
        self.calibration: dict[str, list[tuple[int, float, float]]] = {}
        self.costs: list[tuple[Any, ...]] = []
        self._hardness: dict[tuple[str, int], np.ndarray] = {}

    def add(
        self, arm: str, family: str, role: str, mean: float, split: int, *, state: str = "frozen", parameters: int = 634,
        settings: dict[str, Any] | None = None, candidate: int = 0, fold: int | None = None, init: int = 0,
        factors: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """One trial; rows of a split are hard or easy for all arms alike."""
        text = json.dumps(settings or {}, sort_keys=True)
        key = json.dumps([arm, role, split, state, text, candidate, fold, init, factors], default=str)
        name = f"trial-split{split}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        hardness = self._hardness.setdefault((state, split), self.rng.random(ROWS))
        right = hardness + self.rng.normal(0, 0.03, ROWS) < mean + self.rng.normal(0, 0.002)
        accuracy = float(right.mean())
        self.rows.append(
            {
                "arm": arm, "family": family, "role": role, "candidate": candidate, "state": state, "data": "d", "split": split,
                "fold": fold, "init": init, "method": arm, "settings": text,
                "scored_on": "test" if role == "final" else "validation", "accuracy": accuracy, "correct": int(right.sum()),
                "rows": ROWS, "macro_f1": accuracy - 0.001, "log_loss": 1 - accuracy, "parameters": parameters,
                "epochs": 30 if family == "quantum" else None, "trial": name,
                **{f"factor {factor}": value for factor, value in (factors or {}).items()},
            }
        )  # fmt: skip
        self.costs.append((name, 3.0 + split, 0.5, "node-1", "2026-11-24T00:00:00+00:00"))
        if role == "final":
            self.right[name] = right
            half = ROWS // 2
            good = int(right[:half].sum())
            self.confusion[name] = [[good, half - good], [half - int(right[half:].sum()), int(right[half:].sum())]]
            self.calibration[name] = [
                (60, 0.05 + 0.1 * place, min(1.0, max(0.0, accuracy - 0.9 + 0.1 * place))) if place > 4 else (0, 0.0, 0.0)
                for place in range(10)
            ]

    def study(self, kind: str, name: str = "Synthetic study", **more: Any) -> ReportInput:
        """What was collected as a report's input."""
        frame = pd.DataFrame(self.rows)
        columns = [*COLUMNS, *(column for column in frame.columns if column.startswith("factor "))]
        given: dict[str, Any] = {
            "rule": RULE,
            "expected": len(self.rows),
            "done": len(self.rows),
            "commands": (f"tfq-llm study {kind} --config study.yaml --workers 2", "tfq-llm report runs/study"),
            "versions": {"numpy": "2.0.2", "python": "3.11", "tfq-llm": "0.1.0"},
            "circuits": {QUANTUM: circuit()},
            "classes": ("negative", "positive"),
        }
        return ReportInput(
            name=name,
            kind=kind,  # type: ignore[arg-type]
            config=StudyConfig(kind=kind),  # type: ignore[arg-type]
            frame=frame.reindex(columns=columns).astype({"fold": "Int64", "epochs": "Int64"}),
            costs=pd.DataFrame(self.costs, columns=["trial", "fit_seconds", "score_seconds", "host", "finished"]),
            right=self.right,
            confusion=self.confusion,
            calibration=self.calibration,
            **{**given, **more},
        )


def circuit() -> str:
    """A drawing of a small circuit."""
    qubits = cirq.LineQubit.range(4)
    layers = [[cirq.CNOT(one, other), cirq.ry(0.3)(other)] for _ in range(5) for one, other in pairwise(qubits)]
    return draw_svg(cirq.Circuit(layers))


def compare(
    arms: dict[str, tuple[str, float, int]] | None = None, splits: int = 8, states: Iterable[str] = ("frozen",),
    candidates: int = 3, kind: str = "compare", seed: int = 0, **more: Any,
) -> ReportInput:  # fmt: skip
    """All arms with their candidates; tuned embeddings are 5 points better for all."""
    rows = Rows(seed)
    for state in states:
        for split in range(splits):
            for arm, (family, mean, parameters) in (arms or ARMS).items():
                mean = mean + 0.05 * (state == "tuned")
                _candidates(rows, arm, family, mean, split, state, parameters, candidates if family != "ablation" else 0)
                if kind != "tune":
                    chosen = {"rate": 0.001, "layers": 2}
                    rows.add(arm, family, "final", mean, split, state=state, parameters=parameters, settings=chosen)
    return rows.study(kind, **more)


def _candidates(rows: Rows, arm: str, family: str, mean: float, split: int, state: str, parameters: int, number: int) -> None:
    for candidate in range(number):
        for fold in range(2):
            settings = {"rate": 0.001 * (candidate + 1), "layers": 2}
            at = mean - 0.02 + 0.004 * candidate
            rows.add(arm, family, "candidate", at, split, state=state, parameters=parameters, settings=settings,
                     candidate=candidate, fold=fold)  # fmt: skip


def ablation(**more: Any) -> ReportInput:
    """The whole head and its ablations."""
    return compare(ABLATIONS, kind="ablation", **more)


def tune(**more: Any) -> ReportInput:
    """Candidates only."""
    return compare(kind="tune", candidates=6, **more)


def screen(splits: int = 4, **more: Any) -> ReportInput:
    """Six factors in 16 runs and two centre points; layers and padding matter, and interact."""
    design = two_level(
        {"encoder_layers": (2, 6), "encoder_connectivity": (2, 8), "padding_value": (1.0, 3.0), "reuploads": (1, 3),
         "connectivity": (1, 2), "learning_rate": (0.002, 0.01)},
        centre_points=2, log=["learning_rate"],
    )  # fmt: skip
    rows = Rows()
    for split in range(splits):
        for number, (run, coded) in enumerate(zip(design.runs, design.coded, strict=True)):
            mean = 0.8 + 0.02 * coded[0] + 0.03 * coded[2] + 0.01 * coded[0] * coded[2] - 0.01 * coded[5]
            for fold in range(2):
                rows.add(QUANTUM, "quantum", "design", mean, split, settings=run, fold=fold, factors={**run, "run": number})
    return rows.study("screen", design=design, **more)


def qubits(**more: Any) -> ReportInput:
    """More qubits are better for both arms, for they see more inputs."""
    rows = Rows()
    for split in range(8):
        for number in (4, 6, 8, 10):
            factors = {"qubits": number, "inputs": min(2**number - 1, 400)}
            rows.add(QUANTUM, "quantum", "final", 0.7 + 0.015 * number, split, factors=factors, parameters=60 * number)
            rows.add("logistic regression", "classical", "final", 0.72 + 0.0142 * number, split, factors=factors, parameters=400)
    return rows.study("qubits", **more)


def noise(**more: Any) -> ReportInput:
    """Noise-aware training gives back a part of what noise costs."""
    rows = Rows()
    for split in range(8):
        for train in ("none", "aria-1"):
            arm = "noise-blind" if train == "none" else f"trained under {train}"
            for step, test in enumerate(("none", "forte-1", "aria-1", "depolarizing:0.001,0.01", "depolarizing:0.003,0.03")):
                mean = 0.86 - 0.02 * step + (0.012 * step - 0.004 if train != "none" else 0)
                rows.add(arm, "quantum", "final", mean, split, factors={"train noise": train, "test noise": test})
        rows.add("logistic regression", "classical", "final", 0.866, split)
    return rows.study("noise", **more)


def noise_grid(**more: Any) -> ReportInput:
    """Training and scoring under every noise of a grid of p1 and p2, and under a machine's."""
    rows, grid = Rows(), [(p1, p2) for p1 in (0.001, 0.003) for p2 in (0.01, 0.03)]
    noises = {"none": 0.0, "aria-1": 0.3, **{f"depolarizing:{p1},{p2}": p1 / 0.003 + p2 / 0.03 for p1, p2 in grid}}
    for split in range(9):
        for train, trained in noises.items():
            arm = "noise-blind" if train == "none" else f"trained under {train}"
            for test, strength in noises.items():
                mean = 0.86 - 0.05 * strength + 0.02 * min(trained, strength)
                rows.add(arm, "quantum", "final", mean, split, factors={"train noise": train, "test noise": test})
    return rows.study("noise", **more)


def shots(**more: Any) -> ReportInput:
    """From 1,000 shots on there is no difference."""
    rows = Rows()
    for split in range(8):
        rows.add("trained exactly", "quantum", "final", 0.86, split, factors={"shots": None})
        for number in (10, 30, 100, 300, 1000, 10_000):
            rows.add("trained exactly", "quantum", "final", 0.86 - 0.5 / number**0.75, split, factors={"shots": number})
        for number in (10, 100, 1000):
            rows.add("trained with shots", "quantum", "final", 0.855 - 0.3 / number**0.75, split, factors={"shots": number})
    return rows.study("shots", **more)


STUDIES = {
    "compare": compare, "ablation": ablation, "tune": tune, "screen": screen, "qubits": qubits, "noise": noise, "shots": shots,
}  # fmt: skip
