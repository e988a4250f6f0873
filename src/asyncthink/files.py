"""Files that are either whole or not there: written beside their place, then moved over it."""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

import psutil

from asyncthink.errors import InputError

UNREADABLE = (gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError)  # of a damaged text file, gzipped or not


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; on a clean exit it takes the place of `path` in one step."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it."""
    for part in path.parent.glob(f".{escape(path.name)}.*.part"):
        if not psutil.pid_exists(int(part.name.split(".")[-2])):
            part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write one text file, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
        target.write(line.encode() + b"\n")


def write_json_lines(path: str | Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, keys in the order given."""
    write_lines(path, (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows))


def read_json_lines(path: str | Path) -> list[dict[str, Any]]:
    """Read one JSON object a line; a broken line is an InputError that names file and line."""
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            return [_object(line, f"{path}: line {number}") for number, line in enumerate(lines, 1)]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the step that makes it (snakemake {path})") from None
    except UNREADABLE as error:
        raise InputError(f"{path}: not readable as JSON Lines: {error}") from None


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise InputError(f"{where} is not a JSON object")
    return row


def sha256(path: str | Path) -> str:
    """The content hash of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as data:
        while block := data.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
