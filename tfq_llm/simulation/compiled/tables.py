"""A fused program as flat arrays, the form in which kernels take it."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from tfq_llm.simulation.compiled.fusion import Factor, FusedGate, Wave, fuse
from tfq_llm.simulation.compiled.sweeps import Sweep, sweeps
from tfq_llm.simulation.compiled.vectors import lanes_of
from tfq_llm.simulation.program import Program

# A tile of the state and one of the co-state, 16 kB each, stay in a first-level cache of 32 kB or more.
_TILE_BYTES = 16 * 1024


class Tables(NamedTuple):
    """All arrays are flat. A "row" is `lanes` samples of one number; ranges are start[i] … start[i + 1].

    Attributes:
        sizes: bits of the register, bits of a tile, data columns, weights.
        angle_column, angle_scale, angle_shift: waves 1 + 2j and 2 + 2j are cosine and sine of scale · input[column] + shift,
            where the inputs are the data, then the weights. Wave 0 is 1.
        noise_sites, noise_outcome: the waves behind those, in ranges by site, are 1 where the site's draw is this outcome,
            else 0.
        gate_blocks, gate_width, gate_varies: number and width of a gate's matrices, and whether they differ by sample.
            gate_factors: ranges of factors. gate_matrix: its row.
        factor_terms: ranges of terms. factor_product: the row at which the product of a gate's factors up to this one starts.
        factor_site: the noise site that makes the factor differ from 1 if it strikes, or −1. factor_pulls: whether it or an
            earlier factor of its gate has an angle.
        term_wave, term_entries: a term is a wave times the entries of `constants` from there on.
        constants: entries of matrices, of the state's dtype.
        sweep_steps: ranges of steps.
        step_gate, step_bit, step_twin, step_fixed: the gate; the tile bit it mixes; a second one (its select or partner, else any
            other); the bit of the tile's number that selects, or −1.
        tile_rows: for every sweep the 2^t rows of tile 0; then 0 … 2^t − 1, the rows of a tile that stands by itself.
        tile_strides: for every sweep how many rows each bit of a tile's number is worth.
    """

    sizes: np.ndarray
    angle_column: np.ndarray
    noise_sites: np.ndarray
    noise_outcome: np.ndarray
    gate_blocks: np.ndarray
    gate_width: np.ndarray
    gate_varies: np.ndarray
    gate_factors: np.ndarray
    gate_matrix: np.ndarray
    factor_terms: np.ndarray
    factor_product: np.ndarray
    factor_site: np.ndarray
    factor_pulls: np.ndarray
    term_wave: np.ndarray
    term_entries: np.ndarray
    sweep_steps: np.ndarray
    step_gate: np.ndarray
    step_bit: np.ndarray
    step_twin: np.ndarray
    step_fixed: np.ndarray
    tile_rows: np.ndarray
    tile_strides: np.ndarray
    angle_scale: np.ndarray
    angle_shift: np.ndarray
    constants: np.ndarray

    @property
    def num_waves(self) -> int:
        return 1 + 2 * len(self.angle_column) + len(self.noise_outcome)

    @property
    def num_matrix_rows(self) -> int:
        return int(self.factor_product[-1])


class Packed(NamedTuple):
    """Tables as few arrays: handing an array to machine code costs as much as a gate of a small circuit.

    Attributes:
        whole: all tables of whole numbers, one behind the other.
        bounds: where each starts in `whole`, and the end.
        angles: scales, then shifts.
        constants: as in the tables.
    """

    whole: np.ndarray
    bounds: np.ndarray
    angles: np.ndarray
    constants: np.ndarray


def pack(tables: Tables) -> Packed:
    """The tables to be given to `unpack`."""
    whole, (*angles, constants) = tables[:-3], tables[-3:]
    return Packed(np.concatenate(whole), _starts([len(each) for each in whole]), np.concatenate(angles), constants)


@numba.njit(inline="always")
def _piece(packed, place):
    return packed.whole[packed.bounds[place] : packed.bounds[place + 1]]


@numba.njit
def unpack(packed):
    """The tables again, as views."""
    half = len(packed.angles) // 2
    return Tables(
        _piece(packed, 0),
        _piece(packed, 1),
        _piece(packed, 2),
        _piece(packed, 3),
        _piece(packed, 4),
        _piece(packed, 5),
        _piece(packed, 6),
        _piece(packed, 7),
        _piece(packed, 8),
        _piece(packed, 9),
        _piece(packed, 10),
        _piece(packed, 11),
        _piece(packed, 12),
        _piece(packed, 13),
        _piece(packed, 14),
        _piece(packed, 15),
        _piece(packed, 16),
        _piece(packed, 17),
        _piece(packed, 18),
        _piece(packed, 19),
        _piece(packed, 20),
        _piece(packed, 21),
        packed.angles[:half],
        packed.angles[half:],
        packed.constants,
    )


def state_type(program: Program, dtype: str, *, from_complex: bool = False) -> type[np.generic]:
    """The NumPy type of amplitudes in the precision of `dtype`: real if every matrix of the program and the initial state is."""
    if program.is_real and not from_complex:
        return np.float32 if dtype == "float32" else np.float64
    return np.complex64 if dtype == "float32" else np.complex128


def build_tables(program: Program, dtype: type[np.generic]) -> tuple[Tables, list[int]]:
    """The program's tables for amplitudes of `dtype`, and where each qubit of the register has gone (see `fuse`).

    A tile has at least two bits: a register of one qubit gets an idle one in front.
    """
    gates, where = fuse(program)
    qubits = list(range(program.num_qubits)) if program.num_qubits > 1 else [-1, 0]
    tile_bits = min(len(qubits), int(np.log2(_TILE_BYTES // (lanes_of(dtype) * np.dtype(dtype).itemsize))))
    sizes = np.array([len(qubits), tile_bits, program.num_data, program.num_weights])
    matrices = _matrix_tables(gates, program.num_data, dtype)
    return Tables(sizes=sizes, **matrices, **_sweep_tables(gates, sweeps(gates, qubits, tile_bits), qubits)), where


def _matrix_tables(gates: Sequence[FusedGate], num_data: int, dtype: type[np.generic]) -> dict[str, np.ndarray]:
    factors = [factor for gate in gates for factor in gate.factors]
    waves = _Waves([wave for factor in factors for wave in factor.waves], num_data)
    terms = [waves.terms(factor) for factor in factors]
    flat = [matrix.reshape(-1) for found in terms for matrix in found.values()]
    sizes = [factor.cosine[0].size for factor in factors]
    starts = _starts(sizes)
    ends = _starts([len(gate.factors) for gate in gates])
    constants = np.concatenate([*flat, np.zeros(0)])
    return {
        **waves.tables(),
        "gate_blocks": _whole([gate.shape[0] for gate in gates]),
        "gate_width": _whole([gate.shape[1] for gate in gates]),
        "gate_varies": _whole([any(map(_varies, gate.factors)) for gate in gates]),
        "gate_factors": ends,
        "gate_matrix": starts[ends[1:] - 1],
        "factor_terms": _starts([len(found) for found in terms]),
        "factor_product": starts,
        "factor_site": _whole([_site(factor) for factor in factors]),
        "factor_pulls": _whole([any(map(_has_angle, gate.factors[: k + 1])) for gate in gates for k in range(len(gate.factors))]),
        "term_wave": _whole([wave for found in terms for wave in found]),
        "term_entries": _starts([len(matrix) for matrix in flat])[:-1],
        "constants": (constants if np.issubdtype(dtype, np.complexfloating) else constants.real).astype(dtype),
    }


class _Waves:
    """Numbers the waves: 1, then the angles' cosines and sines, then the noise. Equal angles, as of an uploaded datum, share
    theirs."""

    def __init__(self, waves: Sequence[Wave], num_data: int) -> None:
        self._num_data = num_data
        noise = {(wave.index, round(wave.frequency)) for wave in waves if wave.source == "noise"}
        self._angles = list(dict.fromkeys(self._angle(wave) for wave in waves if wave.source != "noise" and wave.frequency))
        self._noise = sorted(noise)
        self._angle_number = {angle: 1 + 2 * place for place, angle in enumerate(self._angles)}
        self._noise_number = {outcome: 1 + 2 * len(self._angles) + place for place, outcome in enumerate(self._noise)}

    def terms(self, factor: Factor) -> dict[int, np.ndarray]:
        """The factor's matrices [blocks, d, d] by wave."""
        found: dict[int, np.ndarray] = {}
        for wave, cosine, sine in zip(factor.waves, factor.cosine, factor.sine, strict=True):
            for number, matrix in self._parts(wave, cosine, sine):
                found[number] = found.get(number, 0) + matrix
        return {number: matrix for number, matrix in found.items() if matrix.any()}

    def tables(self) -> dict[str, np.ndarray]:
        columns, scales, shifts = zip(*self._angles, strict=True) if self._angles else ((), (), ())
        sites = [site for site, _ in self._noise]
        count = 1 + max(sites, default=-1)
        return {
            "angle_column": _whole(columns),
            "angle_scale": np.array(scales, dtype=float),
            "angle_shift": np.array(shifts, dtype=float),
            "noise_sites": np.searchsorted(sites, np.arange(count + 1)),
            "noise_outcome": _whole([outcome for _, outcome in self._noise]),
        }

    def _parts(self, wave: Wave, cosine: np.ndarray, sine: np.ndarray) -> list[tuple[int, np.ndarray]]:
        if wave.source == "noise":
            return [(self._noise_number[wave.index, round(wave.frequency)], cosine)]
        if not wave.frequency:
            return [(0, np.cos(wave.shift) * cosine + np.sin(wave.shift) * sine)]
        number = self._angle_number[self._angle(wave)]
        return [(number, cosine), (number + 1, sine)]

    def _angle(self, wave: Wave) -> tuple[int, float, float]:
        return wave.index + (self._num_data if wave.source == "weight" else 0), wave.frequency, wave.shift


def _site(factor: Factor) -> int:
    """The noise site whose draw 0 makes the factor 1; −1 if there is none."""
    if not factor.is_noise:
        return -1
    clean = [matrices for wave, matrices in zip(factor.waves, factor.cosine, strict=True) if not wave.frequency]
    is_one = len(clean) == 1 and np.allclose(clean[0], np.eye(factor.cosine.shape[-1]), atol=1e-12)
    return factor.waves[0].index if is_one else -1


def _has_angle(factor: Factor) -> bool:
    return not factor.is_constant and not factor.is_noise


def _varies(factor: Factor) -> bool:
    return any(wave.source in ("data", "noise") for wave in factor.waves)


def _sweep_tables(gates: Sequence[FusedGate], found: Sequence[Sweep], qubits: Sequence[int]) -> dict[str, np.ndarray]:
    bit = {qubit: place for place, qubit in enumerate(reversed(qubits))}
    steps, rows, strides = [], [], []
    for sweep in found:
        free, fixed = (sorted(bit[qubit] for qubit in qubits if (qubit in sweep.free) == inside) for inside in (True, False))
        local = np.arange(2 ** len(free))[:, None] >> np.arange(len(free)) & 1
        rows.append(local @ (1 << _whole(free)))
        strides.append(1 << _whole(fixed))
        steps += [_step(index, gates[index], free, fixed, bit) for index in sweep.gates]
    columns = zip(*steps, strict=True) if steps else ((), (), (), ())
    return {
        "sweep_steps": _starts([len(sweep.gates) for sweep in found]),
        **{name: _whole(column) for name, column in zip(_STEP, columns, strict=True)},
        "tile_rows": np.concatenate([*rows, np.arange(len(rows[0]) if rows else 0)]),
        "tile_strides": np.concatenate([*strides, _whole([])]),
    }


_STEP = ("step_gate", "step_bit", "step_twin", "step_fixed")


def _step(index: int, gate: FusedGate, free: list[int], fixed: list[int], bit: dict[int, int]) -> tuple[int, int, int, int]:
    target = free.index(bit[gate.target])
    other = gate.partner if gate.partner is not None else gate.select
    if other is None or bit[other] in fixed:
        # Any other bit will do. The highest leaves the rows of a pass in order.
        twin = len(free) - 1 if target < len(free) - 1 else len(free) - 2
        return index, target, twin, -1 if other is None else fixed.index(bit[other])
    return index, target, free.index(bit[other]), -1


def _starts(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(_whole(lengths))]).astype(int)


def _whole(numbers: Sequence[int]) -> np.ndarray:
    return np.array(numbers, dtype=int)
