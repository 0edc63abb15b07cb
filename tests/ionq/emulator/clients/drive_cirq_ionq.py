"""Run in an environment with cirq-ionq 1.7: `python drive_cirq_ionq.py URL KEY`."""

import sys
import time

import cirq
import cirq_ionq
import numpy as np

url, key = sys.argv[1:]
first, second, third = qubits = cirq.LineQubit.range(3)
service = cirq_ionq.Service(remote_host=url, api_key=key, default_target="simulator")


def wait(job):
    """The client's own wait polls once a second."""
    while job.status() not in job.TERMINAL_STATES:
        time.sleep(0.05)
    return job


def exact(circuit):
    state = cirq.Simulator(dtype=np.complex128).simulate(circuit, qubit_order=qubits).final_state_vector
    return np.abs(state) ** 2


def read(job):
    found = wait(job).results().probabilities()
    return [found.get(state, 0.0) for state in range(8)]


measure = cirq.Circuit(cirq.measure(*qubits, key="m"))
qis = cirq.Circuit(
    cirq.X(first),
    cirq.ry(0.7)(second),
    cirq.CNOT(second, third),
    cirq.XX(first, third) ** 0.3,
    cirq.T(third),
    cirq.X(third) ** 0.5,
)
native = cirq.Circuit(
    cirq_ionq.GPI2Gate(phi=0.1)(first),
    cirq_ionq.MSGate(phi0=0.1, phi1=0.3, theta=0.2)(first, second),
    cirq_ionq.ZZGate(theta=0.2)(second, third),
    cirq_ionq.GPI2Gate(phi=0.2)(third),
)
phasor = cirq.Circuit(
    cirq.H(first), cirq.PauliStringPhasor(cirq.X(first) * cirq.Y(second) * cirq.Z(third), exponent_neg=0.3), cirq.rx(0.4)(third)
)
for circuit in (qis, native, phasor):
    np.testing.assert_allclose(read(service.create_job(circuit + measure, repetitions=10)), exact(circuit), atol=1e-6)

job = wait(service.create_job(qis + measure, repetitions=1000, target="qpu.forte-1", name="named"))
assert (job.target(), job.name(), job.num_qubits(), job.repetitions()) == ("qpu.forte-1", "named", 3, 1000)
assert sum(job.results().counts().values()) == 1000
np.testing.assert_allclose([job.results().counts().get(state, 0) / 1000 for state in range(8)], exact(qis), atol=0.1)

noisy = [service.create_job(qis + measure, repetitions=200, noise={"model": "aria-1", "seed": 3}) for _ in range(2)]
assert read(noisy[0]) == read(noisy[1])

batch = service.create_batch_job([cirq.Circuit(cirq.X(qubits[place])) + measure for place in (2, 0, 1)], repetitions=20)
assert [max(result.probabilities()) for result in wait(batch).results()] == [1, 4, 2]

dry = wait(service.create_job(qis + measure, repetitions=10, target="qpu.forte-1", dry_run=True))
assert dry.status() == "completed"

# A list ends by a "next" that is null, which this client takes for the first page: it gives jobs more than once.
listed = [each.job_id() for each in service.list_jobs(limit=3)]
assert listed[0] == dry.job_id()
assert len(set(listed)) == 3

job.cancel()
assert service.get_job(job.job_id()).status() == "canceled"
job.delete()
try:
    service.get_job(job.job_id())
except cirq_ionq.IonQNotFoundException:
    pass
else:
    raise AssertionError("a deleted job was found")
