"""JSON Lines in, JSON Lines out: what the commands of the public contract share.

One line out for each line in, printed at once, so that a script can talk to a command line by line. Bad input ends the
command with a sentence that names the line; what was printed until then stands. Lines of white space only are passed
over, but counted.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from asyncthink.errors import InputError


def arguments(parser: argparse.ArgumentParser) -> None:
    """The one argument: where the lines come from."""
    parser.add_argument("file", nargs="?", default="-", help="JSON Lines; standard input without it, or for -")


def answer(args: argparse.Namespace, respond: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Print respond(object) for every line; its InputError gets the number of the line."""
    for number, line in _lines(args.file):
        try:
            out = json.dumps(respond(_object(line)), allow_nan=False)
        except InputError as error:
            raise InputError(f"line {number}: {error}") from None
        except RecursionError:
            raise InputError(f"line {number}: nested too deeply") from None
        except ValueError as error:  # a number that Python does not print
            raise InputError(f"line {number}: {error}") from None
        print(out, flush=True)


def known(table: dict[str, Any], allowed: tuple[str, ...], required: tuple[str, ...]) -> None:
    """Raise InputError for a key that is not allowed, or one that is missing."""
    for key in table:
        if key not in allowed:
            raise InputError(f"unknown key {ascii(key)[:60]}; allowed: {', '.join(allowed)}")
    for key in required:
        if key not in table:
            raise InputError(f"{key} is missing")


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    if path == "-":
        yield from _numbered(sys.stdin.buffer)
        return
    try:
        with open(path, "rb") as source:
            yield from _numbered(source)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _numbered(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(source, 1) if line.strip())


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise InputError("not UTF-8") from None
    except ValueError as error:
        raise InputError(f"not JSON: {str(error)[:120]}") from None
    if not isinstance(value, dict):
        raise InputError(f"a JSON object is wanted, not {ascii(value)[:60]}")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
