"""`python -m tfq_llm.ionq.emulator`: serves until it is stopped."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tfq_llm.errors import InputError
from tfq_llm.ionq.emulator.server import DEFAULT_KEY, HOST, serve


def main(
    port: Annotated[int, typer.Option(help="Where to listen; 0 for any port that is free.")] = 8765,
    host: Annotated[str, typer.Option(help="Of the loopback.")] = HOST,
    noise: Annotated[str, typer.Option(help="Of the quantum computers' gates: none, aria-1 or forte-1.")] = "none",
    readout: Annotated[tuple[float, float], typer.Option(help="Probabilities with which they read 0 as 1, and 1 as 0.")] = (
        0.0,
        0.0,
    ),
    queue_seconds: Annotated[float, typer.Option(help="How long a job waits.")] = 0.0,
    run_seconds: Annotated[float, typer.Option(help="How long it runs, at least.")] = 0.0,
    rate_limit: Annotated[float | None, typer.Option(help="Requests a second.")] = None,
    seed: Annotated[int, typer.Option(help="Of all draws and ids.")] = 0,
    key: Annotated[
        str, typer.Option(envvar="IONQ_EMULATOR_KEY", show_envvar=True, help="What callers authenticate with.")
    ] = DEFAULT_KEY,
    fault: Annotated[list[str] | None, typer.Option(help="What it does wrong, as in 'lost on=submit times=2'.")] = None,
    trace: Annotated[Path | None, typer.Option(help="A file for its requests, as JSON lines.")] = None,
) -> None:
    """A local stand-in for IonQ's service."""
    try:
        serve(
            port,
            host,
            noise=noise,
            readout=readout,
            queue_seconds=queue_seconds,
            run_seconds=run_seconds,
            rate_limit=rate_limit,
            seed=seed,
            key=key,
            faults=fault or [],
            trace=trace,
        )
    except InputError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(main)
