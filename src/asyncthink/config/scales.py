"""Scales: params.yaml rewritten for another machine, so that there is always exactly one file that counts.

workflow/scales/NAME.yaml is an overlay: a value for each key in which the scales differ. It is merged into params.yaml
by a library that keeps comments, spacing and one's own edits of other keys. All scale files name the same keys, so
going to another scale and back restores the file.
"""

import sys
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.tokens import CommentToken

from asyncthink.config.params import from_mapping, of_text, parsed, read
from asyncthink.errors import InputError, nearest
from asyncthink.files import write_text

# What a run needs beside its own params.yaml.
SOURCES = ("Snakefile", "environment.yml", "workflow", "profiles", "notebooks", "src")


def rewrite(directory: Path, name: str) -> str:
    """Rewrite the params.yaml of a directory for a scale; returns a sentence on what changed."""
    path = directory / "params.yaml"
    before, text = read(path), scaled(directory, name)
    after = from_mapping(parsed(text))
    write_text(path, text)
    return f"{path}: scale {before.scale} -> {after.scale}"


def scaled(directory: Path, name: str) -> str:
    """The params.yaml of a directory as it would be at a scale; InputError where keys of one's own do not fit there."""
    folder = directory / "workflow" / "scales"
    if not (folder / f"{name}.yaml").is_file():
        names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        if not names:
            raise InputError(f"no {folder} here; run this in the root of the project")
        raise InputError(f"no scale {name!r}; there are {names}")
    read(directory / "params.yaml")  # refuses what is none
    overlay = folder / f"{name}.yaml"
    try:
        text = merge((directory / "params.yaml").read_text(encoding="utf-8"), overlay.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise InputError(f"{overlay}: not UTF-8") from None
    except InputError as error:
        raise InputError(f"{overlay}: {error}") from None
    try:
        of_text(text)
    except InputError as error:
        raise InputError(f"at scale {name}, {error}") from None
    return text


def lay_out(source: Path, target: Path, params: str) -> None:
    """Make `target` a directory in which the graph runs with a params.yaml of its own; sources are only linked."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in (*SOURCES, *from_mapping(parsed(params)).local_sources()):
        link = target / entry
        if (source / entry).exists() and not (link.exists() or link.is_symlink() or ".." in Path(entry).parts):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((source / entry).resolve(), target_is_directory=(source / entry).is_dir())
    path = target / "params.yaml"
    if not path.exists() or path.read_bytes() != params.encode():
        write_text(path, params)


def merge(text: str, scale: str) -> str:
    """`text` with the values of the keys in `scale` put in; a key that `text` does not have is an InputError."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, sys.maxsize
    yaml.representer.add_representer(type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null"))
    try:
        params, overlay = yaml.load(text), yaml.load(scale)
    except (YAMLError, ValueError, KeyError) as error:  # as in params.parsed
        raise InputError(f"not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(overlay, CommentedMap):
        raise InputError("not a table of keys of params.yaml")
    for section, value in overlay.items():
        if isinstance(value, CommentedMap) and isinstance(params.get(section), CommentedMap):
            for key, leaf in value.items():
                _put(params[section], key, leaf, f"{section}.")
        else:
            _put(params, section, value)
    merged = StringIO()
    yaml.dump(params, merged)
    return merged.getvalue()


def _put(table: CommentedMap, key: str, value: Any, prefix: str = "") -> None:
    """Replace a value. The lines below it belong to the file; the library keeps them with a value's last leaf."""
    if key not in table:
        hint = nearest(prefix + key, [prefix + name for name in table])
        raise InputError(f"no key {prefix}{key} in params.yaml; {hint}")
    below = _taken(table, key)
    table[key] = value
    _taken(table, key)
    if below:
        slots, slot = _comments(table, key)
        beside = slots[slot].value if slots[slot] else "\n"
        slots[slot] = CommentToken(beside + below, slots[slot].start_mark if slots[slot] else CommentMark(0))


def _taken(table: CommentedMap, key: str) -> str:
    """Take away the lines below a value; the comment beside it stays."""
    slots, slot = _comments(table, key)
    beside, newline, below = slots[slot].value.partition("\n") if slots[slot] else ("", "", "")
    if slots[slot]:
        slots[slot] = CommentToken(beside + newline, slots[slot].start_mark) if beside else None
    return below


def _comments(table: CommentedMap | CommentedSeq, key: Any) -> tuple[list[Any], int]:
    """Where the comments beside and below a value are: those of its last leaf, if it stands on lines of its own."""
    while isinstance(value := table[key], CommentedMap | CommentedSeq) and value and not value.fa.flow_style():
        table, key = value, next(reversed(value)) if isinstance(value, CommentedMap) else len(value) - 1
    return table.ca.items.setdefault(key, [None] * 4), 2 if isinstance(table, CommentedMap) else 0
