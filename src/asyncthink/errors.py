"""What goes wrong because of what a person gave: one clear line, exit code 2."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Bad input: the message says what, where, what is allowed and, where it helps, what to run."""


class NotFinite(InputError):
    """A model computes what is no number: its weights are none, or too large."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """The name that was probably meant, or all that there are."""
    names = list(allowed)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(names)}"
