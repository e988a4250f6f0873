"""The accuracy-latency frontier of one way of thinking, from its measured points.

A way of thinking was measured at several budgets. Its frontier is the staircase's upper envelope joined by straight
lines: between two budgets a random mixture of both reaches any point of the line, so the line is attainable.
"""

import numpy as np


def pareto(latency_P: np.ndarray, accuracy_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points that no other one beats (less latency at no less accuracy), in the order of latency."""
    order = np.lexsort((-accuracy_P, latency_P))
    latency_P, accuracy_P = latency_P[order], accuracy_P[order]
    best_before_P = np.concatenate([[-np.inf], np.maximum.accumulate(accuracy_P)[:-1]])
    kept = accuracy_P > best_before_P
    return latency_P[kept], accuracy_P[kept]


def latency_at(accuracy: float, latency_P: np.ndarray, accuracy_P: np.ndarray) -> float:
    """The least latency at which the frontier reaches an accuracy.

    Outside the measured accuracies the nearest end counts: above, the most accurate point (so the figure is a lower
    bound of what the accuracy would cost); below, the fastest point (nothing faster was measured).
    """
    latencies, accuracies = pareto(latency_P, accuracy_P)
    return float(np.interp(accuracy, accuracies, latencies))


def accuracy_at(latency: float, latency_P: np.ndarray, accuracy_P: np.ndarray) -> float:
    """The accuracy that the frontier reaches within a latency; nan below the fastest measured point."""
    latencies, accuracies = pareto(latency_P, accuracy_P)
    return float(np.interp(latency, latencies, accuracies, left=np.nan))
