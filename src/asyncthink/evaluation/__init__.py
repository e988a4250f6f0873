"""Evaluation: recorded episodes of every arm, metrics with intervals, and verdicts on the claims of the paper."""
