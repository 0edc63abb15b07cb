"""Scores a trained model by what a machine answers: its circuits are sent, waited for, and read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfq_llm.data.sampling import stratified_order
from tfq_llm.errors import InputError, ServiceError, did_you_mean
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.forecast import exact_values
from tfq_llm.ionq.head import MachineHead, angles_of, machine_head
from tfq_llm.ionq.mitigation.methods import METHODS, Method, estimate, parts
from tfq_llm.ionq.plans import Plan
from tfq_llm.ionq.service import Service
from tfq_llm.ionq.sources import source
from tfq_llm.metrics import interval_text, markdown_table, score
from tfq_llm.pipelines.evaluate import embeddings_of, labelled_rows
from tfq_llm.training.trained import load_run

Ask = Callable[[str, float], object]
"""Is told what is going to be sent and for how many dollars at most, and raises if it is not to be."""


@dataclass(frozen=True)
class Sentences:
    """Sentences as circuits, with the right answers.

    Attributes:
        head: reads expectation values.
        circuits: one for each sentence.
        labels: int64 [rows], class indices.
    """

    head: MachineHead
    circuits: BoundCircuits
    labels: np.ndarray


def sentences(run_dir: Path, data: str, count: int, text_column: str | None = None, label_column: str | None = None) -> Sentences:
    """The circuits of sentences that a run was not trained on, classes in proportion; more of them begin with fewer of them.

    Raises:
        InputError: run or data cannot be used.
    """
    if count < 1:
        raise InputError(f"the number of sentences must be at least 1, not {count}.")
    trained = load_run(run_dir)
    angle_model, head = machine_head(trained.head)
    dataset, labels, rows = labelled_rows(trained, data, text_column, label_column)
    rows = stratified_order(rows, labels)[:count]
    angles = angles_of(angle_model, embeddings_of(trained, dataset, rows))
    return Sentences(head, head.circuits(angles), labels[rows])


def describe(plan: Plan) -> str:
    """What is going to be sent, for the one who pays for it."""
    order, size = plan.order, plan.circuits.size
    known = [
        f"{count:,} {what}" for count, what in ((plan.cached, "have results here"), (plan.pending, "are at the service")) if count
    ]
    noise = f" with the noise of {order.noise}" if order.noise else ""
    debias = ", debiased" if order.debias else ""
    lines = [
        f"{len(plan.circuits):,} circuits of {size.one_qubit} one-qubit and {size.two_qubit} two-qubit gates, {order.shots:,} "
        f"shots each, on {order.target}{noise}{debias}."
    ]
    if known:
        lines.append(f"Of these, {' and '.join(known)}: they are not sent again.")
    if plan.lost:
        lines.append(
            f"{plan.lost:,} were sent before, and the service does not have them any more: to send them anew may cost twice."
        )
    if plan.new:
        jobs = len(plan.batches)
        lines.append(f"To send: {plan.new:,} circuits in {jobs:,} job{'s' * (jobs > 1)}, for ${plan.cost:,.2f}.")
    return "\n".join(lines)


def submit(run_dir: Path, service: Service, given: Sentences, ask: Ask) -> str:
    """Sends the circuits that have no result and are not on their way; says what was done."""
    plan = service.submit(given.circuits, lambda plan: ask(describe(plan), plan.cost))
    if not plan.new:
        return "Nothing had to be sent."
    names = ", ".join(job.name for job in service.jobs.ledger.jobs()[-len(plan.batches) :])
    return f"Sent: {names}. Next: tfq-llm ionq status {run_dir}"


def evaluate(service: Service, given: Sentences, ask: Ask, mitigation: str | None = None, *, as_json: bool = False) -> str:
    """Sends, waits and scores. Returns accuracy by the machine and by exact simulation, as Markdown or JSON.

    Args:
        service: where the circuits run.
        given: what is scored.
        ask: is asked before anything is sent.
        mitigation: the name of one of `METHODS`; shots are then divided as it needs, none are added.
        as_json: JSON in place of Markdown.

    Raises:
        InputError: an unknown way of mitigation.
        ServiceError: no result can be used.
    """
    ledger = service.jobs.ledger
    before = {job.number for job in ledger.jobs()}
    values = _mitigated(service, given.circuits, method_named(mitigation), ask) if mitigation else _plain(service, given, ask)
    known = np.isfinite(values).all(axis=1)
    elsewhere = [job for job in ledger.jobs(states.DONE) if job.matches is False and job.number not in before]
    if not known.any():
        raise ServiceError(f"none of the {len(known):,} circuits has a result that can be used: 'tfq-llm ionq status' says why.")
    exact = exact_values(given.circuits)[known]
    labels, found = given.labels[known], values[known]
    order = service.order
    exactly = order.target == "simulator" and order.noise in (None, "ideal")
    machine = score("", order.target, labels, given.head.classes(found))
    simulated = score("", "exact simulation", labels, given.head.classes(exact))
    ours = [job for job in ledger.jobs() if job.host == service.jobs.host]
    sent = [job for job in ours if job.number not in before]
    done = [job for job in ours if job.state == states.DONE]
    facts: dict[str, Any] = {
        "target": order.target,
        "shots": order.shots,
        "mitigation": mitigation,
        "sentences": int(known.sum()),
        "without_result": int((~known).sum()),
        "ran_elsewhere": sum(job.circuits for job in elsewhere),
        "accuracy": machine.accuracy,
        "low": machine.low,
        "high": machine.high,
        "exact_accuracy": simulated.accuracy,
        "exact_low": simulated.low,
        "exact_high": simulated.high,
        "decided_otherwise": float(np.mean(given.head.classes(found) != given.head.classes(exact))),
        "mean_difference": float(np.mean(np.abs(found - exact))),
        # The simulator without noise answers by probabilities, not by shots.
        "shot_error": 0.0 if exactly else float(np.mean(np.sqrt((1 - exact**2) / order.shots))),
        "dollars_now": sum(job.dollars for job in sent),
        "dollars_in_all": sum(job.dollars for job in ours if job.state in (states.DONE, states.SUBMITTED)),
        "dollars_reported": sum(job.reported_dollars or 0.0 for job in done),
        "jobs_with_reported_cost": sum(job.reported_dollars is not None for job in done),
        "jobs": len(done),
    }
    return json.dumps(facts, indent=2) if as_json else _report(facts)


def method_named(name: str) -> Method:
    """One of `METHODS`, all but the first.

    Raises:
        InputError: none has this name.
    """
    known = {method.name: method for method in METHODS[1:]}
    if name not in known:
        listed = ", ".join(f"'{each}'" for each in known)
        raise InputError(f"there is no way of mitigation '{name}': take one of {listed}.{did_you_mean(name, known)}")
    return known[name]


def _plain(service: Service, given: Sentences, ask: Ask) -> np.ndarray:
    return service.run(given.circuits, lambda plan: ask(describe(plan), plan.cost))


def _mitigated(service: Service, circuits: BoundCircuits, method: Method, ask: Ask) -> np.ndarray:
    """⟨Z⟩ by a method; all its parts are sent before any is waited for."""
    order = service.order
    if order.debias:
        raise InputError("IonQ's debiasing and mitigation on this side are for the same errors: ask for one of them.")
    scales = ", ".join(f"{scale:g}" for scale in method.scales)
    calibration = ", and two circuits that measure its readout errors" if method.readout else ""
    what = f"{len(circuits):,} sentences with {order.shots:,} shots each on {order.target}, at noise scales {scales}{calibration}"
    run = source(service, parts(circuits, order.shots, method), asking(ask, what))
    values, _ = estimate(run, circuits, order.shots, method)
    return values


def asking(ask: Ask, what: str) -> Callable[[Sequence[Plan]], object]:
    """Asks about several plans as a whole."""

    def agree(plans: Sequence[Plan]) -> object:
        new, cost = sum(plan.new for plan in plans), sum(plan.cost for plan in plans)
        known = sum(plan.cached + plan.pending for plan in plans)
        here = f" {known:,} have results here, or are at the service: they are not sent again." if known else ""
        return ask(f"{what}.{here} To send: {new:,} circuits, for ${cost:,.2f}.", cost)

    return agree


def _report(facts: dict[str, Any]) -> str:
    def row(name: str, key: str) -> tuple[str, str, str]:
        ends = (facts[key.replace("accuracy", end)] for end in ("low", "high"))
        return name, f"{100 * facts[key]:.1f} %", interval_text(*ends)

    # The mean of the absolute value of a normal deviate is 0.798 of its standard deviation.
    shots = f"; as many shots without any noise make {0.798 * facts['shot_error']:.3f}" if facts["shot_error"] else ""
    how = f", {facts['mitigation']}" if facts["mitigation"] else ""
    rows = [row(f"{facts['target']}, {facts['shots']:,} shots{how}", "accuracy"), row("exact simulation", "exact_accuracy")]
    texts = [
        markdown_table((f"{facts['sentences']:,} sentences", "accuracy", "95 % interval"), rows),
        f"{100 * facts['decided_otherwise']:.1f} % of the sentences are decided otherwise than by the exact circuit; ⟨Z⟩ is "
        f"{facts['mean_difference']:.3f} from it in the mean{shots}.",
    ]
    if facts["without_result"]:
        texts.append(f"{facts['without_result']:,} sentences have no result that counts and are left out.")
    if facts["ran_elsewhere"]:
        texts.append(f"{facts['ran_elsewhere']:,} circuits ran elsewhere than asked: kept in the ledger, not counted.")
    texts.append(f"Sent now for ${facts['dollars_now']:,.2f}; by this run directory in all ${facts['dollars_in_all']:,.2f}.")
    if facts["dollars_reported"]:
        texts[-1] += (
            f" The service itself says ${facts['dollars_reported']:,.2f}, for {facts['jobs_with_reported_cost']:,} of "
            f"{facts['jobs']:,} finished jobs."
        )
    return "\n\n".join(texts)
