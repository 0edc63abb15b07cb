"""The commands that keep trained models and put them to use: `keep-head`, `export`, `serve`, `score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfq_llm.cli_options import ReadRun, TextColumn, public_command, tensorflow
from tfq_llm.cli_stopping import GOES_ON, KEEPS_NOTHING, stoppable, stoppable_by_sigterm
from tfq_llm.model_paths import model_path


def export(
    run: ReadRun,
    to: Annotated[
        Path,
        typer.Option(
            metavar="DIR/NAME[/VERSION]",
            help="Such as served/movie-reviews, or served/movie-reviews/3: a last part that is a number is the version, and one "
            "like v2 or 1.0 is refused. Default version: the next one.",
        ),
    ],
    signature: Annotated[
        str,
        typer.Option(help="plain: operators of TensorFlow and TF-Text alone. tfq: TensorFlow Quantum's too, which can sample."),
    ] = "plain",
    head_only: Annotated[bool, typer.Option("--head-only", help="Without the sentence encoder: embeddings in.")] = False,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="SPDX",
            help="Of the model, for the card, such as Apache-2.0; sentence encoder and data have theirs there. Default: a saved "
            "head's own, and 'other' for a run's model.",
        ),
    ] = None,
) -> None:
    """Write a trained model as a SavedModel that stock TensorFlow Serving can load, with a model card.

    NAME is a directory of its own, with a folder for every version: not within another model's, nor a saved head's or a run's.
    """
    with stoppable_by_sigterm(KEEPS_NOTHING), tensorflow():
        from tfq_llm.pipelines.export import export as run_export

        print(run_export(run, to, signature, head_only, licence, public_command()))


def keep_head(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Finished runs; of several, the one with the lowest validation loss is kept."),
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="The directory to write, such as saved_models/NAME.")],
    examples: Annotated[
        list[str] | None,
        typer.Option("--example", metavar="TEXT", help="A text whose prediction the card shows; may be repeated."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="SPDX", help="Of the head, for its card and those of exports, such as Apache-2.0.")
    ] = None,
    made_by: Annotated[
        list[str] | None, typer.Option(metavar="COMMAND", help="What made it, for the card; may be repeated.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a saved head that is there.")] = False,
) -> None:
    """Keep the head of a run whose sentence encoder was not trained as a small directory with a card.

    Commands that use a run take it, too.
    """
    with stoppable_by_sigterm(KEEPS_NOTHING), tensorflow():
        from tfq_llm.pipelines.keep_head import keep_head as keep

        print(keep(runs, to, examples=examples or (), licence=licence, commands=made_by or (), replace=replace))


def score(
    model: Annotated[
        Path, typer.Argument(metavar="DIR", help="An exported model, a finished run or a saved head.", callback=model_path)
    ],
    given: Annotated[Path, typer.Option("--input", metavar="FILE", help="A .csv, .jsonl or .parquet with a text a row.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="A .csv, .jsonl or .parquet; it appears when it is complete.")],
    text_column: TextColumn = None,
    keep_columns: Annotated[bool, typer.Option("--keep-columns", help="Write the input's columns too.")] = False,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="List rows that cannot be scored in a file of their own, and go on.")
    ] = False,
    chunk_rows: Annotated[int, typer.Option(min=1, help="Rows that are scored and kept at a time.")] = 2048,
    cluster: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Ray cluster to score on: HOST:PORT, or auto.")] = None,
) -> None:
    """Score a file of any size in bounded memory. A scoring that was stopped goes on when the same command is given again."""
    with stoppable(GOES_ON), tensorflow():
        from tfq_llm.pipelines.score import score as run
        from tfq_llm.scoring import Job

        print(run(Job(model, given, output, text_column, keep_columns, skip_bad_rows, chunk_rows, cluster)))


def serve(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An exported model, or one of its versions.")],
    name: Annotated[str | None, typer.Option(help="Of the model, in addresses. Default: the directory's.")] = None,
    host: Annotated[str, typer.Option(help="The address to listen on. Any but the loopback's needs --token-file.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.")] = 8501,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file of mode 600 with the token that callers have to send.")
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Pages of this origin may call. May be given again.")
    ] = None,
    versions: Annotated[int, typer.Option(help="How many are served at once, the newest.")] = 1,
    label: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=VERSION", help="A name of a version, which is served too.")
    ] = None,
    poll: Annotated[float, typer.Option(metavar="SECONDS", help="How often new versions are looked for.")] = 2.0,
    max_batch: Annotated[int, typer.Option(metavar="ROWS", help="That the model is called with at once.")] = 32,
    max_wait: Annotated[float, typer.Option(metavar="MS", help="That a batch waits for as many rows as came before.")] = 2.0,
    max_queue: Annotated[int, typer.Option(metavar="ROWS", help="That may wait for the model; beyond, 429.")] = 1024,
    max_rows: Annotated[int, typer.Option(metavar="ROWS", help="Of one request; beyond, 413.")] = 256,
    max_body: Annotated[int, typer.Option(metavar="BYTES", help="Of one request; beyond, 413.")] = 2**22,
    max_requests: Annotated[int, typer.Option(help="In progress at once; beyond, 503.")] = 1024,
    max_bytes: Annotated[
        int, typer.Option(metavar="BYTES", help="Of all requests in progress; beyond, 503 for bodies above 64 KiB.")
    ] = 2**28,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="From request to answer; beyond, 504.")] = 30.0,
) -> None:
    """Serve an exported model: TensorFlow Serving's REST API, and a page at /. SIGTERM or Ctrl-C stops it."""
    with tensorflow():
        from tfq_llm.pipelines.serve import limits
        from tfq_llm.pipelines.serve import serve as run_server

        run_server(
            directory,
            token_file=token_file,
            labels=label or [],
            name=name,
            host=host,
            port=port,
            cors_origins=tuple(cors_origin or ()),
            versions=versions,
            poll_seconds=poll,
            limits=limits(
                batch_rows=max_batch,
                batch_wait_ms=max_wait,
                queue_rows=max_queue,
                request_rows=max_rows,
                body_bytes=max_body,
                requests=max_requests,
                bytes_in_progress=max_bytes,
                timeout=timeout,
            ),
        )
