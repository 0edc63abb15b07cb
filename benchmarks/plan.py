"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Sizes of the measurements.

    Attributes:
        tfq_qubits, batches: the grid on which the engine is held against TensorFlow Quantum.
        peer_qubits: with the same batches, the grid on which it is held against the peers.
        rounds, burst: how many turns every program has, and how many seconds each (at least one call).
        trajectories, shots: of a noisy and of a sampled step.
        wide_qubits: qubits of the step whose memory is measured, and those of the step it is compared with.
        starts: processes of which the one that started fastest counts.
        fit_steps: steps of an epoch, of which the fastest counts.
        growth_qubits, growth_blocks, growth_batches, growth_trajectories: the plots' points.
    """

    tfq_qubits: tuple[int, ...] = (4, 8, 10, 12, 14)
    batches: tuple[int, ...] = (32, 256)
    peer_qubits: tuple[int, ...] = (4, 8, 10, 12)
    rounds: int = 5
    burst: float = 0.3
    trajectories: int = 1000
    shots: int = 1000
    wide_qubits: tuple[int, int] = (18, 14)
    starts: int = 5
    fit_steps: int = 200
    growth_qubits: tuple[int, ...] = tuple(range(2, 19, 2))
    growth_blocks: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    growth_batches: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    growth_trajectories: tuple[int, ...] = (1, 3, 10, 30, 100, 300, 1000, 3000)


FULL = Plan()

QUICK = Plan(
    tfq_qubits=(4, 8),
    batches=(32,),
    peer_qubits=(4,),
    rounds=2,
    burst=0.05,
    trajectories=10,
    shots=100,
    wide_qubits=(14, 10),
    starts=2,
    fit_steps=20,
    growth_qubits=(2, 4, 6, 8, 10),
    growth_blocks=(1, 2, 4, 8),
    growth_batches=(1, 16, 64, 256),
    growth_trajectories=(1, 10, 100),
)
