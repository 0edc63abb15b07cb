"""The commands `tfq-llm ionq …`: the group, and those of its commands that send nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfq_llm.cli_ionq_jobs import ionq_cancel, ionq_fetch, ionq_list, ionq_status
from tfq_llm.cli_ionq_options import Prices, Shots, Target
from tfq_llm.cli_ionq_run import ionq_evaluate, ionq_finetune, ionq_mitigation, ionq_submit
from tfq_llm.cli_options import AsJson, LabelColumn, LabelledData, ReadRun, TextColumn, tensorflow
from tfq_llm.ionq.credentials import EMULATOR_KEY

ionq_app = typer.Typer(no_args_is_help=True, help="Run trained models on IonQ's machines.")


@ionq_app.command("estimate")
def ionq_estimate(
    run: ReadRun,
    data: LabelledData,
    shots: Shots = 1000,
    target: Target = "qpu.forte-1",
    budget: Annotated[float | None, typer.Option(metavar="USD", help="Say what so many dollars are enough for.")] = None,
    simulated_rows: Annotated[int, typer.Option(min=1, help="How many sentences to simulate, a stratified part.")] = 200,
    readout_error: Annotated[
        float, typer.Option(min=0, max=1, help="Probability that a measured qubit is read wrongly; IonQ's noise model has none.")
    ] = 0.0,
    prices: Prices = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: AsJson = False,
) -> None:
    """Say what running RUN's model on IonQ would cost, and how accurate it would be. Nothing is sent."""
    with tensorflow():
        from tfq_llm.pipelines.ionq_estimate import estimate

        print(
            estimate(
                run,
                data,
                shots,
                target,
                text_column=text_column,
                label_column=label_column,
                simulated_rows=simulated_rows,
                readout_error=readout_error,
                budget=budget,
                prices=prices,
                as_json=as_json,
            )
        )


ionq_app.command("submit")(ionq_submit)
ionq_app.command("evaluate")(ionq_evaluate)
ionq_app.command("mitigation")(ionq_mitigation)
ionq_app.command("finetune")(ionq_finetune)
ionq_app.command("status")(ionq_status)
ionq_app.command("fetch")(ionq_fetch)
ionq_app.command("cancel")(ionq_cancel)
ionq_app.command("list")(ionq_list)


@ionq_app.command("emulate")
def ionq_emulate(
    noise: Annotated[str, typer.Option(help="Of its machines: none, aria-1 or forte-1.")] = "none",
    readout_error: Annotated[
        tuple[float, float], typer.Option(metavar="P01 P10", help="Probabilities that a 0 is read as 1, and a 1 as 0.")
    ] = (0.0, 0.0),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8765,
    queue_seconds: Annotated[float, typer.Option(min=0, help="How long a job waits.")] = 0.0,
    run_seconds: Annotated[float, typer.Option(min=0, help="How long a job runs, at least.")] = 0.0,
    rate_limit: Annotated[float | None, typer.Option(help="Requests a second; more are answered with 429.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of shots and noise.")] = 0,
    key: Annotated[str, typer.Option(envvar="IONQ_EMULATOR_KEY", help="What callers authenticate with.")] = EMULATOR_KEY,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", help="Such as 'lost on=submit times=2'; docs/ionq.md lists them. May be repeated."),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every request as a line of JSON, without the key.")
    ] = None,
) -> None:
    """Run a stand-in for IonQ's service on this machine: no account, no cost, the same API, noise and faults as wanted."""
    from tfq_llm.ionq.emulator import serve

    serve(
        port,
        noise=noise,
        readout=readout_error,
        queue_seconds=queue_seconds,
        run_seconds=run_seconds,
        rate_limit=rate_limit,
        seed=seed,
        key=key,
        faults=faults or [],
        trace=trace,
    )
