"""Benchmarks of the stages: ``ecgpipe bench``. They stand above the stages and may use them all."""
