"""What goes wrong because of what a person gave: one clear line, exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class InputError(Exception):
    """Bad input: the message says what, where, what is allowed and, where it helps, what to run."""


class NotFinite(InputError):
    """A model computes what is no number: its weights are none, or too large."""


def one_line(text: str) -> str:
    """A text whose line ends and control characters are escaped, so that it is one line on every terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def nearest(name: str, allowed: Iterable[str]) -> str:
    """The name that was probably meant, or all that there are."""
    names = list(allowed)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(names)}"


def complaint(refusal: ValidationError, *kinds: type) -> str:
    """The first thing that a record is refused for: `traces[0].fork is True: Input should be a valid integer`.

    kinds are the dataclasses that it is made of, from the outermost on, each in a list of the one before.
    """
    first = refusal.errors(include_url=False)[0]
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).removeprefix(".")
    if kinds and first["type"] == "unexpected_keyword_argument":
        depth = sum(isinstance(step, int) for step in first["loc"])
        return f"{ascii(where)[:60]} is an unknown key; {nearest(where, (part.name for part in fields(kinds[depth])))}"
    value = "" if first["type"] in ("missing", "json_invalid") else f" is {ascii(first['input'])[:60]}"
    return f"{where}{value}: {first['msg']}".removeprefix(": ").strip()
