"""Files that are either whole or not there: written beside their place, then moved over it."""

import gzip
import hashlib
import json
import os
import re
import socket
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from glob import escape
from io import BufferedReader
from math import isfinite
from pathlib import Path
from typing import Any

import orjson
import psutil

from asyncthink.errors import InputError

HOST = socket.gethostname()
LONE = "backslashreplace"  # half a letter, as JSON can say it, has no bytes: it is written as JSON says it
UNREADABLE = (gzip.BadGzipFile, zlib.error, EOFError)  # of a damaged gzip file


def cache_folder() -> Path:
    """What can be made again, for all projects of this account."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asyncthink"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; on a clean exit it takes the place of `path` in one step."""
    path = Path(path)
    if not path.name:  # an empty text is the folder here
        raise InputError(f"{path}: cannot be written: it is a folder")
    temporary = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not (path.is_file() or path.is_dir()):  # a device would be gone, replaced by a file
            raise InputError(f"{path}: cannot be written: it is no file")
        _sweep(path)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
        _sweep(path)  # again: a writer that was killed a moment ago may only now be gone
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it; of writers on other machines nothing is known here."""
    for part in path.parent.glob(f".{escape(path.name)}.{escape(HOST)}.*.part"):
        if not _lives(int(part.name.split(".")[-2])):
            part.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    """Whether a process of this machine lives, whoever owns it; one that was killed and waits to be reaped does not."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another's
        return True


def read_text(path: str | Path) -> str:
    """The text of a file, with or without a byte order mark; InputError where it is none."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8") from None


def write_text(path: str | Path, text: str) -> None:
    """Write one text file, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode(errors=LONE))


def write_json(path: str | Path, value: Any) -> None:
    """Write one JSON document for people and for diffs: indented, keys sorted."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write lines, gzipped where the name ends in .gz (no time stamp inside, so equal lines are equal bytes)."""
    with replacing(path) as temporary, open(temporary, "wb") as raw:
        if Path(path).suffix == ".gz":
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as zipped:
                _pour(lines, zipped)
        else:
            _pour(lines, raw)


def _pour(lines: Iterable[str], target: Any) -> None:
    for line in lines:
        target.write(line.encode(errors=LONE) + b"\n")


def write_json_lines(path: str | Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, keys in the order given."""
    write_lines(path, (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows))


def read_json_lines(path: str | Path) -> list[dict[str, Any]]:
    """All objects of a file that a step makes; InputError as `json_lines` raises it."""
    return [row for _, row in made_json_lines(path)]


def made_json_lines(path: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """`json_lines` of a file that a step makes: where it is missing, the InputError says how to make it."""
    if not Path(path).exists():
        raise InputError(f"{path}: no such file; run the step that makes it (snakemake {path})")
    return json_lines(path)


def json_lines(path: str | Path, halves: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) for each line of JSON Lines, as it comes; `where` names file and line. "-" is standard input.

    Gzipped or not, with or without a byte order mark, any line ends; lines of white space are passed over, but
    counted. Whatever else is no JSON object is an InputError that names file and line; so is half a letter, unless
    `halves` are taken.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else open(path, "rb") as raw:
            zipped = isinstance(raw, BufferedReader) and raw.peek(2)[:2] == _GZIP
            lines = gzip.GzipFile(fileobj=raw) if zipped else raw
            for number, line in enumerate(lines, 1):
                where = f"{name}: line {number}"
                if (value := _plain(line)) is not None:
                    yield where, value
                elif text := _text(line, where):
                    yield where, json_object(text, where, halves)
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except UNREADABLE as error:
        raise InputError(f"{name}: not readable as JSON Lines: {error}") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror or error}") from None


def json_object(text: str, where: str, halves: bool = False) -> dict[str, Any]:
    """One JSON object without NaN, infinite numbers, keys that come twice and, unless `halves` are taken, half letters.

    A half is one of the two code units that UTF-16 makes of a rare letter; JSON can say it alone, but no tokenizer,
    table or file takes it. `where` begins the InputError's text.
    """
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise InputError(f"{where} is not JSON: nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {str(error)[:120]}") from None
    if not isinstance(value, dict):
        raise InputError(f"{where} is not a JSON object, but {ascii(value)[:60]}")
    if not halves and _MAYBE_HALF.search(text) and (half := _HALF.search(json.dumps(value, ensure_ascii=False))):
        raise InputError(f"{where} holds {ascii(half[0])[1:-1]}, half a letter, which is no text")
    return value


def _plain(line: bytes) -> dict[str, Any] | None:
    """The object of a line that orjson writes back byte by byte, blanks aside, as it does nearly every line.

    A key that came twice would be missing there, and a number that it reads otherwise than `json_object` would be
    spelled otherwise. None for any other line.
    """
    try:
        value, line = orjson.loads(line), line.strip()
        written = orjson.dumps(value)
        same = written == line or written.replace(b" ", b"") == line.replace(b" ", b"")
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return value if same and isinstance(value, dict) else None


def _text(line: bytes, where: str) -> str:
    try:
        return line.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise InputError(f"{where} is not UTF-8") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {ascii(twice)[:60]} comes twice in one object")
    return table


def _finite(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise ValueError(f"{digits[:20]} is too large a number")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_GZIP = b"\x1f\x8b"
_HALF = re.compile("[\ud800-\udfff]")
_MAYBE_HALF = re.compile("[\ud800-\udfff]|\\\\u[dD][89a-fA-F]")  # in a text, before its escapes are read
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)


def sha256(path: str | Path) -> str:
    """The content hash of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as data:
        while block := data.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
