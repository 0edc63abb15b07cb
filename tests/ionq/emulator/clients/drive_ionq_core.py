"""Run in an environment with ionq-core: `python drive_ionq_core.py URL KEY`. Its models parse every reply."""

import sys

from ionq_core import IonQClient, iter_jobs, models, wait_for_job
from ionq_core.api.backends import get_backend, get_backends
from ionq_core.api.characterizations import get_characterization, get_characterizations_for_backend
from ionq_core.api.default import (
    cancel_job,
    cancel_jobs,
    create_job,
    delete_job,
    delete_jobs,
    estimate_job_cost,
    get_job,
    get_job_artifact,
    get_job_cost,
    get_job_probabilities,
    get_jobs,
)
from ionq_core.api.whoami import get_whoami
from ionq_core.exceptions import NotFoundError

url, key = sys.argv[1:]
client = IonQClient(api_key=key, base_url=f"{url}/v0.4")
bell = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]

payload = models.CircuitJobCreationPayload.from_dict(
    {
        "type": "ionq.circuit.v1",
        "backend": "qpu.forte-1",
        "shots": 200,
        "name": "one",
        "metadata": {"a": "b"},
        "input": {"gateset": "qis", "qubits": 2, "circuit": bell},
        "settings": {"error_mitigation": {"debiasing": False}},
    }
)
made = create_job.sync(client=client, body=payload)
assert made.status == "submitted"
assert get_job.sync(made.id, client=client).status in ("submitted", "ready", "started")
try:
    get_job_probabilities.sync(made.id, client=client)
except NotFoundError:
    pass
else:
    raise AssertionError("a waiting job had results")
job = wait_for_job(client, made.id, timeout=30, poll_interval=0.1)
assert isinstance(job, models.SingleCircuitJob)
assert (job.status, job.backend, job.name, job.shots) == ("completed", "qpu.forte-1", "one", 200)
assert job.metadata.to_dict() == {"a": "b"}
assert job.stats.gate_counts.to_dict() == {"1q": 1, "2q": 1}
shares = get_job_probabilities.sync(made.id, client=client).to_dict()
assert abs(sum(shares.values()) - 1) < 1e-9
assert shares["0"] + shares["3"] > 0.9
for descriptor in job.results.additional_properties.values():
    assert get_job_artifact.sync_detailed(made.id, descriptor.id, client=client).status_code == 200
cost = get_job_cost.sync(made.id, client=client)
assert (cost.dry_run, cost.cost.value, cost.cost.unit) == (False, 25.79, "usd")

payload = models.JSONMultiCircuitJob.from_dict(
    {
        "type": "ionq.multi-circuit.v1",
        "backend": "simulator",
        "noise": {"model": "aria-1", "seed": 3},
        "shots": 500,
        "name": "many",
        "input": {
            "gateset": "native",
            "qubits": 2,
            "circuits": [
                {"name": "in qis", "gateset": "qis", "circuit": bell},
                {"name": "in native", "circuit": [{"gate": "ms", "targets": [0, 1], "phases": [0, 0.25]}]},
            ],
        },
    }
)
many = wait_for_job(client, create_job.sync(client=client, body=payload).id, timeout=30, poll_interval=0.1)
assert isinstance(many, models.MultiCircuitJob)
assert len(many.child_job_ids) == 2
assert many.noise.model == "aria-1"
children = get_jobs.sync(client=client, parent_job_id=many.id).jobs
assert [child.name for child in children] == ["in qis", "in native"]
assert [child.id for child in children] == many.child_job_ids
assert len(get_jobs.sync(client=client, ids=many.child_job_ids).jobs) == 2
assert [each.id for each in iter_jobs(client, limit=1)] == [many.id, made.id]
assert [each.id for each in iter_jobs(client, target="simulator", status="completed")] == [many.id]

failing = models.CircuitJobCreationPayload.from_dict(
    {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "input": {"gateset": "qis", "qubits": 25, "circuit": [{"gate": "h", "target": place} for place in range(25)]},
    }
)
failed = wait_for_job(
    client, create_job.sync(client=client, body=failing).id, timeout=30, poll_interval=0.1, raise_on_failure=False
)
assert (failed.status, failed.failure.code) == ("failed", "SimulationError")

estimate = estimate_job_cost.sync(client=client, backend="qpu.forte-1", shots=1000)
assert (estimate.estimated_total_cost, estimate.estimated_unit) == (25.79, "usd")
assert {each.backend for each in get_backends.sync(client=client)} >= {"simulator", "qpu.forte-1", "qpu.forte-enterprise-1"}
assert get_backend.sync("qpu.forte-1", client=client).qubits == 36
found = get_characterizations_for_backend.sync("qpu.forte-1", client=client).characterizations[0]
assert get_characterization.sync("qpu.forte-1", found.id, client=client).fidelity.spam.median == found.fidelity.spam.median
assert get_whoami.sync(client=client).key_name

assert cancel_job.sync(made.id, client=client).status == "canceled"
several = models.JobsBulkOperationRequest(ids=[made.id, many.id])
assert cancel_jobs.sync(client=client, body=several).ids == several.ids
assert get_job.sync(many.id, client=client).status == "canceled"
assert delete_job.sync(failed.id, client=client).status == "deleted"
assert delete_jobs.sync(client=client, body=several).status == "deleted"
assert list(iter_jobs(client)) == []
