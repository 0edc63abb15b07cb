"""What error mitigation is worth on a target: raw, mitigated and exact values beside each other, with what each costs."""

from __future__ import annotations

import json
from typing import Any

from tfq_llm.ionq.forecast import exact_values
from tfq_llm.ionq.mitigation.comparison import Comparison, compare
from tfq_llm.ionq.mitigation.methods import METHODS, parts
from tfq_llm.ionq.service import Service
from tfq_llm.ionq.sources import source
from tfq_llm.metrics import markdown_table
from tfq_llm.pipelines.ionq_evaluate import Ask, Sentences, asking


def mitigation(service: Service, given: Sentences, ask: Ask, *, as_json: bool = False) -> str:
    """Runs sentences by every method, each with as many shots in all. Returns a table, or JSON.

    Raises:
        InputError: too few shots or sentences.
        ServiceError: a circuit has no result.
    """
    circuits, shots = given.circuits, service.order.shots
    rows = len(circuits)
    wanted = [part for method in METHODS for part in parts(circuits, shots, method)]
    what = f"{rows:,} sentences by {len(METHODS)} methods, each with {shots:,} shots a sentence, on {service.order.target}"
    found = compare(
        source(service, wanted, asking(ask, what)),
        circuits,
        exact_values(circuits),
        given.head.classes,
        shots=shots,
        price=service.price,
    )
    facts = [
        {
            "method": outcome.method.name,
            "error": outcome.error,
            "error_spread": outcome.error_spread,
            "gain": outcome.gain,
            "gain_spread": outcome.gain_spread,
            "changed": outcome.changed,
            "accuracy": float((given.head.classes(outcome.values) == given.labels).mean()),
            "circuits": outcome.circuits,
            "dollars_a_sentence": outcome.dollars / rows,
        }
        for outcome in found.outcomes
    ]
    return json.dumps(facts, indent=2) if as_json else _report(found, facts, given)


def _report(found: Comparison, facts: list[dict[str, Any]], given: Sentences) -> str:
    rows = [
        (
            fact["method"],
            f"{fact['error']:.3f} ± {fact['error_spread']:.3f}",
            f"{fact['gain']:+.3f} ± {fact['gain_spread']:.3f}" if number else "",
            f"{100 * fact['changed']:.1f} %",
            f"{100 * fact['accuracy']:.1f} %",
            f"{fact['circuits']:,}",
            f"{fact['dollars_a_sentence']:,.2f}",
        )
        for number, fact in enumerate(facts)
    ]
    exact = float((given.head.classes(found.exact) == given.labels).mean())
    rows.append(("exact", "0", "", "0.0 %", f"{100 * exact:.1f} %", "", ""))
    header = ("method", "⟨Z⟩ is off by", "nearer than raw by", "decided otherwise", "accuracy", "circuits", "$ a sentence")
    return "\n\n".join(
        [
            f"{len(found.exact):,} sentences, {found.shots:,} shots each whatever the method:",
            markdown_table(header, rows),
            f"linear and exponential run every sentence with its CNOTs folded to 1 and 3, or 1, 3 and 5 times as many, and "
            f"extrapolate to none; readout takes {2 * found.calibration_shots:,} of all shots to measure the readout errors. "
            "± are standard errors over sentences.",
        ]
    )
