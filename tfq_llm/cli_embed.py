"""The command `tfq-llm embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfq_llm.cli_options import LabelColumn, Overrides, TextColumn, data_settings, tensorflow
from tfq_llm.cli_stopping import GOES_ON, stoppable
from tfq_llm.errors import InputError

# Settings that mean nothing where the sentence encoder stays frozen.
_OF_TUNING = ("tuning.", "split=", "data.per_class=", "data.validation_fraction=")


def embed(
    data: Annotated[str, typer.Option(metavar="NAME_OR_PATH", help="A named set, a file, or a directory of .tsv (data.name).")],
    out: Annotated[Path, typer.Option(metavar="FILE.npz", help="The file to write; it is there when it is whole.")],
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME_OR_PATH", help="minilm, a sentence-transformers directory, a SavedModel or a handle (encoder.name)."
        ),
    ] = None,
    tuned: Annotated[
        bool, typer.Option("--tuned", help="Tune the sentence encoder on the training rows of a draw, and bind its rows.")
    ] = False,
    split: Annotated[int | None, typer.Option(metavar="SEED", min=0, help="Of that draw, as in a study. Default: 0.")] = None,
    per_class: Annotated[
        int | None, typer.Option(min=2, help="Rows per class that are drawn (data.per_class). Default: 256.")
    ] = None,
    overrides: Overrides = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Embed texts by a sentence encoder, for --embeddings of other commands.

    Embedding and tuning that were killed go on when the same command is given again.
    """
    from tfq_llm.studies.config import make_embeddings_config
    from tfq_llm.yaml_settings import text_setting

    options = data_settings(data, text_column, label_column, None)
    options += [text_setting("encoder.name", encoder)] if encoder is not None else []
    options += ["tuning.enabled=true"] if tuned else []
    options += [f"split={split}"] if split is not None else []
    options += [f"data.per_class={per_class}"] if per_class is not None else []
    options += overrides or []
    config = make_embeddings_config(options)
    idle = [option for option in options if option.startswith(_OF_TUNING)]
    if idle and not config.tuning.enabled:
        raise InputError(
            f"{', '.join(idle)}: this is about tuning, and the sentence encoder stays frozen: give --tuned too, or leave it out."
        )
    with stoppable(GOES_ON), tensorflow():
        from tfq_llm.pipelines.embed import embed as write

        print(write(config, out, overwrite=overwrite))
