"""What shots on a noisy machine would have answered: the trained circuit with a machine's gate noise, on the engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import cirq
import numpy as np
import sympy
from scipy.special import softmax

from tfq_llm.circuits.noise import IONQ_ERROR_RATES, ionq_noise, noisy_circuit
from tfq_llm.exported import ModelFacts
from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError
from tfq_llm.serving.models import ServedModel
from tfq_llm.simulation.compiled.first_call import is_compiling
from tfq_llm.simulation.sampling.bitstrings import BitstringSampler

MACHINES = tuple(IONQ_ERROR_RATES)
MOST_SHOTS = 10_000
_MOST_WAITING = 8
_REPETITIONS = 1000
_PIECE_AMPLITUDES, _PIECE_SHOTS = 2**22, 64
"""Shots are measured in pieces: of so many amplitudes in all, but of so many shots at least."""
_LOOK_SECONDS = 0.2
"""How often a request looks whether the server stops, or the engine is being compiled."""
_COMPILING_SECONDS = 10
"""After which a request may be tried again that came while the engine was being compiled."""


@dataclass(frozen=True)
class Measured:
    """Shots of the circuit for one text.

    Attributes:
        outcomes: bits of the measured qubits, the first one first, with how often they were seen; most often first.
        values: expectation values [measured].
        errors: their standard errors [measured].
        probabilities: of the classes [classes].
        low, high: where 95 % of repetitions of these shots would lie [classes].
    """

    outcomes: tuple[tuple[str, int], ...]
    values: np.ndarray
    errors: np.ndarray
    probabilities: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Machines:
    """Runs circuits of models with the noise of machines, one at a time, in a thread of its own.

    A request whose deadline passes, or that the server's stop finds, is answered at once. Its work is given up, and so is that of
    a caller who hangs up: before it begins, before it measures, or between two pieces of its shots. What cannot be interrupted,
    so that later requests and the end of the process wait for it, is one piece, and preparing a circuit for the engine, which a
    version needs once for each machine. Nor can compiling the engine's kernels, once after an installation: the first request
    begins that, but no request waits for it. All that come meanwhile are told to try again.

    Args:
        is_stopping: whether the server is.
    """

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self._is_stopping = is_stopping
        self._thread = ThreadPoolExecutor(1, "shots")
        self._samplers: WeakKeyDictionary[ServedModel, dict[str, BitstringSampler]] = WeakKeyDictionary()
        self._waiting = 0

    async def measure(
        self, model: ServedModel, machine: str, angles: np.ndarray, shots: int, seed: int, deadline: float
    ) -> Measured:
        """Measures the circuit of a model.

        Args:
            model: whose circuit it is.
            machine: one of `MACHINES`, whose gate noise it has.
            angles: of the data [qubits], in radians, as the model puts them out.
            shots: how many, up to `MOST_SHOTS`.
            seed: decides all draws.
            deadline: in the seconds of `time.monotonic`.

        Raises:
            RequestError: too many wait (429), the server stops or the engine is being compiled (503), or it takes too long (504).
        """
        if self._waiting >= _MOST_WAITING:
            raise RequestError(errors.TOO_MANY, "too many wait for shots already: try again later.")
        given_up = threading.Event()

        def check() -> None:
            if given_up.is_set():
                raise asyncio.CancelledError
            self._check(deadline)

        run = asyncio.get_running_loop().run_in_executor
        future = run(self._thread, self._measure, model, machine, angles, shots, seed, check)
        self._waiting += 1
        try:
            while not future.done():
                self._check(deadline)
                if is_compiling():
                    raise _being_compiled()
                await asyncio.wait([future], timeout=min(_LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
            return future.result()
        finally:
            self._waiting -= 1
            given_up.set()
            future.cancel()  # if it has not begun, it never will

    def close(self) -> None:
        """Takes no more, begins nothing that waits, and ends the thread, as soon as it can be interrupted."""
        self._thread.shutdown(cancel_futures=True)

    def _check(self, deadline: float) -> None:
        """Raises RequestError if there is no use in going on."""
        if self._is_stopping():
            raise RequestError(errors.UNAVAILABLE, "the server is stopping.")
        if time.monotonic() >= deadline:
            raise RequestError(errors.DEADLINE, "the shots took too long: try again, with fewer.")

    def _measure(
        self, model: ServedModel, machine: str, angles: np.ndarray, shots: int, seed: int, check: Callable[[], None]
    ) -> Measured:
        """Runs in the thread; `check` raises once there is no use in going on."""
        check()
        sampler, found = self._sampler(model, machine), []
        size = max(_PIECE_SHOTS, _PIECE_AMPLITUDES >> model.facts.qubits)
        seeds = np.random.SeedSequence(seed).generate_state(-(-shots // size))
        for piece, piece_seed in enumerate(seeds.tolist()):
            check()
            found.append(next(sampler.counts(angles[None], min(size, shots - piece * size), piece_seed)))
        states, counts = map(np.concatenate, zip(*found, strict=True))
        return measured(model.facts, states, counts, np.random.default_rng(seed))

    def _sampler(self, model: ServedModel, machine: str) -> BitstringSampler:
        samplers = self._samplers.setdefault(model, {})
        if machine not in samplers:
            noisy = noisy_circuit(model.circuit, ionq_noise(machine))
            symbols = [sympy.Symbol(name) for name in model.facts.circuit.data_symbols]
            samplers[machine] = BitstringSampler(noisy, symbols, qubits=cirq.LineQubit.range(model.facts.qubits))
        return samplers[machine]


def _being_compiled() -> RequestError:
    reason = "the simulation is being compiled for this machine, which takes a minute or so the first time: try again then."
    return RequestError(errors.UNAVAILABLE, reason, _COMPILING_SECONDS)


def measured(facts: ModelFacts, states: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> Measured:
    """What follows from counts of basis states.

    Args:
        facts: of the model.
        states: [seen] of the whole register, the first qubit most significant; one may be there several times.
        counts: [seen].
        rng: draws the repetitions for the intervals: a bootstrap of the counts.
    """
    qubits = sorted({qubit for observable in facts.circuit.observables for qubit in observable})
    bits = (states[:, None] >> (facts.qubits - 1 - np.array(qubits))) & 1
    seen, place = np.unique(bits, axis=0, return_inverse=True)
    totals = np.bincount(place.reshape(-1), counts, len(seen)).astype(np.int64)
    signs = _signs(seen, qubits, facts.circuit.observables)
    shots = int(totals.sum())
    values = totals @ signs / shots
    repeated = _probabilities(facts, rng.multinomial(shots, totals / shots, _REPETITIONS) @ signs / shots)
    low, high = np.quantile(repeated, (0.025, 0.975), axis=0)
    order = np.argsort(-totals, kind="stable")
    outcomes = tuple(("".join(map(str, seen[index])), int(totals[index])) for index in order)
    return Measured(outcomes, values, np.sqrt((1 - values**2) / shots), _probabilities(facts, values), low, high)


def _signs(seen: np.ndarray, qubits: Sequence[int], observables: Sequence[Sequence[int]]) -> np.ndarray:
    """±1 of every observable for every outcome [seen, observables]."""
    columns = [[qubits.index(qubit) for qubit in observable] for observable in observables]
    return np.stack([(1 - 2 * seen[:, column]).prod(axis=1) for column in columns], axis=1)


def _probabilities(facts: ModelFacts, values: np.ndarray) -> np.ndarray:
    found: np.ndarray = softmax(values @ np.array(facts.logits.kernel) + np.array(facts.logits.bias), axis=-1)
    return found
