"""Measurements of this project's own speed: each module writes one file of `benchmarks/results/`."""
