"""Measurements, apart from the package: run as `python -m benchmarks.NAME` from a checkout."""
