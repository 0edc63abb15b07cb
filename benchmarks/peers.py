"""Times one other simulator on the reference work. Needs NumPy and that simulator, and nothing of tfq_llm.

    python benchmarks/peers.py --peer tensorcircuit --qubits 10 --batch 32

prints a line of JSON: the shortest of some steps in milliseconds, the seconds until the first result (mostly compilation), and
what the result is compared by. For every further line read from standard input it measures again and prints another line, so
that a caller can measure something else in between.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

Step = Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]


class Gate(NamedTuple):
    """CNOT from `control` to `target`; or, without a control, RY on the target by an angle: datum or weight number `angle`."""

    target: int
    control: int | None = None
    datum: bool = False
    angle: int = 0


class Task(NamedTuple):
    qubits: int
    gates: list[Gate]
    data: np.ndarray
    weights: np.ndarray


def reference_task(qubits: int, batch: int, blocks: int = 2, first: int = 1, last: int = 2, connectivity: int = 2) -> Task:
    """What `benchmarks.reference.reference_work` makes of Cirq gates, as a plain list."""
    per_layer = qubits * connectivity

    def ansatz(start: int, layers: int) -> list[Gate]:
        gates: list[Gate] = []
        for step in range(layers * per_layer):
            control, distance = step % qubits, step // qubits % connectivity + 1
            target = (control + distance) % qubits
            gates += [Gate(target, control), Gate(target, angle=start + step)]
        return gates

    block = [Gate(qubit, datum=True, angle=qubit) for qubit in range(qubits)] + ansatz(0, first)
    draws = np.random.default_rng(0)
    data = draws.uniform(-1, 1, (batch, qubits)).astype(np.float32)
    weights = draws.uniform(-1, 1, (first + last) * per_layer).astype(np.float32)
    return Task(qubits, block * blocks + ansatz(first * per_layer, last), data, weights)


def tensorcircuit(task: Task) -> Step:
    """TensorCircuit-NG on JAX: one compiled function, `vmap` over the batch."""
    jax, jnp, tc = (import_module(name) for name in ("jax", "jax.numpy", "tensorcircuit"))
    tc.set_backend("jax")

    def value(data: Any, weights: Any) -> Any:
        circuit = tc.Circuit(task.qubits)
        for gate in task.gates:
            if gate.control is not None:
                circuit.cnot(gate.control, gate.target)
            else:
                circuit.ry(gate.target, theta=data[gate.angle] if gate.datum else weights[gate.angle])
        return jnp.real(circuit.expectation_ps(z=[0]))

    return _jax_step(jax, jax.vmap(value, (0, None)), task)


def pennylane_jax(task: Task) -> Step:
    """PennyLane's default.qubit on JAX, compiled, with backpropagation; the batch is broadcast."""
    return _jax_step(import_module("jax"), _pennylane(task, "default.qubit", "jax", "backprop"), task)


def pennylane_torch(task: Task) -> Step:
    """PennyLane's default.qubit on PyTorch, with backpropagation; the batch is broadcast."""
    torch = import_module("torch")
    circuit = _pennylane(task, "default.qubit", "torch", "backprop")

    def step() -> Any:
        data, weights = (torch.tensor(array, requires_grad=True) for array in (task.data, task.weights))
        values = circuit(data, weights)
        values.sum().backward()
        return values.detach().numpy(), data.grad.numpy(), weights.grad.numpy()

    return step


def lightning(task: Task) -> Step:
    """PennyLane's lightning.qubit (C++) with its adjoint gradient, sample by sample."""
    qml, pnp = import_module("pennylane"), import_module("pennylane.numpy")
    circuit = _pennylane(task, "lightning.qubit", "autograd", "adjoint")
    gradient = qml.grad(circuit)
    weights = pnp.array(task.weights, requires_grad=True)
    samples = [pnp.array(sample, requires_grad=True) for sample in task.data]

    def step() -> Any:
        # The gradient's forward pass has all values; autograd keeps only the last, so the first is asked for once more.
        pairs = [gradient(sample, weights) for sample in samples]
        return np.array([circuit(samples[0], weights)]), np.array([x for x, _ in pairs]), np.sum([w for _, w in pairs], axis=0)

    return step


def mindquantum(task: Task) -> Step:
    """MindQuantum's mqvector, complex64, with its adjoint gradient, a worker for every core."""
    mq, gates = import_module("mindquantum"), import_module("mindquantum.core.gates")
    operators, simulator = import_module("mindquantum.core.operators"), import_module("mindquantum.simulator")
    resolver = import_module("mindquantum.core.parameterresolver").ParameterResolver
    circuit = import_module("mindquantum.core.circuit").Circuit()
    for gate in task.gates:
        if gate.control is not None:
            circuit += gates.X.on(gate.target, gate.control)
        else:
            symbol = resolver(f"{'x' if gate.datum else 'w'}{gate.angle}")
            circuit += gates.RY(symbol.as_encoder() if gate.datum else symbol).on(gate.target)
    observable = operators.Hamiltonian(operators.QubitOperator("Z0"), dtype=mq.complex64)
    run = simulator.Simulator("mqvector", task.qubits, dtype=mq.complex64).get_expectation_with_grad(
        observable, circuit, parallel_worker=len(os.sched_getaffinity(0))
    )
    data, weights = task.data.astype(float), task.weights.astype(float)

    def step() -> Any:
        values, by_data, by_weights = (np.real(part) for part in run(data, weights))
        return values.ravel(), by_data.reshape(len(data), -1), by_weights.reshape(len(data), -1).sum(axis=0)

    return step


def qulacs(task: Task) -> Step:
    """qulacs with its backpropagation, sample by sample. Its RY turns by −t/2 where the others turn by t/2."""
    module = import_module("qulacs")
    circuit, observable = module.ParametricQuantumCircuit(task.qubits), module.Observable(task.qubits)
    observable.add_operator(1.0, "Z 0")
    for gate in task.gates:
        if gate.control is not None:
            circuit.add_CNOT_gate(gate.control, gate.target)
        else:
            circuit.add_parametric_RY_gate(gate.target, 0.0)
    rotations = [gate for gate in task.gates if gate.control is None]
    datum, index = np.array([gate.datum for gate in rotations]), np.array([gate.angle for gate in rotations])

    def set_angles(sample: np.ndarray) -> None:
        turns = np.where(datum, sample[np.where(datum, index, 0)], task.weights[index])
        for place, turn in enumerate(turns):
            circuit.set_parameter(place, -float(turn))

    def step() -> Any:
        by_data, by_weights = np.zeros(task.data.shape), np.zeros(len(task.weights))
        for sample, row in zip(task.data, by_data, strict=True):
            set_angles(sample)
            slopes = -np.array(circuit.backprop(observable))
            np.add.at(row, index[datum], slopes[datum])
            np.add.at(by_weights, index[~datum], slopes[~datum])
        set_angles(task.data[0])
        state = module.QuantumState(task.qubits)
        circuit.update_quantum_state(state)
        return np.array([observable.get_expectation_value(state)]), by_data, by_weights

    return step


def _pennylane(task: Task, device: str, interface: str, method: str) -> Any:
    qml = import_module("pennylane")

    def value(data: Any, weights: Any) -> Any:
        for gate in task.gates:
            if gate.control is not None:
                qml.CNOT([gate.control, gate.target])
            else:
                qml.RY(data[..., gate.angle] if gate.datum else weights[gate.angle], gate.target)
        return qml.expval(qml.PauliZ(0))

    return qml.QNode(value, qml.device(device, wires=task.qubits), interface=interface, diff_method=method)


def _jax_step(jax: Any, values_of: Callable[[Any, Any], Any], task: Task) -> Step:
    def total(data: Any, weights: Any) -> Any:
        values = values_of(data, weights)
        return values.sum(), values

    compiled = jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))

    def step() -> Any:
        (_, values), gradients = compiled(task.data, task.weights)
        return tuple(np.asarray(part) for part in (values, *gradients))

    return step


PEERS: dict[str, tuple[Callable[[Task], Step], tuple[str, ...]]] = {
    "tensorcircuit": (tensorcircuit, ("tensorcircuit-ng", "jax")),
    "pennylane-jax": (pennylane_jax, ("pennylane", "jax")),
    "pennylane-torch": (pennylane_torch, ("pennylane", "torch")),
    "lightning": (lightning, ("pennylane-lightning",)),
    "mindquantum": (mindquantum, ("mindquantum",)),
    "qulacs": (qulacs, ("qulacs",)),
}


def _shortest(step: Step, seconds: float) -> float:
    """Of as many calls as fit into the time; at least one."""
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, choices=PEERS)
    parser.add_argument("--qubits", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a turn; one step is always made")
    given = parser.parse_args()
    task = reference_task(given.qubits, given.batch)
    build, packages = PEERS[given.peer]
    start = time.perf_counter()
    step = build(task)
    values, by_data, by_weights = step()
    line = {
        "peer": given.peer,
        "qubits": given.qubits,
        "batch": given.batch,
        "first_s": round(time.perf_counter() - start, 2),
        "value0": float(values[0]),
        "gx_norm": float(np.linalg.norm(by_data)),
        "gw_norm": float(np.linalg.norm(by_weights)),
        "packages": [f"{name} {version(name)}" for name in packages],
    }
    while True:
        print(json.dumps(line | {"ms": _shortest(step, given.seconds) * 1e3}), flush=True)
        if sys.stdin.isatty() or not sys.stdin.readline():
            return


if __name__ == "__main__":
    main()
