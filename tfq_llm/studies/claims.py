"""Claims to test rows: of all trials that might score the same rows, one may, ever."""

from __future__ import annotations

import hashlib
import json

from tfq_llm.errors import InputError
from tfq_llm.studies.places import Place


class Claims:
    """The claims of a study.

    Args:
        at: where the study is kept.
    """

    def __init__(self, at: Place) -> None:
        self._place = at
        self._holders: dict[str, str] | None = None

    def take(self, key: str, name: str) -> None:
        """Says that a trial scores test rows: of all trials with the same key one may, ever.

        Of two processes that claim a key at the same time one gets it. That is certain in a directory (also a shared one, if its
        file system has hard links) and in stores with conditional puts, such as S3, Google's and Azure's; elsewhere fsspec looks
        and then writes, and both may get it if they come within that time.

        Args:
            key: whose score of which rows, such as the arm with its data, split and seed.
            name: of the trial.

        Raises:
            InputError: another trial has the claim.
        """
        holders = self.holders()
        holder = holders.get(key) or self._new_claim(key, name)
        holders[key] = holder
        if holder != name:
            raise InputError(
                f"the test rows of this split were already scored for this arm with other settings: {key} belongs to the trial "
                f"{holder}, and {name} wants it now. Test rows are scored once for an arm, or they would choose its settings: "
                f"undo the change, or begin a new study in another directory."
            )

    def holders(self) -> dict[str, str]:
        """Which trial has the claim, by key. One listing, the first time."""
        if self._holders is None:
            files = self._place.read_many(f"claims/{file}" for file in self._place.names("claims"))
            self._holders = dict(pair for pair in map(_claim, files.values()) if pair)
        return self._holders

    def _new_claim(self, key: str, name: str) -> str:
        """Writes a claim and returns who has it."""
        path = f"claims/{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        data = json.dumps({"key": key, "trial": name}, indent=1).encode()
        if not self._place.create(path, data):
            held = _claim(self._place.read(path) or b"")
            if held:
                return held[1]
            # It was not written to its end, so the trial that it was for was never begun.
            self._place.write(path, data)
        return name


def _claim(data: bytes) -> tuple[str, str] | None:
    """Key and trial of a claim; None if it is not complete."""
    try:
        claim = json.loads(data)
        return str(claim["key"]), str(claim["trial"])
    except (ValueError, KeyError, TypeError):
        return None
