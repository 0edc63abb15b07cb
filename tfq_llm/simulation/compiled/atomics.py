"""A counter that threads share, for kernels: how one that is done early waits for the others without going to sleep.

Waking a sleeping thread takes longer than many a circuit.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Roughly 0.1 ms; after that, sleeping is cheaper.
_PAUSES = 2500


@intrinsic
def count_up(typing: Any, counter: Any) -> Any:
    """Adds 1 to the first element of an int64 array; what this thread wrote before is then seen by whoever sees the count."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        one = ir.Constant(ir.IntType(64), 1)
        builder.atomic_rmw("add", _first(context, builder, signature, arguments), one, "seq_cst")
        return context.get_dummy_value()

    return types.none(counter), generate


@intrinsic
def _count(typing: Any, counter: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_first(context, builder, signature, arguments), "seq_cst", align=8)

    return types.int64(counter), generate


@intrinsic
def _pause(typing: Any) -> Any:
    """Tells the processor that this thread is waiting."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause")
        builder.call(function, [])
        return context.get_dummy_value()

    return types.none(), generate


def _first(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    return context.make_array(signature.args[0])(context, builder, arguments[0]).data


@numba.njit
def wait_for(counter, count):
    """Waits until the counter has reached `count`, but not for long."""
    for _ in range(_PAUSES):
        if _count(counter) >= count:
            return
        _pause()
