"""What running a trained model on IonQ would cost and be worth. Nothing is sent."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfq_llm.data.sampling import subsample
from tfq_llm.errors import InputError
from tfq_llm.ionq.circuits import Size
from tfq_llm.ionq.forecast import NOISE, SHOTS, Forecast, affordable, forecast, interval
from tfq_llm.ionq.head import angles_of, machine_head
from tfq_llm.ionq.prices import MAX_SHOTS, Price, jobs, price_of
from tfq_llm.metrics import interval_text, markdown_table
from tfq_llm.pipelines.evaluate import embeddings_of, labelled_rows
from tfq_llm.training.trained import load_run

# A decision is called stable if at most this share of the sentences is decided differently from what infinitely many shots say.
MOST_CHANGED = 0.01
_TWO_SIDED_95 = 1.96


def estimate(
    run_dir: Path,
    data: str,
    shots: int,
    target: str,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    simulated_rows: int = 200,
    readout_error: float = 0.0,
    budget: float | None = None,
    prices: Path | None = None,
    as_json: bool = False,
) -> str:
    """Returns gates, jobs and prices, the accuracy to expect by shots, and what a budget is enough for.

    Args:
        run_dir: a finished run.
        data: labelled data, as for `evaluate`; texts that it was trained on are left out.
        shots: of each sentence.
        target: such as "qpu.forte-1".
        simulated_rows: how many of the sentences are simulated, a stratified part.
        readout_error: the probability with which a measured qubit is read wrongly.
        budget: US dollars.
        prices: a file of prices, see `price_of`.

    Raises:
        InputError: run, data or a number cannot be used, or the circuit does not fit the machine.
    """
    if not 1 <= shots <= MAX_SHOTS:
        raise InputError(f"shots must be a number from 1 to {MAX_SHOTS:,}, not {shots}.")
    if budget is not None and not budget > 0:
        raise InputError(f"a budget must be a number of dollars greater than 0, not {budget}.")
    price, trained = price_of(target, prices), load_run(run_dir)
    angle_model, head = machine_head(trained.head)
    if len(head.ansatz.qubits) > price.qubits:
        raise InputError(f"the circuit has {len(head.ansatz.qubits)} qubits and '{target}' has {price.qubits}.")
    dataset, labels, rows = labelled_rows(trained, data, text_column, label_column)
    simulated = subsample(rows, labels, simulated_rows)
    angles = angles_of(angle_model, embeddings_of(trained, dataset, simulated))
    sizes = {"as trained": Size.of(head.ansatz.circuit), "reduced": Size.of(head.reduced)}
    expected = forecast(head, angles, labels[simulated], target, (*SHOTS, shots), readout_error)
    facts = {
        "target": target,
        "prices_of": price.as_of,
        "sentences": len(rows),
        "shots": shots,
        "jobs": jobs(len(rows), sizes["reduced"].one_qubit + sizes["reduced"].two_qubit),
        "circuits": {name: _circuit(size, price, shots, len(rows)) for name, size in sizes.items()},
        "simulated": asdict(expected) | {"noise_model": NOISE.get(target, "none"), "readout_error": readout_error},
        "fewest_shots": expected.fewest_shots(MOST_CHANGED),
    }
    if budget is not None:
        facts["budget"] = {"dollars": budget, "plans": _plans(budget, sizes["reduced"], price, expected, len(rows))}
    return json.dumps(facts, indent=2) if as_json else _report(facts)


def _circuit(size: Size, price: Price, shots: int, sentences: int) -> dict[str, Any]:
    plain, mitigated = (size.dollars(price, shots, mitigated=each) for each in (False, True))
    return {
        "one_qubit_gates": size.one_qubit,
        "two_qubit_gates": size.two_qubit,
        "dollars_a_sentence": plain,
        "dollars_a_sentence_mitigated": mitigated,
        "dollars": plain * sentences,
        "dollars_mitigated": mitigated * sentences,
    }


def _plans(budget: float, size: Size, price: Price, expected: Forecast, sentences: int) -> list[dict[str, Any]]:
    """By number of shots: how many sentences the budget is enough for, and how well their accuracy would be known."""
    plans = []
    for trial in expected.trials:
        enough = affordable(budget, size, price, trial.shots, mitigated=False)
        count = sentences if enough is None else min(enough, sentences)
        if count:
            low, high = interval(trial.accuracy, count)
            dollars = size.dollars(price, trial.shots, mitigated=False) * count
            plans.append({"shots": trial.shots, "sentences": count, "dollars": dollars, "accuracy": trial.accuracy, "low": low})
            plans[-1] |= {"high": high, "changed": trial.changed}
    return plans


def _report(facts: dict[str, Any]) -> str:
    header = ("circuit", "one-qubit gates", "two-qubit gates", "$ a sentence", "mitigated", "$ in all", "mitigated")
    rows = [
        (
            name,
            str(circuit["one_qubit_gates"]),
            str(circuit["two_qubit_gates"]),
            *(
                f"{circuit[key]:,.2f}"
                for key in ("dollars_a_sentence", "dollars_a_sentence_mitigated", "dollars", "dollars_mitigated")
            ),
        )
        for name, circuit in facts["circuits"].items()
    ]
    parts = [
        f"{facts['sentences']:,} sentences with {facts['shots']:,} shots each on {facts['target']}, in {facts['jobs']:,} "
        f"job{'s' * (facts['jobs'] > 1)}, by the prices of {facts['prices_of']}:",
        markdown_table(header, rows),
        "Mitigated is with IonQ's error mitigation, which from 500 shots on is used unless it is turned off.",
        *_expected(facts),
    ]
    if "budget" in facts:
        parts += _budgeted(facts)
    return "\n\n".join([*parts, "Nothing was sent."])


def _expected(facts: dict[str, Any]) -> list[str]:
    simulated = facts["simulated"]
    readout = f" and a readout error of {simulated['readout_error']:g}" if simulated["readout_error"] else ""
    noise = f"IonQ's noise model of {simulated['noise_model']}" if simulated["noise_model"] != "none" else "no gate noise"
    rows = [
        ("exact", f"{100 * simulated['exact']:.1f} %", "", ""),
        ("any number, noisy", f"{100 * simulated['noisy']:.1f} %", "", ""),
    ]
    rows += [
        (
            f"{trial['shots']:,}",
            f"{100 * trial['accuracy']:.1f} %",
            f"± {100 * trial['shot_error']:.1f}",
            f"{100 * trial['changed']:.1f} %",
        )
        for trial in simulated["trials"]
    ]
    fewest = facts["fewest_shots"]
    changed, tried = f"{100 * MOST_CHANGED:g} %", simulated["trials"][-1]["shots"]
    stable = (
        f"Decisions are stable, at most {changed} changed by the shots, from {fewest:,} shots on."
        if fewest
        else f"Decisions are not stable even with {tried:,} shots: these change more than {changed}."
    )
    return [
        f"The reduced circuits of {simulated['rows']:,} of the sentences, simulated with {noise}{readout}:",
        markdown_table(("shots", "accuracy", "by shots alone", "decisions changed"), rows),
        stable,
    ]


def _budgeted(facts: dict[str, Any]) -> list[str]:
    plans, budget = facts["budget"]["plans"], facts["budget"]["dollars"]
    if not plans:
        cheapest = facts["circuits"]["reduced"]["dollars_a_sentence"]
        return [f"${budget:,.2f} is not enough for one sentence: one costs ${cheapest:,.2f}."]
    rows = [
        (
            f"{plan['shots']:,}",
            f"{plan['sentences']:,}",
            f"{plan['dollars']:,.2f}",
            f"{100 * plan['accuracy']:.1f} %",
            interval_text(plan["low"], plan["high"]),
        )
        for plan in plans
    ]
    settled = facts["simulated"]["noisy"]

    def error(plan: dict[str, Any]) -> float:
        """Of the accuracy as a measurement of what infinitely many shots on all sentences would give."""
        return math.hypot(plan["accuracy"] - settled, (plan["high"] - plan["low"]) / (2 * _TWO_SIDED_95))

    best = min(plans, key=error)
    return [
        f"What ${budget:,.2f} is enough for, without error mitigation:",
        markdown_table(("shots", "sentences", "$", "accuracy", "95 % interval"), rows),
        f"Proposed: {best['sentences']:,} sentences with {best['shots']:,} shots each, for ${best['dollars']:,.2f}: nearest to "
        f"the accuracy of all sentences and infinitely many shots, an error of {100 * error(best):.1f} points to be expected.",
    ]
