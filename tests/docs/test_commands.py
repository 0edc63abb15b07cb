"""Every command that README and docs print is one that there is, with arguments and options that it takes.

The suite runs nothing here; `make docs-commands`, which is a campaign, runs those that can be run with the default data.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys

import pytest
import typer

from tests.docs.pages import OTHERS, ROOT, Command, commands
from tfq_llm.cli import app

COMMANDS = commands()
GROUP = typer.main.get_command(app)


def test_pages_have_commands():
    found = {str(command) for command in COMMANDS}
    assert "README.md: make demo" in found
    assert 'README.md: pip install ".[tfds]" -c constraints.txt' in found
    assert "ionq.md: tfq-llm ionq status runs/demo --host http://127.0.0.1:8765" in found
    assert "studies.md: tfq-llm study compare --workers 2" in found


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_is_as_printed(command: Command):
    text = command.text
    if loop := re.fullmatch(r"for (\w+) in (\S+) .*; do (.*); done", text):
        text = loop[3].replace(f"${loop[1]}", loop[2])  # the first turn
    for part in re.split(r" && | \| ", text):
        check(command, shlex.split(part))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tfq-llm train demo --sead 3", "No such option"),
        ("tfq-llm trian demo", "No such command"),
        ("tfq-llm ionq evaluate runs/demo", "Missing option"),
        ("tfq-llm draw demo --qubits four", "Invalid value"),
    ],
)
def test_a_wrong_command_is_found_out(text: str, said: str):
    with pytest.raises(typer.TyperException) as error:
        check(Command("a page", text, True), shlex.split(text))
    assert said in error.value.format_message()


def check(command: Command, words: list[str]) -> None:
    """Fails for a command that does not go, as far as that can be seen without running it."""
    program, arguments = words[0].rpartition("/")[2], words[1:]
    if program == "tfq-llm":
        check_tfq_llm(arguments, command.whole)
    elif program == "make":
        subprocess.run(["make", "--dry-run", f"PYTHON={sys.executable}", *arguments], cwd=ROOT, check=True, capture_output=True)
    elif program.startswith("python") and arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]), f"{command}: there is no module {arguments[1]}"
    elif program == "pip":
        check_pip(arguments)
    else:
        assert program in OTHERS, f"{command}: what is '{program}'?"


def check_tfq_llm(arguments: list[str], whole: bool) -> None:
    """Parses without running. Of the beginning of a command, names and options are looked up."""
    arguments = arguments[: arguments.index(">")] if ">" in arguments else arguments
    name, command, context = "tfq-llm", GROUP, None
    while hasattr(command, "commands") and arguments:
        context = command.make_context(name, arguments, context)
        name, command, arguments = command.resolve_command(context, arguments)
    if whole:
        command.make_context(name, arguments, context)
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in arguments if word.startswith("--")} <= known | {"--help"}


def check_pip(arguments: list[str]) -> None:
    extras = re.findall(r"\.\[(\w+)\]", " ".join(arguments))
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert all(f'"{extra}": ' in setup for extra in extras)
    assert all((ROOT / arguments[place + 1]).exists() for place, word in enumerate(arguments) if word == "-c")


@pytest.mark.campaign
def test_what_can_be_run_with_the_default_data_runs_as_printed():
    ended = subprocess.run([sys.executable, "-m", "tests.docs.run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
