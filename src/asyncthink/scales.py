"""Scales: params.yaml rewritten for another machine, so that there is always exactly one file that counts.

workflow/scales/NAME.yaml holds a value for each key in which the scales differ. Only those values change in the text
of params.yaml; everything else, comments and spacing too, stays byte for byte, and one's own edits of other keys live
on. All scale files name the same keys, so going to another scale and back restores the file.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path

import yaml

from asyncthink.errors import InputError
from asyncthink.files import write_text
from asyncthink.params import from_mapping, read

# What a run needs beside its own params.yaml.
SOURCES = ("Snakefile", "environment.yml", "workflow", "profiles", "notebooks", "src", "data")


def rewrite(directory: Path, name: str) -> str:
    """Rewrite the params.yaml of a directory for a scale; returns a sentence on what changed."""
    path = directory / "params.yaml"
    before, text = read(path), scaled(directory, name)
    after = from_mapping(yaml.safe_load(text))
    write_text(path, text)
    return f"{path}: scale {before.scale} -> {after.scale}"


def scaled(directory: Path, name: str) -> str:
    """The params.yaml of a directory as it would be at a scale."""
    folder = directory / "workflow" / "scales"
    if not (folder / f"{name}.yaml").is_file():
        names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        reason = f"there are {names}" if names else "run this in the root of the project"
        raise InputError(f"no scale {name!r}; {reason}")
    scale = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    return merge((directory / "params.yaml").read_text(encoding="utf-8"), scale)


def lay_out(source: Path, target: Path, params: str) -> None:
    """Make `target` a directory in which the graph runs with a params.yaml of its own; sources are only linked."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in (*SOURCES, *from_mapping(yaml.safe_load(params)).local_sources()):
        link = target / entry
        if (source / entry).exists() and not (link.exists() or link.is_symlink() or ".." in link.parts):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((source / entry).resolve(), target_is_directory=(source / entry).is_dir())
    place = target / "params.yaml"
    if not place.exists() or place.read_text(encoding="utf-8") != params:
        write_text(place, params)


def merge(text: str, scale: str) -> str:
    """`text` with the values of the keys in `scale` put in; a key that `text` does not have is an InputError."""
    places, values = _places(text), _places(scale)
    for key in values:
        if key not in places:
            close = difflib.get_close_matches(key, places, n=1)
            raise InputError(f"no key {key} in params.yaml" + (f"; did you mean {close[0]}?" if close else ""))
    for key in sorted(values, key=lambda key: places[key].start, reverse=True):
        place, new = places[key], values[key]
        put = _put_block if new.on_own_lines(scale) else _put_inline
        text = put(text, place, scale[new.start : new.end])
    return text


@dataclass(frozen=True)
class _Place:
    """Where a key's colon ends, and where its value starts and ends."""

    colon: int
    start: int
    end: int

    def on_own_lines(self, text: str) -> bool:
        """Whether the value stands below its key."""
        return "\n" in text[self.colon : self.start]


def _put_inline(text: str, place: _Place, value: str) -> str:
    """Put a value on its key's line; a comment there keeps its column."""
    if place.on_own_lines(text):
        below = text[place.colon : place.start].rstrip(" ").removesuffix("\n") + text[place.end :]
        return text[: place.colon] + _padded(f" {value}", below)
    gap = text[place.colon : place.start] or " "
    width = place.end - place.colon
    return text[: place.colon] + _padded(gap + value, " " * width + text[place.end :])


def _padded(value: str, rest: str) -> str:
    """A value before what follows it on its line: a comment is kept in its column, blanks at the end are dropped."""
    after = rest.lstrip(" ")
    if after.startswith("#"):
        return value + " " * max(1, len(rest) - len(after) - len(value)) + after
    return value + after


def _put_block(text: str, place: _Place, value: str) -> str:
    """Put a value below its key, where the indent of an earlier value or that of two levels is kept."""
    if place.on_own_lines(text):
        return text[: place.start] + value + text[place.end :]
    line, newline, after = text[place.end :].partition("\n")
    return text[: place.colon] + (f" {line.lstrip(' ')}" if line.strip() else "") + f"\n    {value}{newline}{after}"


def _places(text: str) -> dict[str, _Place]:
    """The place of each key's value in a YAML text, two levels deep: {"seed": ..., "grpo.steps": ...}."""
    places = {}
    for name, node in yaml.compose(text, yaml.SafeLoader).value:
        if isinstance(node, yaml.MappingNode) and not node.flow_style:
            places |= {f"{name.value}.{key.value}": _place(text, key, value) for key, value in node.value}
        else:
            places[name.value] = _place(text, name, node)
    return places


def _place(text: str, key: yaml.Node, value: yaml.Node) -> _Place:
    """A block ends with its last entry, not with the comments behind it."""
    last = value
    while isinstance(last, yaml.CollectionNode) and not last.flow_style:
        entry = last.value[-1]
        last = entry[1] if isinstance(entry, tuple) else entry
    return _Place(text.index(":", key.end_mark.index) + 1, value.start_mark.index, last.end_mark.index)
