"""Run in an environment with qiskit-ionq: `python drive_qiskit_ionq.py URL KEY`."""

import os
import sys

url, key = sys.argv[1:]
os.environ |= {"IONQ_API_URL": f"{url}/v0.4", "IONQ_API_KEY": key}

from qiskit import QuantumCircuit, transpile  # noqa: E402
from qiskit_ionq import IonQProvider, MSGate  # noqa: E402
from qiskit_ionq.exceptions import IonQAPIError, IonQJobStateError  # noqa: E402

provider = IonQProvider(key, url=f"{url}/v0.4")
machine, simulator = provider.get_backend("ionq_qpu.forte-1"), provider.get_backend("ionq_simulator")
assert (machine.num_qubits, simulator.num_qubits) == (36, 29)
assert machine.status()
assert machine.calibration().median_spam_fidelity == 1

circuit = QuantumCircuit(3, 3, name="asymmetric")
circuit.x(0)
circuit.ry(0.7, 1)
circuit.cx(1, 2)
circuit.measure([0, 1, 2], [0, 1, 2])
flip = QuantumCircuit(3, 3, name="flip")
flip.x(2)
flip.measure([0, 1, 2], [0, 1, 2])

shares = simulator.run(circuit, shots=100).result(wait=0.1).get_probabilities()
assert {state: round(share, 4) for state, share in shares.items()} == {"001": 0.8824, "111": 0.1176}

job = machine.run(circuit, shots=1000, memory=True)
result = job.result(wait=0.1)
assert sum(result.get_counts().values()) == len(result.get_memory()) == 1000
assert result.get_counts()["001"] > 800
assert {state: result.get_memory().count(state) for state in result.get_counts()} == result.get_counts()

job = machine.run([flip, circuit], shots=400)
counts = job.result(wait=0.1).get_counts()
assert [max(each, key=each.get) for each in counts] == ["100", "001"]
assert job.status(detailed=True)["completed"] == 2

noisy = simulator.run(circuit, shots=500, noise_model="aria-1").result(wait=0.1).get_counts()
assert noisy["001"] > 350

controlled = QuantumCircuit(3, 3)
controlled.x([0, 1])
controlled.ccx(0, 1, 2)
controlled.crz(0.2, 0, 1)
controlled.cswap(0, 1, 2)
controlled.measure([0, 1, 2], [0, 1, 2])
assert simulator.run(transpile(controlled, simulator), shots=10).result(wait=0.1).get_probabilities() == {"111": 1.0}

native = provider.get_backend("ionq_simulator", gateset="native")
bell = QuantumCircuit(2, 2)
bell.append(MSGate(0, 0.25, 0.25), [0, 1])
bell.measure([0, 1], [0, 1])
found = native.run(bell, shots=10).result(wait=0.1).get_probabilities()
assert {state: round(share, 6) for state, share in found.items()} == {"00": 0.5, "11": 0.5}

estimate = machine.client.estimate_job(backend="ionq_qpu.forte-1", oneq_gates=3, twoq_gates=3, qubits=3, shots=100)
assert estimate.to_dict()["estimated_total_cost"] == 25.79

job = machine.run(circuit, shots=100)
job.cancel()
try:
    job.result(wait=0.1)
except IonQJobStateError:
    pass
else:
    raise AssertionError("a canceled job had results")
machine.client.delete_job(job.job_id())
try:
    machine.retrieve_job(job.job_id())
except IonQAPIError as error:
    if error.status_code != 404:
        raise
else:
    raise AssertionError("a deleted job was found")
