"""The compiled engine: circuits as flat programs, run by kernels that numba compiles once for the machine.

`fusion` and `sweeps` turn a program into few passes over the state, `vectors`, `kernels`, `matrices`, `readout` and `blocks` are
the kernels, `threads` spreads them over the cores, and `engine` is what other modules use.
"""
