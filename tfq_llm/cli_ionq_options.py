"""The options of the commands `tfq-llm ionq …`, and what is made of them."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tfq_llm.errors import InputError

RunPlace = Annotated[
    Path, typer.Argument(metavar="RUN", help="The run directory; what was sent and what came back is kept in it.")
]
Host = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The service. Default: IonQ's. The stand-in's is printed by 'tfq-llm ionq emulate'."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A file of mode 600 with the API key. Default: the environment's IONQ_API_KEY."),
]
ApiVersion = Annotated[str, typer.Option(help="v0.4, in a worker process of its own, or v0.3.")]
Target = Annotated[str, typer.Option(help="As IonQ names it: qpu.forte-1, qpu.aria-1 or simulator; others by --prices.")]
Shots = Annotated[int, typer.Option(help="Of each sentence.")]
NumSentences = Annotated[int, typer.Option("--sentences", help="How many; classes in proportion. More begin with the same ones.")]
Noise = Annotated[str | None, typer.Option(help="For the target simulator: the machine whose noise it has, such as forte-1.")]
NoiseSeed = Annotated[int | None, typer.Option(help="Of that noise.")]
Debias = Annotated[bool, typer.Option(help="IonQ's debiasing. It has a higher least price.")]
Sharpen = Annotated[bool, typer.Option(help="Debiased results by majority, and not by mean. Both come with the same job.")]
Repetition = Annotated[int, typer.Option(min=0, help="Another number runs the same circuits again, and is paid for again.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before spending.")]
MaxCost = Annotated[float | None, typer.Option(metavar="USD", help="Refuse to send for more.")]
Prices = Annotated[Path | None, typer.Option(metavar="FILE", help="Prices in place of the table's, as YAML.")]
Wait = Annotated[float, typer.Option(min=0, help="For how many seconds results are waited for.")]
Deadline = Annotated[float, typer.Option(min=0.1, help="Seconds that one request may take.")]
Settle = Annotated[float, typer.Option(min=0, help="For how many seconds a job is looked for whose reply was lost.")]


def with_options(**builders: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of functions, and what these make of them in their place, by the names of its parameters."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shown = {name: inspect.signature(build, eval_str=True).parameters for name, build in builders.items()}

        @functools.wraps(command)
        def call(**given: Any) -> None:
            made = {name: builders[name](**{option: given.pop(option) for option in options}) for name, options in shown.items()}
            command(**given, **made)

        own = inspect.signature(command, eval_str=True).parameters
        parameters = [own[name] for name in own if name not in builders]
        parameters += [
            option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for options in shown.values() for option in options.values()
        ]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return call

    return decorate


def connection_of(
    host: Host = None,
    key_file: KeyFile = None,
    api_version: ApiVersion = "v0.4",
    deadline: Deadline = 30.0,
    settle: Settle = 60.0,
) -> Any:
    """A `tfq_llm.ionq.service.Connection`."""
    from tfq_llm.ionq.service import Connection

    if not 2 * deadline <= settle < math.inf:
        least = f"twice --deadline, {2 * deadline:g} s"
        raise InputError(f"--settle must be at least {least}, not {settle:g}: a request may be on its way still.")
    return Connection(host, key_file, api_version, deadline, settle_seconds=settle)


def order_of(
    target: Target = "qpu.forte-1",
    shots: Shots = 1000,
    noise: Noise = None,
    noise_seed: NoiseSeed = None,
    debias: Debias = False,
    sharpen: Sharpen = False,
    repetition: Repetition = 0,
) -> Any:
    """A `tfq_llm.ionq.orders.Order`."""
    from tfq_llm.ionq.orders import Order

    return Order(target, shots, noise, noise_seed, debias, sharpen, repetition)
