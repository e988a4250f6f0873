"""The accuracy-latency frontier of one way of thinking, from its measured points.

A way of thinking was measured at several budgets. Its frontier is their upper convex hull, from no answer in no time
on: a random mixture of two budgets, or of a budget and of giving up, reaches any point of a line between them, so no
budget below such a line is worth its latency. After the most accurate point it is level.
"""

from collections.abc import Callable, Sequence

import numpy as np

Reading = Callable[[float, Sequence[float], Sequence[float]], float]


def pareto_positions(latency_P: np.ndarray, accuracy_P: np.ndarray) -> np.ndarray:
    """Where the points stand that no other one beats (no more latency at more accuracy), in the order of latency."""
    order = np.lexsort((-accuracy_P, latency_P))
    best_before_P = np.concatenate([[-np.inf], np.maximum.accumulate(accuracy_P[order])[:-1]])
    return order[accuracy_P[order] > best_before_P]


def hull_positions(latency_P: np.ndarray, accuracy_P: np.ndarray) -> np.ndarray:
    """Where the points stand that no mixture of others beats, in the order of latency; giving up counts as another."""
    latencies, accuracies = np.append(latency_P, 0.0), np.append(accuracy_P, 0.0)
    kept: list[int] = []
    for position in pareto_positions(latencies, accuracies).tolist():
        while len(kept) > 1 and not _bends_down(latencies[[*kept[-2:], position]], accuracies[[*kept[-2:], position]]):
            kept.pop()
        kept.append(position)
    return np.array(kept[1:], dtype=int)  # the first is no answer in no time


def _bends_down(latency_3: np.ndarray, accuracy_3: np.ndarray) -> bool:
    """Whether the middle one of three points lies above the line from the first to the last."""
    (run, next_run), (rise, next_rise) = np.diff(latency_3), np.diff(accuracy_3)
    return bool(rise * next_run > next_rise * run)


def _joined(latency_P: Sequence[float], accuracy_P: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    latencies, accuracies = np.asarray(latency_P, float), np.asarray(accuracy_P, float)
    kept = hull_positions(latencies, accuracies)
    return np.append(0.0, latencies[kept]), np.append(0.0, accuracies[kept])


def latency_at(accuracy: float, latency_P: Sequence[float], accuracy_P: Sequence[float]) -> float:
    """The least latency at which the frontier reaches an accuracy.

    Where it never does, the latency of the most accurate point: a lower bound of what the accuracy would cost.
    """
    latencies, accuracies = _joined(latency_P, accuracy_P)
    return float(np.interp(accuracy, accuracies, latencies))


def accuracy_at(latency: float, latency_P: Sequence[float], accuracy_P: Sequence[float]) -> float:
    """The accuracy that the frontier reaches within a latency."""
    return float(np.interp(latency, *_joined(latency_P, accuracy_P)))
