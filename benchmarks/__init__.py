"""Benchmarks that anyone can run on two CPU cores: `make bench`, or one by itself: `python -m benchmarks.NAME`.

A benchmark is a module with `measure`, which returns rows (see record). Each checks that both sides compute the same
thing. Both sides are measured in one run, in turns, because machines are noisy: ratios travel, seconds do not.
"""
