"""A running emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ionq.emulator.wire import Caller
from tfq_llm.ionq.emulator import Emulator


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def caller(emulator: Emulator) -> Caller:
    return Caller(emulator)
