"""Quantum jumps: noise such as amplitude damping, whose operators strike with probabilities that depend on the state.

The program is cut at such sites. Between them it runs as any other; at a site every sample's state decides what strikes it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tfq_llm.simulation.compiled.runner import Batch, Runner
from tfq_llm.simulation.program import Gate, Program


class JumpRunner:
    """Final states of a program with jump sites, each sample along a trajectory of its own."""

    def __init__(self, program: Program, dtype: type[np.generic]) -> None:
        self._num_qubits, self._dtype = program.num_qubits, dtype
        self._parts: list[Runner | Gate] = []
        gates: list[Gate] = []
        for gate in (*program.gates, None):
            if gate is not None and not _is_jump(gate, program):
                gates.append(gate)
                continue
            if gates:
                self._parts.append(Runner(replace(program, gates=tuple(gates)), (), dtype))
                gates = []
            if gate is not None:
                self._parts.append(gate)

    def final_states(self, batch: Batch, rng: np.random.Generator) -> np.ndarray:
        """Normalised amplitudes [samples, 2^n]."""
        states = batch.initial_state
        if states is None:
            states = np.zeros([len(batch), 2**self._num_qubits], self._dtype)
            states[:, 0] = 1
        for part in self._parts:
            if isinstance(part, Runner):
                states = part.final_states(replace(batch, initial_state=states))
            else:
                states = self._jump(states, part, rng)
        return states

    def _jump(self, states: np.ndarray, gate: Gate, rng: np.random.Generator) -> np.ndarray:
        """One operator K of the site on every state ψ, drawn with probability |Kψ|², and normalised."""
        axes = [1 + qubit for qubit in gate.qubits]
        split = states.reshape(len(states), *[2] * self._num_qubits)
        front = np.moveaxis(split, axes, range(1, 1 + len(axes)))
        flat = front.reshape(len(states), 2 ** len(axes), -1)
        operators: np.ndarray = (
            gate.cosine.astype(self._dtype) if np.iscomplexobj(states) else gate.cosine.real.astype(self._dtype)
        )
        density = np.einsum("sir,sjr->sij", flat, flat.conj())
        chances = np.einsum("kai,sij,kaj->sk", operators, density, operators.conj()).real.astype(float)
        ends = np.cumsum(chances, axis=1)
        chosen = (rng.random([len(states), 1]) * ends[:, -1:] >= ends[:, :-1]).sum(axis=1)
        moved = np.einsum("sai,sir->sar", operators[chosen], flat)
        moved /= np.sqrt(chances[np.arange(len(states)), chosen])[:, None, None].astype(moved.real.dtype)
        back = np.moveaxis(moved.reshape(front.shape), range(1, 1 + len(axes)), axes)
        return np.ascontiguousarray(back).reshape(states.shape)


def _is_jump(gate: Gate, program: Program) -> bool:
    return gate.source == "noise" and program.sites[gate.index].probabilities is None
