"""Randomness that is keyed: the same key gives the same draws, whatever was drawn before."""

import random


def keyed(*key: object) -> random.Random:
    """A generator that depends on nothing but its key, such as (seed, "synthesize", form, index)."""
    return random.Random("/".join(map(str, key)))
