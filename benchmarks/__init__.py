"""Benchmarks, run from the checkout: ``python -m benchmarks.NAME --help``, or ``ecgpipe bench`` for three of them."""
