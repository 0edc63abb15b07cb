"""The commands `tfq-llm ionq …` that look after jobs that were sent."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tfq_llm.cli_ionq_options import RunPlace, connection_of, with_options
from tfq_llm.cli_options import AsJson


@with_options(connection=connection_of)
def ionq_status(
    run: RunPlace,
    connection: Any,
    as_json: AsJson = False,
) -> None:
    """Say how every job sent from RUN is."""
    from tfq_llm.ionq.service import connected
    from tfq_llm.pipelines.ionq_jobs import status

    with connected(run, connection) as jobs:
        print(status(jobs, as_json=as_json))


@with_options(connection=connection_of)
def ionq_fetch(
    run: RunPlace,
    connection: Any,
) -> None:
    """Fetch the results of completed jobs, without waiting for others."""
    from tfq_llm.ionq.service import connected
    from tfq_llm.pipelines.ionq_jobs import fetch

    with connected(run, connection) as jobs:
        print(fetch(jobs))


@with_options(connection=connection_of)
def ionq_cancel(
    run: RunPlace,
    connection: Any,
    names: Annotated[list[str] | None, typer.Argument(metavar="JOB", help="Names, as 'status' has them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are not finished.")] = False,
) -> None:
    """Cancel jobs that are not finished."""
    from tfq_llm.ionq.service import connected
    from tfq_llm.pipelines.ionq_jobs import cancel

    with connected(run, connection) as jobs:
        print(cancel(jobs, names or [], everything=everything))


@with_options(connection=connection_of)
def ionq_list(
    run: RunPlace,
    connection: Any,
    limit: Annotated[int, typer.Option(min=1, help="How many, the last ones.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the last jobs at the service, whoever sent them; RUN's are marked."""
    from tfq_llm.ionq.service import connected
    from tfq_llm.pipelines.ionq_jobs import list_jobs

    with connected(run, connection) as jobs:
        print(list_jobs(jobs, limit, as_json=as_json))
