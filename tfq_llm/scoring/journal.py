"""What an unfinished scoring has so far: rows that are appended, and a journal that says how much of them counts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tfq_llm.cache import atomic_file, writable_directory
from tfq_llm.errors import InputError
from tfq_llm.locks import only_holder
from tfq_llm.scoring.inputs import START, Position
from tfq_llm.scoring.outputs import WHOLE

JOURNAL, ROWS, BAD_ROWS, LOCK = "journal.json", "rows", "bad-rows.jsonl", ".lock"


@dataclass(frozen=True)
class State:
    """How far a scoring is.

    Attributes:
        position: where the next row of the input begins.
        rows, bad: how many were scored and left out.
        row_bytes, bad_bytes: how much of the two files counts; what is behind was being written when a process was killed.
        counts: rows of each class.
        truncated: scored texts that are longer than the model reads.
        seconds: spent scoring, over all processes that took part.
        is_complete: whether that is all of the input, which did not change meanwhile.
        digest: SHA-256 of the finished file, which counts before the file is moved to its place; None until then.
    """

    position: Position = START
    rows: int = 0
    bad: int = 0
    row_bytes: int = 0
    bad_bytes: int = 0
    counts: tuple[int, ...] = ()
    truncated: int = 0
    seconds: float = 0.0
    is_complete: bool = False
    digest: str | None = None


class Journal:
    """The working directory beside an output.

    Rows are appended and synced first; then one small file, replaced in one step, counts them. So a process can be killed, or a
    machine lose power, between any two instructions: what the journal does not count is cut off by the next process, which goes
    on from there.

    Args:
        directory: of the working files.
        identity: what has to be the same when a scoring goes on, by what it is called in messages.
        facts: what the first process found out, for those that go on.
        state: how far it is.
    """

    def __init__(self, directory: Path, identity: dict[str, Any], facts: dict[str, Any], state: State) -> None:
        self.directory, self.identity, self.facts, self.state = directory, identity, facts, state
        if state.digest is None:  # else the files may be in their place already
            with self.kept():
                self._cut(ROWS, state.row_bytes)
                self._cut(BAD_ROWS, state.bad_bytes)

    @property
    def rows_file(self) -> Path:
        return self.directory / ROWS

    @property
    def bad_rows_file(self) -> Path:
        return self.directory / BAD_ROWS

    def append(self, state: State, rows: bytes, bad_rows: bytes) -> None:
        """Makes rows and bad rows count, with the state after them; sizes are added here.

        Raises:
            InputError: they cannot be written; what counted before still does.
        """
        grown = replace(state, row_bytes=self.state.row_bytes + len(rows), bad_bytes=self.state.bad_bytes + len(bad_rows))
        with self.kept():
            self._append(ROWS, rows)
            self._append(BAD_ROWS, bad_rows)
            self._write(grown)
        self.state = grown

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Raises InputError for what cannot be written within: what counts is kept."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"cannot write to '{error.filename or self.directory}' ({error.strerror or error}); {self.state.rows:,} rows are "
                "kept. Mend that and give the same command again: it goes on behind them."
            ) from error

    def remove(self) -> None:
        """Deletes the working files, the journal last; the directory and its lock go when `locked` ends."""
        _remove(self.directory)

    def _append(self, name: str, data: bytes) -> None:
        if data:
            with (self.directory / name).open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())

    def _cut(self, name: str, size: int) -> None:
        path = self.directory / name
        found = path.stat().st_size if path.exists() else 0
        if found < size:
            raise InputError(
                f"'{path}' has {found:,} bytes, and {size:,} were written: it was changed. Delete '{self.directory}' to begin "
                "anew."
            )
        if path.exists():
            os.truncate(path, size)

    def _write(self, state: State) -> None:
        with atomic_file(self.directory / JOURNAL) as temporary, temporary.open("w", encoding="utf-8") as file:
            json.dump({"identity": self.identity, "facts": self.facts, "state": asdict(state)}, file)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Makes the working directory, and keeps other processes out of it meanwhile; deletes it if there is no journal at the end.

    Raises:
        InputError: it cannot be written, or another process works in it.
    """
    writable_directory(directory, "Name an --output where you can write.")
    refusal = f"another process is scoring into '{directory}': wait for it, or give another --output."
    with only_holder(directory / LOCK, refusal):
        for name in (JOURNAL, WHOLE):
            for leftover in directory.glob(f".{Path(name).stem}.*"):
                leftover.unlink()
        try:
            yield
        finally:
            if not (directory / JOURNAL).exists():
                _remove(directory)
                (directory / LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # something else was put into it, or another process begins
                    directory.rmdir()


def _remove(directory: Path) -> None:
    for name in (ROWS, BAD_ROWS, WHOLE, JOURNAL):
        (directory / name).unlink(missing_ok=True)


def begun(directory: Path) -> tuple[dict[str, Any], dict[str, Any], State] | None:
    """Identity, facts and state of the scoring in a directory; None if none was begun.

    Raises:
        InputError: the journal is damaged.
    """
    try:
        found = json.loads((directory / JOURNAL).read_text(encoding="utf-8"))
        state = found["state"]
        state["position"], state["counts"] = Position(*state["position"]), tuple(state["counts"])
        return found["identity"], found["facts"], State(**state)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"'{directory / JOURNAL}' is damaged ({error}): delete '{directory}' to begin anew.") from error


def check_same(directory: Path, there: dict[str, Any], now: dict[str, Any], hints: dict[str, str]) -> None:
    """Raises InputError if what is scored now is not what was begun; `hints` has more sentences on what may have changed."""
    changed = [name for name in now if there.get(name) != now[name]]
    if changed:
        hint = "".join(hints.get(name, "") for name in changed)
        raise InputError(
            f"'{directory}' holds a scoring that was begun with another {' and another '.join(changed)}. Give the same command "
            f"to go on, another --output, or delete that directory to begin anew.{hint}"
        )
