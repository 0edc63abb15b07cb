"""Runs cases one after another: the stand-in in a process of its own, every attempt in another, and the checks after them."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cirq
import numpy as np

from tests.faults import attempt
from tests.faults.cases import DEADLINE, NO_KILL, RETRY_AFTER, RETRY_SECONDS, SETTLE_SECONDS, WAIT_SECONDS, Case, Kill
from tests.faults.kill import KILLED_NOTE
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.emulator import serve
from tfq_llm.ionq.ledger import Ledger, ledger_path

QUEUE_SECONDS = 1.0
"""How long jobs wait at the stand-in for cases that need a queue."""

START_SECONDS = {"v0.3": 4.0, "v0.4": 40.0}
"""What an attempt may take besides its waits: a process starts, for v0.4 another, on a machine that is busy."""

CLEAN_ATTEMPTS = 3
_TRIES = 3
# A stand-in is replaced after so many cases: by then its list of jobs has several pages.
_CASES = 80
_ENDING_SECONDS = 3.0
# A request that is delayed is obeyed within its delay and this time, though nobody may wait for it any more.
_OBEYED_SECONDS = 0.2


def bound(case: Case) -> float:
    """Seconds that one attempt may take.

    A read is tried for RETRY_SECONDS and its last try takes DEADLINE. A submission takes DEADLINE, and then the job is looked for
    during SETTLE_SECONDS, or Retry-After is waited for; it is tried three times. Status and results are read anew three times
    before `wait` gives up, the cost once. What a process killed before left unsettled takes SETTLE_SECONDS first.
    """
    read = RETRY_SECONDS + DEADLINE
    submission = DEADLINE + SETTLE_SECONDS + RETRY_AFTER
    waits = {"submit": _TRIES * submission, "list": _TRIES * read, "job": _TRIES * read, "results": _TRIES * read}
    waits |= {"cost": read, "cancel": read}
    if case.fault == "404":
        waits["job"] = WAIT_SECONDS + read
    queue = QUEUE_SECONDS if case.is_patient else 0.0
    helped = read if case.helper else 0.0
    return START_SECONDS[case.version] + queue + case.jobs * (SETTLE_SECONDS + helped + waits.get(case.phase, 0.0))


@dataclass
class Outcome:
    """What a case showed.

    Attributes:
        number: of the case.
        lost: results are missing after the last attempt, wrong, or the ledger contradicts the service.
        duplicates: jobs at the service that are there twice.
        late: attempts that took longer than their bound.
        leaked: files that hold the key.
        damaged: the ledger fails its check.
        left_behind: processes that outlived the attempts.
        crashed: attempts that ended with an error that is no message to users.
        met: requests that met the fault.
        killed: whether the kill took place.
        attempts: how many.
        seconds: of the longest attempt.
        share: of its bound.
        notes: what to read first.
    """

    number: int
    lost: int = 0
    duplicates: int = 0
    late: int = 0
    leaked: int = 0
    damaged: int = 0
    left_behind: int = 0
    crashed: int = 0
    met: int = 0
    killed: bool = False
    attempts: int = 0
    seconds: float = 0.0
    share: float = 0.0
    notes: list[str] = field(default_factory=list)

    WRONGS = ("lost", "duplicates", "late", "leaked", "damaged", "left_behind", "crashed")

    @property
    def passed(self) -> bool:
        return not any(getattr(self, name) for name in self.WRONGS)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class StandIn:
    """The stand-in, in a process of its own.

    Args:
        trace: a file for its requests.
        queue_seconds: how long jobs wait.
    """

    def __init__(self, trace: Path, queue_seconds: float) -> None:
        self.trace, self._read_to = trace, 0
        reading, writing = os.pipe()
        self.pid = forked(functools.partial(_serve, writing, trace, queue_seconds))
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as said:
            found = re.search(r"http://[\d.]+:\d+", said.readline())
        assert found is not None, "the stand-in does not start"
        self.url = found[0]

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def ask(self, method: str, what: str, value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}/emulator/{what}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def jobs(self) -> list[dict[str, Any]]:
        return self.ask("GET", "jobs")["jobs"]

    def traced(self) -> bytes:
        """What was traced since the last time."""
        with self.trace.open("rb") as file:
            file.seek(self._read_to)
            found = file.read()
        self._read_to += len(found)
        return found


def _serve(writing: int, trace: Path, queue_seconds: float) -> int:
    os.dup2(writing, 1)
    os.close(writing)
    serve(0, key=attempt.KEY, trace=trace, queue_seconds=queue_seconds, run_seconds=queue_seconds / 10)
    return 0


def forked(work: Callable[[], int]) -> int:
    """The id of a new process that does some work and ends with its code."""
    pid = os.fork()
    if pid:
        return pid
    code = attempt.CRASHED
    try:
        code = work()
    finally:
        os._exit(code)


class Runner:
    """Runs cases.

    Args:
        directory: for their run directories, one each.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stand_ins: dict[bool, tuple[StandIn, int]] = {}
        self._made = 0

    def close(self) -> None:
        for stand_in, _ in self._stand_ins.values():
            stand_in.close()
        self._stand_ins = {}

    def _stand_in(self, is_patient: bool) -> StandIn:
        stand_in, used = self._stand_ins.get(is_patient, (None, _CASES))
        if stand_in is None or used >= _CASES:
            if stand_in is not None:
                stand_in.close()
            self._made, used = self._made + 1, 0
            trace = self._directory / f"trace-{os.getpid()}-{self._made}.jsonl"
            stand_in = StandIn(trace, QUEUE_SECONDS if is_patient else 0.0)
        self._stand_ins[is_patient] = stand_in, used + 1
        return stand_in

    def run(self, case: Case) -> Outcome:
        return _Trial(case, self._stand_in(case.is_patient), self._directory / f"case-{case.number}-{os.getpid()}").outcome()


class _Trial:
    """A case while it is run."""

    def __init__(self, case: Case, stand_in: StandIn, directory: Path) -> None:
        self.case, self.stand_in, self.directory = case, stand_in, directory
        self.found = Outcome(case.number)
        self._before = {job["id"] for job in stand_in.jobs()}

    def outcome(self) -> Outcome:
        self.directory.mkdir()
        self.stand_in.traced()
        succeeded = self._attempts()
        self.stand_in.ask("DELETE", "faults")
        self._check_processes()
        self._check_ledger()
        self._check_results(succeeded)
        self._check_jobs()
        self._check_key()
        return self.found

    def _attempts(self) -> bool:
        """Up to two with the fault, and the kill as long as it has not taken place; then clean ones until one succeeds."""
        for fault in self.case.faults:
            self.stand_in.ask("POST", "faults", fault)
        disturbed = 1 if self.case.kill is NO_KILL or self.case.scenario not in ("evaluate", "cancel") else 2
        for number in range(disturbed + CLEAN_ATTEMPTS):
            is_disturbed = number < disturbed
            if number == disturbed:
                self.stand_in.ask("DELETE", "faults")
            if self._is_done(is_disturbed and not self.found.killed, number):
                return True
        return False

    def _is_done(self, armed: bool, number: int) -> bool:
        kill = self.case.kill if armed else None
        if number == 0 and self.case.scenario == "two processes":
            return attempt.DONE in self._both(kill)
        return self._wait(self._start(kill), kill) == attempt.DONE

    def _start(self, kill: Kill | None) -> int:
        self.found.attempts += 1
        return forked(functools.partial(attempt.run, self.case, self.stand_in.url, self.directory, kill))

    def _both(self, kill: Kill | None) -> list[int]:
        first = self._start(None)
        time.sleep(kill.seconds or 0.0 if kill else 0.0)
        second = self._start(None)
        return [self._wait(pid, None, may_refuse=True) for pid in (first, second)]

    def _wait(self, pid: int, kill: Kill | None, *, may_refuse: bool = False) -> int:
        """How a process ended; it is ended if that takes too long."""
        began, most = time.monotonic(), bound(self.case)
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
            passed = time.monotonic() - began
            if passed > most:
                self._note(late=1, note=f"an attempt took more than {most:.1f} s")
                os.kill(pid, signal.SIGKILL)
                ended = os.waitpid(pid, 0)
                break
            if kill and not kill.owner and kill.seconds is not None and passed > kill.seconds and not self.found.killed:
                os.kill(pid, signal.SIGKILL)
                self.found.killed = True
            time.sleep(0.005)
        seconds = time.monotonic() - began
        self.found.seconds, self.found.share = max(self.found.seconds, seconds), max(self.found.share, seconds / most)
        code = os.waitstatus_to_exitcode(ended[1])
        if code == attempt.CRASHED or (code == attempt.INPUT_ERROR and not may_refuse):
            self._note(crashed=1, note=self._last_words())
        notes = self.directory / attempt.NOTES
        self.found.killed |= notes.exists() and KILLED_NOTE in notes.read_text(encoding="utf-8")
        return code

    def _last_words(self) -> str:
        lines = (self.directory / attempt.CAPTURED).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def _note(self, note: str = "", **wrongs: int) -> None:
        for name, count in wrongs.items():
            setattr(self.found, name, getattr(self.found, name) + count)
        if note:
            self.found.notes.append(note)

    def _check_processes(self) -> None:
        """What an attempt started ends with it, or shortly after."""
        until = time.monotonic() + _ENDING_SECONDS
        while (left := marked_processes(self.directory.name)) and time.monotonic() < until:
            time.sleep(0.02)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if left:
            self._note(left_behind=len(left), note=f"{len(left)} processes were left behind")

    def _check_ledger(self) -> None:
        try:
            with closing(sqlite3.connect(ledger_path(self.directory))) as database:
                said = database.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.DatabaseError as error:
            said = str(error)
        if said != "ok":
            self._note(damaged=1, note=f"integrity_check: {said[:200]}")

    def _check_results(self, succeeded: bool) -> None:
        if not succeeded:
            self._note(lost=1, note=f"no results after {self.found.attempts} attempts: {self._last_words()}")
            return
        wrong = wrong_values(np.load(self.directory / attempt.VALUES), circuits_of(self.case), self.case.target)
        if wrong:
            self._note(lost=wrong, note=f"{wrong} wrong values")

    def _check_jobs(self) -> None:
        """None twice; and the ledger says of them what the service says."""
        delays = [re.search(r"seconds=([\d.]+)", words) for words in self.case.faults if "when=before" in words]
        if longest := max((float(delay[1]) for delay in delays if delay), default=0.0):
            time.sleep(longest + _OBEYED_SECONDS)
        made = [job for job in self.stand_in.jobs() if job["id"] not in self._before]
        again = sum(job["circuits"] for job in made if not _counts(job))
        surplus = sum(job["circuits"] for job in made) - again - len(circuits_of(self.case))
        if surplus > 0:
            twice = max(1, len(made) - len({job["name"] for job in made}))
            names = ", ".join(f"{job['name'][-8:]} {job['status']}" for job in made)
            self._note(duplicates=twice, note=f"{surplus} circuits were run twice: {names}")
        status = {job["id"]: job["status"] for job in made}
        if self.found.damaged:
            return
        with Ledger(ledger_path(self.directory)) as ledger:
            for job in ledger.jobs(states.DONE, states.CANCELED):
                expected = "completed" if job.state == states.DONE else "canceled"
                if status.get(job.job_id or "") != expected:
                    self._note(lost=1, note=f"{job.name} is {job.state} here and {status.get(job.job_id or '')} at the service")

    def _check_key(self) -> None:
        """No file of the run holds the key, nor an answer that the ledger keeps packed, nor the stand-in's trace."""
        key, traced = attempt.KEY.encode(), self.stand_in.traced()
        self.found.met = _met(traced, self.case)
        files = [path for path in self.directory.rglob("*") if path.is_file()]
        holding = [path.name for path in files if key in path.read_bytes()] + ["the trace"] * (key in traced)
        if not self.found.damaged:
            with Ledger(ledger_path(self.directory)) as ledger:
                kept = json.dumps([ledger.answers(job) for job in ledger.jobs()])
                holding += ["the ledger's answers"] * (attempt.KEY in kept)
        if holding:
            self._note(leaked=len(holding), note=f"the key is in {', '.join(holding)}")


def circuits_of(case: Case) -> BoundCircuits:
    return attempt.circuits_of(case)


def _counts(job: dict[str, Any]) -> bool:
    """Whether its circuits need not be run again."""
    return job["status"] not in ("failed", "canceled", "deleted") and job["ran_on"] == job["target"]


def _met(traced: bytes, case: Case) -> int:
    """How many requests met the fault, or what delayed one."""
    names = {words.split()[0] for words in case.faults}
    return sum(bool(names & set(json.loads(line)["faults"])) for line in traced.splitlines())


def marked_processes(mark: str) -> list[int]:
    """Those that an attempt in this directory started, by a variable in their environment."""
    wanted, found = f"{attempt.MARK}={mark}".encode(), []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with suppress(OSError):
                if wanted in (directory / "environ").read_bytes().split(b"\0"):
                    found.append(int(directory.name))
    return found


def expected_values(circuits: BoundCircuits) -> np.ndarray:
    """⟨Z⟩ [rows, measured] by Cirq's simulator."""
    qubits = cirq.LineQubit.range(circuits.measured)
    simulator = cirq.Simulator(dtype=np.complex128)
    resolvers: list[Any] = [dict(zip(circuits.symbols, row, strict=True)) for row in circuits.values]
    observables: list[Any] = [cirq.PauliString(cirq.Z(qubit)) for qubit in qubits]
    found = simulator.simulate_expectation_values_sweep(circuits.template, observables, resolvers, qubit_order=qubits)
    return np.real(np.array(found))


def wrong_values(values: np.ndarray, circuits: BoundCircuits, target: str) -> int:
    """How many are not what they must be: exact from the simulator, within six standard errors from a machine."""
    exact = expected_values(circuits)
    if values.shape != exact.shape:
        return exact.size
    spread = np.full(exact.shape, 1e-6)
    if target != "simulator":
        spread = 6 * (np.sqrt((1 - exact**2) / attempt.SHOTS) + 1 / attempt.SHOTS)
    return int(np.sum(~(np.abs(values - exact) <= spread)))
