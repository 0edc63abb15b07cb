"""What is taken and what is refused, as the published document says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ionq.emulator.wire import BELL, FLIP, Caller, batch, old, single
from tfq_llm.ionq.emulator.submissions import MAX_BYTES, RequestError, Submission, read_v03, read_v04


def read(body: Any, version: str = "v0.4") -> Submission:
    return (read_v04 if version == "v0.4" else read_v03)(json.dumps(body).encode())


def program(gates: Any, gateset: str = "qis", **changes: Any) -> dict[str, Any]:
    return single(input={"gateset": gateset, "qubits": 2, "circuit": gates} | changes)


REFUSED: dict[str, tuple[Any, str]] = {
    "no object": ([1], "not a JSON object"),
    "no backend": ({key: value for key, value in single().items() if key != "backend"}, "backend: Field required"),
    "another backend": (single(backend="qpu.harmony"), "backend: 'qpu.harmony' is not one of simulator, qpu.forte-1"),
    "v0.3's backend": (single(backend="qpu"), "backend: 'qpu' is not one of"),
    "another type": (single(type="ionq.circuit.v9"), "type: the emulator runs ionq.circuit.v1"),
    "no type": ({key: value for key, value in single().items() if key != "type"}, "type: Field required"),
    "a field too many": (single(color="red"), "color: Extra inputs are not permitted"),
    "no shots": (single(shots=0), "shots: Input should be greater than or equal to 1"),
    "negative shots": (single(shots=-5), "shots: Input should be greater"),
    "too many shots": (single(shots=1_000_001), "shots: Input should be less than or equal to 1000000"),
    "half a shot": (single(shots=1.5), "shots: Input should be a valid integer"),
    "shots in words": (single(shots="ten"), "shots: Input should be a valid integer"),
    "a name that is none": (single(name=3), "name: Input should be a valid string"),
    "metadata that are numbers": (single(metadata={"a": 1}), "metadata.a: Input should be a valid string"),
    "eleven metadata": (single(metadata={str(i): "" for i in range(11)}), "metadata: Dictionary should have at most 10 items"),
    "a long metadata name": (single(metadata={"n" * 41: ""}), "at most 40 characters"),
    "a long metadata value": (single(metadata={"n": "v" * 40_001}), "at most 40000 characters"),
    "an unknown noise": (single(noise={"model": "aria-7"}), "noise.model: the emulator has ideal, aria-1, forte-1"),
    "noise without a model": (single(noise={"seed": 1}), "noise.model: Field required"),
    "a seed too large": (single(noise={"model": "aria-1", "seed": 2**31}), "noise.seed: Input should be less"),
    "debiasing a few shots": (
        single(backend="qpu.forte-1", shots=499, settings={"error_mitigation": {"debiasing": True}}),
        "debiasing needs at least 500 shots",
    ),
    "debiasing perhaps": (
        single(settings={"error_mitigation": {"debiasing": "yes"}}),
        "settings.error_mitigation.debiasing: Input should be a valid boolean",
    ),
    "no gateset": (single(input={"qubits": 1, "circuit": FLIP}), "input.gateset: Field required"),
    "another gateset": (program(FLIP, "pauli"), "input.gateset: Input should be 'qis' or 'native'"),
    "no qubits": (program(FLIP, qubits=0), "input.qubits: Input should be greater than or equal to 1"),
    "too many qubits": (program(FLIP, qubits=30), "simulator has 29 qubits, and this circuit needs 30"),
    "a field too many in the input": (program(FLIP, circuits=[]), "input.circuits: Extra inputs are not permitted"),
    "an unknown gate": (program([{"gate": "cz", "target": 0}]), "input.circuit.0.gate: Input should be 'x', 'y'"),
    "a native gate among others": (program([{"gate": "gpi", "target": 0, "phase": 0.1}]), "input.circuit.0.gate"),
    "another gate among native ones": (program(BELL, "native"), "input.circuit.0.gate: Input should be 'zz', 'ms'"),
    "a gate's field too many": (program([{"gate": "x", "target": 0, "phase": 0.1}]), "input.circuit.0.phase: Extra inputs"),
    "a target that is none": (program([{"gate": "x", "target": "0"}]), "input.circuit.0.target: Input should be a valid integer"),
    "no target": (program([{"gate": "x"}]), "input.circuit.0: a x has 1 target, not"),
    "two targets": (program([{"gate": "x", "targets": [0, 1]}]), "a x has 1 target, not (0, 1)"),
    "an endless target": (program([{"gate": "x", "targets": [float("inf")]}]), "whole numbers"),
    "a target that is no number": (program([{"gate": "x", "targets": [float("nan")]}]), "whole numbers"),
    "half a target": (program([{"gate": "x", "targets": [0.5]}]), "whole numbers"),
    "a target twice named": (program([{"gate": "x", "target": 0, "targets": [0]}]), "has 'target' or 'targets', not both"),
    "a qubit beyond": (program([{"gate": "x", "target": 2}]), "acts on [2], and the circuit has the qubits 0 to 1"),
    "a negative qubit": (program([{"gate": "x", "target": -1}]), "acts on [-1]"),
    "a qubit with itself": (program([{"gate": "cnot", "control": 1, "target": 1}]), "names a qubit twice"),
    "a cnot without control": (program([{"gate": "cnot", "targets": [0, 1]}]), "a control"),
    "no rotation": (program([{"gate": "rx", "target": 0}]), "a rx needs 'rotation'"),
    "no phases": (program([{"gate": "ms", "targets": [0, 1]}], "native"), "a ms needs 'phases'"),
    "one phase": (program([{"gate": "ms", "targets": [0, 1], "phases": [0]}], "native"), "an ms has two phases"),
    "no circuits": (batch(), "input.circuits: List should have at least 1 item"),
    "circuit and circuits": (
        batch(FLIP, input={"gateset": "qis", "circuits": [{"circuit": FLIP}], "circuit": FLIP}),
        "has 'circuits' and no 'circuit'",
    ),
    "a circuit's unknown field": (
        batch(input={"gateset": "qis", "circuits": [{"circuit": FLIP, "shots": 3}]}),
        "input.circuits.0.shots: Extra inputs",
    ),
    "a circuit larger than the job": (
        batch(input={"gateset": "qis", "qubits": 1, "circuits": [{"circuit": BELL}]}),
        "input.circuits.0: has 2 qubits, and the job 1",
    ),
    "a gate in the second circuit": (batch(FLIP, [{"gate": "no", "target": 0}]), "input.circuits.1.circuit.0.gate"),
    "too many circuits": (batch(*[FLIP] * 5001), "a job holds at most 5,000 circuits, not 5,001"),
    "too many gates": (batch(*[FLIP * 1000] * 151), "a job holds at most 150,000 gates, not 151,000"),
    "too many gates in one circuit": (program(FLIP * 150_001), "a job holds at most 150,000 gates, not 150,001"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_a_bad_body_is_refused_with_its_place(body: Any, message: str) -> None:
    with pytest.raises(RequestError) as refused:
        read(body)
    assert refused.value.status == 400
    assert message in refused.value.message


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_an_angle_is_finite(value: str) -> None:
    text = json.dumps(program([{"gate": "rx", "target": 0, "rotation": 12345}])).replace("12345", value)
    with pytest.raises(RequestError, match="finite"):
        read_v04(text.encode())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"shots": ' + b"9" * 5000 + b"}"])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError, match="not JSON"):
        read_v04(body)


def test_a_batch_at_the_limits_is_taken() -> None:
    submission = read(batch(*[FLIP * 30] * 5000, shots=1_000_000))
    assert len(submission.circuits) == 5000


def test_what_clients_send_beyond_the_document_is_taken() -> None:
    """cirq-ionq 1.7 sends "lang" and shots as text; qiskit-ionq sends a seed that is null."""
    submission = read(single(lang="json", shots="250", noise={"model": "aria-1", "seed": None}))
    assert submission.shots == 250
    assert submission.noise == {"model": "aria-1"}


def test_each_circuit_may_have_its_own_gateset_and_width() -> None:
    native = [{"gate": "gpi", "target": 2, "phase": 0.0}]
    circuits = [{"circuit": FLIP}, {"circuit": native, "gateset": "native", "name": "n"}, {"circuit": FLIP, "qubits": 3}]
    submission = read(batch(input={"gateset": "qis", "qubits": 3, "circuits": circuits}))
    assert [circuit.qubits for circuit in submission.circuits] == [1, 3, 3]
    assert [circuit.name for circuit in submission.circuits] == [None, "n", None]


def test_v03_takes_its_own_form() -> None:
    submission = read(old(target="qpu", error_mitigation={"debias": False}, shots="800", metadata={"shots": "800"}), "v0.3")
    assert (submission.target, submission.shots, submission.debiasing) == ("qpu", 800, False)
    assert not submission.is_batch


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (old(target="qpu.nine"), "target: 'qpu.nine' is not one of"),
        ({"target": "simulator"}, "body: is required"),
        (old(shots="0"), "shots: Input should be greater"),
        (old([{"gate": "iswap", "targets": [0, 1]}]), "body.circuit.0.gate"),
        (old(body={"gateset": "qis", "circuits": [{"circuit": FLIP}] * 5001}), "at most 5,000 circuits"),
        (single(), "target: Field required"),
    ],
)
def test_v03_refuses(body: Any, message: str) -> None:
    with pytest.raises(RequestError) as refused:
        read(body, "v0.3")
    assert message in refused.value.message


def test_refusals_come_as_the_document_has_errors_and_make_no_job(caller: Caller) -> None:
    assert caller.refused(single(shots=0)).startswith("shots:")
    response = caller.send("POST", "/v0.4/jobs", data=b"{")
    assert (response.status_code, response.json()) == (
        400,
        {"statusCode": 400, "error": "Bad Request", "message": "The request body is not JSON."},
    )


@pytest.mark.parametrize("extra", [0, 5_000_000])
def test_a_body_over_ten_megabytes_is_too_large(caller: Caller, extra: int) -> None:
    response = caller.send("POST", "/v0.4/jobs", data=b" " * (MAX_BYTES + 1 + extra))
    assert response.status_code == 413
    assert "10MB" in response.json()["message"]
    assert not caller.emulator.jobs()
