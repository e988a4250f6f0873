"""Intervals by the paired bootstrap: over test items, and over training seeds where there are several.

Every arm answers the same items, so an item is drawn for all arms at once and a difference keeps its pairing. Seeds are
drawn with replacement too (a two-way bootstrap, seeds x items): the interval then speaks of a new training run on new
items. With one seed it speaks of new items only.

Left out on purpose: p-values and corrections for many comparisons; a reader gets the effect and its interval.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95


def keyed(*key: object) -> np.random.Generator:
    """A random generator that depends on its key alone."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; nan where there was nothing to measure."""

    value: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """The whole interval lies above zero."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """The whole interval lies below zero."""
        return self.high < 0


@dataclass(frozen=True)
class Draws:
    """A statistic on the data (`value`) and on every resample (`resampled_R`). Arithmetic keeps the pairing."""

    value: float
    resampled_R: np.ndarray

    def __add__(self, other: "Draws | float") -> "Draws":
        return combine(np.add, self, other)

    def __sub__(self, other: "Draws | float") -> "Draws":
        return combine(np.subtract, self, other)

    def __truediv__(self, other: "Draws | float") -> "Draws":
        return combine(_divide, self, other)

    def estimate(self) -> Estimate:
        """The percentile interval; resamples without a value are left out."""
        present_R = self.resampled_R[np.isfinite(self.resampled_R)]
        if not np.isfinite(self.value) or not present_R.size:
            return Estimate(float("nan"), float("nan"), float("nan"))
        low, high = np.quantile(present_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Estimate(float(self.value), float(low), float(high))


def combine(function: Callable, *operands: Draws | float) -> Draws:
    """A function of several statistics, on the data and on each resample; `function` works elementwise on arrays."""
    values = [np.asarray(o.value if isinstance(o, Draws) else o, dtype=float) for o in operands]
    resampled = [o.resampled_R if isinstance(o, Draws) else o for o in operands]
    return Draws(float(function(*values)), np.asarray(function(*resampled), dtype=float))


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(b) == 0, np.nan, np.divide(a, b))


class Bootstrap:
    """The same resamples for every statistic of an experiment of `seeds` training runs on `items` test items."""

    def __init__(self, seeds: int, items: int, resamples: int, key: tuple[object, ...] = ("bootstrap",)) -> None:
        random = keyed(*key, seeds, items, resamples)
        self.items_RI = random.multinomial(items, np.full(items, 1 / items), size=resamples).astype(float)
        self.seeds_RS = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples).astype(float)

    def mean(self, values_SIN: np.ndarray) -> Draws:
        """The mean over seeds, items and an item's samples; nan marks what has no value (latency of a broken episode).

        values_SIN: (seeds, items, samples), or (seeds, items) for one sample an item.
        """
        values_SIN = np.asarray(values_SIN, dtype=float)
        if values_SIN.ndim == 2:
            values_SIN = values_SIN[..., None]
        present_SIN = np.isfinite(values_SIN)
        sums_SI = np.where(present_SIN, values_SIN, 0.0).sum(2)
        counts_SI = present_SIN.sum(2).astype(float)
        value = _divide(sums_SI.sum(), counts_SI.sum())
        return Draws(float(value), _divide(self._totals(sums_SI), self._totals(counts_SI)))

    def _totals(self, values_SI: np.ndarray) -> np.ndarray:
        return ((self.seeds_RS @ values_SI) * self.items_RI).sum(1)
