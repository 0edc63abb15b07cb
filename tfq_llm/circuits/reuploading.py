"""The circuit that runs on the QPU: data re-uploading between parameterized blocks (figure 1 of arXiv 2504.08732)."""

from __future__ import annotations

from dataclasses import dataclass

import cirq
import sympy

from tfq_llm.circuits.ansatz import angle_encoding, long_range_ansatz, long_range_parameters, numbered_symbols
from tfq_llm.errors import InputError


@dataclass(frozen=True)
class ReuploadingCircuit:
    """A re-uploading circuit with its symbols in the order in which values are given.

    Attributes:
        circuit: the Cirq circuit, without measurements.
        qubits: its line qubits, 0 … Q−1.
        data_symbols: one per qubit; each stands in every upload.
        weight_symbols: PQC 1's, then PQC 2's, each in the order of its gates.
        blocks: what stands behind each upload: PQC 1, and behind the last one PQC 1 and PQC 2.
    """

    circuit: cirq.Circuit
    qubits: tuple[cirq.LineQubit, ...]
    data_symbols: tuple[sympy.Symbol, ...]
    weight_symbols: tuple[sympy.Symbol, ...]
    blocks: tuple[cirq.Circuit, ...]

    def observables(self, num_measured: int = 1) -> list[cirq.PauliString]:
        """Z on each of the first `num_measured` qubits.

        Raises:
            InputError: there are not that many qubits.
        """
        if not 1 <= num_measured <= len(self.qubits):
            raise InputError(
                f"cannot measure {num_measured} of {len(self.qubits)} qubits: give a number from 1 to {len(self.qubits)}."
            )
        return [cirq.PauliString(cirq.Z(qubit)) for qubit in self.qubits[:num_measured]]


def reuploading_circuit(
    num_qubits: int,
    reuploads: int = 2,
    layers: int = 1,
    final_layers: int = 1,
    connectivity: int = 2,
    *,
    entangling: bool = True,
    shared: bool = True,
) -> ReuploadingCircuit:
    """N blocks of [angle encoding → PQC 1], then PQC 2; both PQCs are long-range ansätze.

    Args:
        num_qubits: Q ≥ 2.
        reuploads: N ≥ 1, how often the data are uploaded.
        layers: layers of PQC 1.
        final_layers: layers of PQC 2.
        connectivity: C of both, 1 … Q − 1.
        entangling: False leaves all CNOTs out (ablation).
        shared: True as in the paper, where every block has the same PQC 1 angles; False gives each block its own (ablation).

    Returns:
        Symbols: data `x0`…; PQC 1 `theta0`… (`theta_1_0`… for block 1 and so on if not shared); PQC 2 `phi0`….

    Raises:
        InputError: a number is out of its range.
    """
    if reuploads < 1:
        raise InputError(f"data must be uploaded at least once; reuploads = {reuploads} was given.")
    qubits = tuple(cirq.LineQubit.range(num_qubits))
    data_symbols = numbered_symbols("x", num_qubits)
    prefixes = ["theta"] * reuploads if shared else [f"theta_{block}_" for block in range(reuploads)]

    blocks = [long_range_ansatz(qubits, layers, connectivity, prefix, entangling=entangling) for prefix in prefixes]
    final = long_range_ansatz(qubits, final_layers, connectivity, "phi", entangling=entangling)
    blocks[-1] = cirq.Circuit(blocks[-1].all_operations(), final.all_operations())
    upload = angle_encoding(qubits, data_symbols)
    circuit = cirq.Circuit((upload.all_operations(), block.all_operations()) for block in blocks)
    counts = [(prefix, long_range_parameters(num_qubits, layers, connectivity)) for prefix in dict.fromkeys(prefixes)]
    counts.append(("phi", long_range_parameters(num_qubits, final_layers, connectivity)))
    weight_symbols = tuple(symbol for prefix, count in counts for symbol in numbered_symbols(prefix, count))
    return ReuploadingCircuit(circuit, qubits, data_symbols, weight_symbols, tuple(blocks))
