"""The learning rate over a training, as numbers alone."""

import math

import numpy as np

RATES = {"constant": lambda done: 1.0, "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2}


def rate(shape: str, warmup: float, step: int, steps: int) -> float:
    """The share of the learning rate at a step, from 0 on: up in a line over the warmup (a share of all steps), then
    one of RATES over the whole run. The first step already moves.
    """
    rising = math.ceil(warmup * steps)
    return min(1.0, (step + 1) / max(1, rising)) * RATES[shape](step / steps)


def learning(peak: float, shape: str, warmup: float, steps: int) -> np.ndarray:
    """The learning rate summed over the steps, up to and with each: (steps,)."""
    return peak * np.cumsum([rate(shape, warmup, step, steps) for step in range(steps)])
