"""SIMD numbers for numba: one machine vector of samples, real or complex, as a value that stays in registers.

numba's own loops leave it to the compiler whether sums stay in registers; here the kernels say so. A row of a state is `LANES`
samples of one amplitude, one cache line of reals. An array of complex dtype holds a row as its real parts followed by its
imaginary parts (planar), so that complex arithmetic needs no shuffling; `planes` views such an array from NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

_CACHE_LINE = 64


def lanes_of(dtype: Any) -> int:
    """Samples in a row: 16 in single precision, 8 in double, whether real or complex."""
    return _CACHE_LINE // real_type(dtype).itemsize


def real_type(dtype: Any) -> np.dtype:
    """The dtype of a number's real part."""
    return np.zeros(0, dtype).real.dtype


def aligned(count: int, dtype: Any) -> np.ndarray:
    """Uninitialised array [count] that starts at a cache line, as the kernels' loads assume."""
    size = count * np.dtype(dtype).itemsize
    raw = np.empty(size + _CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % _CACHE_LINE
    return raw[start : start + size].view(dtype)


class VectorType(types.Type):
    """numba's type of a vector: `dtype` is the element's type, float or complex."""

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: VectorType) -> None:
        super().__init__(manager, fe_type, _llvm_type(fe_type.dtype))


def _real_of(dtype: Any) -> Any:
    return dtype.underlying_float if isinstance(dtype, types.Complex) else dtype


def _plane(dtype: Any) -> ir.VectorType:
    real = _real_of(dtype)
    return ir.VectorType(ir.FloatType() if real == types.float32 else ir.DoubleType(), _CACHE_LINE * 8 // real.bitwidth)


def _llvm_type(dtype: types.Type) -> ir.Type:
    plane = _plane(dtype)
    return ir.LiteralStructType([plane, plane]) if isinstance(dtype, types.Complex) else plane


def _is_complex(number: Any) -> bool:
    return isinstance(number.dtype, types.Complex)


def _parts(builder: ir.IRBuilder, kind: Any, value: Any) -> tuple[Any, Any]:
    """The real and the imaginary plane; None for the imaginary plane of a real vector."""
    if not _is_complex(kind):
        return value, None
    return builder.extract_value(value, 0), builder.extract_value(value, 1)


def _joined(builder: ir.IRBuilder, kind: Any, real: Any, imaginary: Any) -> Any:
    if not _is_complex(kind):
        return real
    pair = builder.insert_value(ir.Constant(_llvm_type(kind.dtype), ir.Undefined), real, 0)
    return builder.insert_value(pair, imaginary, 1)


def _fma(builder: ir.IRBuilder, a: Any, b: Any, c: Any) -> Any:
    plane = a.type
    name = f"llvm.fmuladd.v{plane.count}f{32 if isinstance(plane.element, ir.FloatType) else 64}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(plane, [plane] * 3), name)
    return builder.call(function, [a, b, c])


def _plane_pointers(context: Any, builder: ir.IRBuilder, array_type: Any, array: Any, offset: Any) -> list[Any]:
    """Where the planes of the row that starts at element `offset` lie."""
    plane = _plane(array_type.dtype)
    data = context.make_array(array_type)(context, builder, array).data
    scalar = builder.bitcast(data, plane.element.as_pointer())
    if not _is_complex(array_type):
        return [builder.bitcast(builder.gep(scalar, [offset]), plane.as_pointer())]
    first = builder.shl(offset, ir.Constant(offset.type, 1))
    second = builder.add(first, ir.Constant(offset.type, plane.count))
    return [builder.bitcast(builder.gep(scalar, [place]), plane.as_pointer()) for place in (first, second)]


@intrinsic
def lane_count(typing: Any, array: Any) -> Any:
    """`lanes_of` an array's dtype, known when a kernel is compiled."""
    count = _plane(array.dtype).count
    return types.intp(array), lambda context, builder, signature, arguments: ir.Constant(ir.IntType(64), count)


@intrinsic
def load(typing: Any, array: Any, offset: Any) -> Any:
    """The row that starts at element `offset` of a flat array."""
    kind = VectorType(array.dtype)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        pointers = _plane_pointers(context, builder, signature.args[0], *arguments)
        planes = [builder.load(pointer, align=_CACHE_LINE) for pointer in pointers]
        return _joined(builder, kind, planes[0], planes[-1])

    return kind(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, offset: Any, value: Any) -> Any:
    """Writes a vector as the row that starts at element `offset`."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        pointers = _plane_pointers(context, builder, signature.args[0], *arguments[:2])
        for pointer, plane in zip(pointers, _parts(builder, value, arguments[2]), strict=False):
            builder.store(plane, pointer, align=_CACHE_LINE)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), generate


@intrinsic
def splat(typing: Any, array: Any, index: Any) -> Any:
    """Element `index` of an ordinary (not planar) flat array in every lane."""
    kind = VectorType(array.dtype)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        plane = _plane(array.dtype)
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        scalars = builder.bitcast(data, plane.element.as_pointer())
        count = 2 if _is_complex(kind) else 1
        first = builder.mul(arguments[1], ir.Constant(arguments[1].type, count))
        planes = []
        for part in range(count):
            scalar = builder.load(builder.gep(scalars, [builder.add(first, ir.Constant(first.type, part))]))
            undefined = ir.Constant(plane, ir.Undefined)
            lane = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
            planes.append(builder.shuffle_vector(lane, undefined, ir.Constant(ir.VectorType(ir.IntType(32), plane.count), None)))
        return _joined(builder, kind, planes[0], planes[-1])

    return kind(array, types.intp), generate


@intrinsic
def zero(typing: Any, array: Any) -> Any:
    """Zeros, of the kind that rows of `array` have."""
    kind = VectorType(array.dtype)
    return kind(array), lambda context, builder, signature, arguments: ir.Constant(_llvm_type(kind.dtype), None)


@intrinsic
def plus(typing: Any, a: Any, b: Any) -> Any:
    """a + b, of one kind."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        pairs = zip(_parts(builder, a, arguments[0]), _parts(builder, b, arguments[1]), strict=True)
        planes = [builder.fadd(left, right) for left, right in pairs if left is not None]
        return _joined(builder, a, planes[0], planes[-1])

    return a(a, b), generate


@intrinsic
def madd(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c; complex if `c` is, and then `b` may be real."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return _product(builder, (a, b, c), arguments, conjugate=False)

    return c(a, b, c), generate


@intrinsic
def madd_conj(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """conj(a) · b + c."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return _product(builder, (a, b, c), arguments, conjugate=True)

    return c(a, b, c), generate


@intrinsic
def madd_real(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Re(a · b) + c, with `c` real."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        (a_re, a_im), (b_re, b_im) = (_parts(builder, kind, value) for kind, value in zip((a, b), arguments, strict=False))
        found = _fma(builder, a_re, b_re, arguments[2])
        return found if a_im is None or b_im is None else _fma(builder, builder.fneg(a_im), b_im, found)

    return c(a, b, c), generate


def _product(builder: ir.IRBuilder, kinds: tuple[Any, Any, Any], values: Any, conjugate: bool) -> Any:
    parts = [_parts(builder, kind, value) for kind, value in zip(kinds, values, strict=True)]
    (a_re, a_im), (b_re, b_im), (c_re, c_im) = parts
    real = _fma(builder, a_re, b_re, c_re)
    if a_im is None:
        return real
    if conjugate:
        a_im = builder.fneg(a_im)
    imaginary = _fma(builder, a_im, b_re, c_im)
    if b_im is not None:
        real = _fma(builder, builder.fneg(a_im), b_im, real)
        imaginary = _fma(builder, a_re, b_im, imaginary)
    return _joined(builder, kinds[2], real, imaginary)


@intrinsic
def negated_if(typing: Any, a: Any, odd: Any) -> Any:
    """−a where `odd` is not 0, else a."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        value, flag = arguments
        condition = builder.icmp_signed("!=", flag, ir.Constant(flag.type, 0))
        planes = [plane for plane in _parts(builder, a, value) if plane is not None]
        planes = [builder.select(condition, builder.fneg(plane), plane) for plane in planes]
        return _joined(builder, a, planes[0], planes[-1])

    return a(a, odd), generate


@intrinsic
def odd_parity(typing: Any, bits: Any) -> Any:
    """1 if an odd number of bits is set, else 0."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.and_(builder.ctpop(arguments[0]), ir.Constant(arguments[0].type, 1))

    return types.intp(types.intp), generate
