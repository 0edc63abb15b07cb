"""A local stand-in for IonQ's service, to develop and test against: no account, no cost, and faults on request.

`gates` and `machine` simulate circuits; `submissions` reads what is sent, by `bodies` and `wire_gates`; `jobs` keeps it; `v03`
and `v04` speak the two APIs; `desk` is what every request passes, with its `faults` and its `trace`; `server` runs it all.
"""

from tfq_llm.ionq.emulator.faults import Fault
from tfq_llm.ionq.emulator.server import DEFAULT_KEY, NOISES, Emulator, serve

__all__ = ["DEFAULT_KEY", "NOISES", "Emulator", "Fault", "serve"]
