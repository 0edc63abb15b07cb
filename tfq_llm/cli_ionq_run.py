"""The commands `tfq-llm ionq …` that run circuits: they ask, send, wait and read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tfq_llm.cli_ionq_options import (
    MaxCost,
    NumSentences,
    Prices,
    Repetition,
    Shots,
    Target,
    Wait,
    Yes,
    connection_of,
    order_of,
    with_options,
)
from tfq_llm.cli_options import AsJson, LabelColumn, LabelledData, Run, TextColumn, tensorflow
from tfq_llm.cli_stopping import GOES_ON, stoppable
from tfq_llm.errors import InputError


@with_options(order=order_of, connection=connection_of)
def ionq_submit(
    run: Run,
    data: LabelledData,
    order: Any,
    connection: Any,
    count: NumSentences = 20,
    yes: Yes = False,
    max_cost: MaxCost = None,
    prices: Prices = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
) -> None:
    """Send sentences' circuits to IonQ, after asking. Results that are there or on their way are not paid for again."""
    with tensorflow():
        from tfq_llm.pipelines.ionq_evaluate import submit

        with _service(run, connection, order, prices) as service:
            given = _sentences(service, run, data, count, text_column, label_column)
            print(submit(run, service, given, _ask(yes, max_cost)))


@with_options(order=order_of, connection=connection_of)
def ionq_evaluate(
    run: Run,
    data: LabelledData,
    order: Any,
    connection: Any,
    count: NumSentences = 20,
    yes: Yes = False,
    max_cost: MaxCost = None,
    prices: Prices = None,
    mitigation: Annotated[
        str | None, typer.Option(help="On this side: readout, linear, exponential, 'readout, linear' or 'readout, exponential'.")
    ] = None,
    wait: Wait = 86_400,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: AsJson = False,
) -> None:
    """Score RUN's model by IonQ's answers: send what is missing, wait, count. Killed, it goes on where it was."""
    with tensorflow():
        from tfq_llm.pipelines.ionq_evaluate import evaluate

        with _service(run, connection, order, prices, wait) as service:
            given = _sentences(service, run, data, count, text_column, label_column)
            print(evaluate(service, given, _ask(yes, max_cost), mitigation, as_json=as_json))


@with_options(connection=connection_of)
def ionq_mitigation(
    run: Run,
    data: LabelledData,
    connection: Any,
    shots: Shots = 1000,
    target: Target = "qpu.forte-1",
    count: NumSentences = 20,
    repetition: Repetition = 0,
    yes: Yes = False,
    max_cost: MaxCost = None,
    prices: Prices = None,
    wait: Wait = 86_400,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: AsJson = False,
) -> None:
    """Compare ways to mitigate errors on a target: how near each comes to the exact values, and what it costs."""
    order = order_of(target, shots, repetition=repetition)
    with tensorflow():
        from tfq_llm.pipelines.ionq_mitigation import mitigation

        with _service(run, connection, order, prices, wait) as service:
            given = _sentences(service, run, data, count, text_column, label_column)
            print(mitigation(service, given, _ask(yes, max_cost), as_json=as_json))


@with_options(order=order_of, connection=connection_of)
def ionq_finetune(
    run: Run,
    data: Annotated[str, typer.Option(help="The data that RUN was trained on; no other rows are used.")],
    max_cost: Annotated[float, typer.Option(metavar="USD", help="Stop before spending more; 0 for a target that is free.")],
    order: Any,
    connection: Any,
    max_evaluations: Annotated[int | None, typer.Option(help="Stop before running more circuits.")] = None,
    method: Annotated[str, typer.Option(help="spsa or parameter-shift.")] = "spsa",
    parameters: Annotated[int, typer.Option(help="How many, the last ones of the circuit.")] = 4,
    steps: Annotated[int, typer.Option(help="At most.")] = 20,
    learning_rate: Annotated[float, typer.Option(help="Of the first step.")] = 1.0,
    batch_size: Annotated[int, typer.Option(help="Sentences of a step.")] = 16,
    held_out: Annotated[int, typer.Option(help="Sentences by which the best weights are chosen.")] = 16,
    seed: Annotated[int, typer.Option(help="Of sentences and directions.")] = 0,
    yes: Yes = False,
    prices: Prices = None,
    wait: Wait = 86_400,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: AsJson = False,
) -> None:
    """Train the last parameters of RUN's circuit on a machine, within a budget. Killed, it goes on where it was."""
    with tensorflow():
        from tfq_llm.ionq.budget import Settings
        from tfq_llm.pipelines.ionq_finetune import finetune

        settings = Settings(
            max_cost,
            max_evaluations,
            method,
            parameters,
            steps,
            learning_rate,
            batch_size=batch_size,
            held_out=held_out,
            seed=seed,
        )
        with _service(run, connection, order, prices, wait) as service:
            ask = _ask(yes, max_cost)
            print(
                finetune(run, service, data, settings, ask, text_column=text_column, label_column=label_column, as_json=as_json)
            )


@contextmanager
def _service(run: Path, connection: Any, order: Any, prices: Path | None, wait: float = 86_400) -> Iterator[Any]:
    """A `tfq_llm.ionq.service.Service` that keeps a run's ledger."""
    from tfq_llm.ionq.prices import price_of
    from tfq_llm.ionq.service import Service, connected

    price = price_of(order.target, prices)
    with stoppable(GOES_ON), connected(run, connection) as jobs:
        yield Service(jobs, order, price, wait)


def _sentences(service: Any, run: Path, data: str, count: int, text_column: str | None, label_column: str | None) -> Any:
    """The `tfq_llm.pipelines.ionq_evaluate.Sentences` of a run, whose model is the one that the ledger belongs to."""
    from tfq_llm.pipelines.ionq_evaluate import sentences

    given = sentences(run, data, count, text_column, label_column)
    service.jobs.ledger.belongs_to(len(given.head.ansatz.qubits))
    return given


def _ask(yes: bool, max_cost: float | None) -> Callable[[str, float], None]:
    """Shows what is going to be sent, and asks if it costs something."""
    from tfq_llm.ionq.service import CostLimit

    limit = CostLimit(max_cost)

    def ask(text: str, dollars: float) -> None:
        print(text, file=sys.stderr)
        limit.spend(dollars)
        if dollars and not yes:
            if not sys.stdin.isatty():
                raise InputError("nobody is there to be asked before spending: give --yes, and --max-cost to be safe.")
            if not typer.confirm(f"Spend ${dollars:,.2f}?", err=True):
                raise InputError("nothing was sent.")

    return ask
