"""The accuracy-latency frontier of one way of thinking, from its measured points.

A way of thinking was measured at several budgets. Its frontier joins the points that no other one beats by straight
lines, and begins where nothing is answered in no time: a random mixture of two budgets, or of a budget and of giving
up, reaches any point of such a line. After the slowest of these points it is level.
"""

from collections.abc import Callable, Sequence

import numpy as np

Reading = Callable[[float, Sequence[float], Sequence[float]], float]


def pareto_positions(latency_P: np.ndarray, accuracy_P: np.ndarray) -> np.ndarray:
    """Where the points stand that no other one beats (no more latency at more accuracy), in the order of latency."""
    order = np.lexsort((-accuracy_P, latency_P))
    best_before_P = np.concatenate([[-np.inf], np.maximum.accumulate(accuracy_P[order])[:-1]])
    return order[accuracy_P[order] > best_before_P]


def pareto(latency_P: np.ndarray, accuracy_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points that no other one beats (no more latency at more accuracy), in the order of latency."""
    kept = pareto_positions(latency_P, accuracy_P)
    return latency_P[kept], accuracy_P[kept]


def _joined(latency_P: Sequence[float], accuracy_P: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    return pareto(np.append(latency_P, 0.0), np.append(accuracy_P, 0.0))


def latency_at(accuracy: float, latency_P: Sequence[float], accuracy_P: Sequence[float]) -> float:
    """The least latency at which the frontier reaches an accuracy.

    Where it never does, the latency of the most accurate point: a lower bound of what the accuracy would cost.
    """
    latencies, accuracies = _joined(latency_P, accuracy_P)
    return float(np.interp(accuracy, accuracies, latencies))


def accuracy_at(latency: float, latency_P: Sequence[float], accuracy_P: Sequence[float]) -> float:
    """The accuracy that the frontier reaches within a latency."""
    return float(np.interp(latency, *_joined(latency_P, accuracy_P)))
