"""What an unfinished training is: weights, optimizer, best weights, early stopping, history; one file, replaced in one step."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tfq_llm.cache import atomic_file
from tfq_llm.errors import InputError

History = list[dict[str, float]]
Arrays = list[np.ndarray]


@dataclass
class TrainingState:
    """The state after the last finished epoch.

    Attributes:
        history: one record per finished epoch: its number from 1 on and its metrics.
        best_loss: least validation loss so far; `best` are the weights that had it.
        waited: epochs since then.
        stopped: early stopping has ended the training.
        diverged: "nan" or "inf" once the loss was that, else empty.
        seconds: spent in training, over all processes that took part.
    """

    history: History = field(default_factory=list)
    best_loss: float = math.inf
    waited: int = 0
    stopped: bool = False
    diverged: str = ""
    seconds: float = 0.0
    weights: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)
    best: Arrays = field(default_factory=list)

    @property
    def epochs_done(self) -> int:
        return len(self.history)

    def capture(self, model: tf.keras.Model) -> None:
        """Takes weights and optimizer from the model."""
        self.weights = model.get_weights()
        self.optimizer = [variable.numpy() for variable in model.optimizer.variables]

    def restore(self, model: tf.keras.Model) -> None:
        """Gives weights and optimizer to the model; a new state leaves it alone."""
        if self.weights:
            model.set_weights(self.weights)
            model.optimizer.build(model.trainable_variables)
            for variable, value in zip(model.optimizer.variables, self.optimizer, strict=True):
                variable.assign(value)

    def save(self, path: Path) -> None:
        """Writes the state to `path` in one step."""
        # The best weights are often the last ones, and a sentence encoder's are large: then they are written once.
        last_is_best = self.best is self.weights
        groups = {"weights": self.weights, "optimizer": self.optimizer, "best": [] if last_is_best else self.best}
        arrays = {f"{group}/{index:05d}": np.array(array) for group, found in groups.items() for index, array in enumerate(found)}
        facts = {"history": self.history, "best_loss": self.best_loss, "waited": self.waited}
        facts |= {"stopped": self.stopped, "diverged": self.diverged, "seconds": self.seconds}
        facts |= {"last_is_best": last_is_best}
        with atomic_file(path) as temporary:
            save_file(arrays, temporary, metadata={"state": json.dumps(facts)})

    @classmethod
    def load(cls, path: Path) -> TrainingState:
        """Reads a state; a new one if there is no file.

        Raises:
            InputError: the file is damaged.
        """
        if not path.exists():
            return cls()
        try:
            with safe_open(path, framework="numpy") as file:
                facts = json.loads(file.metadata()["state"])
                last_is_best = facts.pop("last_is_best")
                state = cls(**facts)
                for key in sorted(file.keys()):
                    getattr(state, key.split("/")[0]).append(file.get_tensor(key))
                if last_is_best:
                    state.best = state.weights
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"the training state '{path}' is damaged ({error}): delete it to train this phase anew.") from error
        return state
