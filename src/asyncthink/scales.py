"""Scales: params.yaml rewritten for another machine, so that there is always exactly one file that counts.

workflow/scales/NAME.yaml holds a value for each key in which the scales differ. Only those values change in the text
of params.yaml; everything else, comments and spacing too, stays byte for byte, and one's own edits of other keys live
on. All scale files name the same keys, so going to another scale and back restores the file.
"""

import difflib
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
    for entry in SOURCES:
        link = target / entry
        if (source / entry).exists() and not link.is_symlink():
            link.symlink_to((source / entry).resolve(), target_is_directory=(source / entry).is_dir())
    place = target / "params.yaml"
    if not place.exists() or place.read_text(encoding="utf-8") != params:
        write_text(place, params)


def merge(text: str, scale: str) -> str:
    """`text` with the values of the keys in `scale` put in; a key that `text` does not have is an InputError."""
    places, values = _values(text), _values(scale)
    for key in values:
        if key not in places:
            close = difflib.get_close_matches(key, places, n=1)
            raise InputError(f"no key {key} in params.yaml" + (f"; did you mean {close[0]}?" if close else ""))
    for key in sorted(values, key=lambda key: places[key], reverse=True):
        start, end = places[key]
        text = text[:start] + _fitted(text, end, end - start, scale[slice(*values[key])])
    return text


def _fitted(text: str, end: int, width: int, value: str) -> str:
    """A value and what follows it, with a comment on its line kept in its column."""
    rest = text[end:]
    gap = len(rest) - len(rest.lstrip(" "))
    if not rest.lstrip(" ").startswith("#") or "\n" in value:
        return value + rest
    return value + " " * max(1, width + gap - len(value)) + rest[gap:]


def _values(text: str) -> dict[str, tuple[int, int]]:
    """Where the value of each key stands in a YAML text: {"seed": (start, end), "grpo.steps": ...}, two levels deep."""
    spans = {}
    for name, node in yaml.compose(text, yaml.SafeLoader).value:
        if isinstance(node, yaml.MappingNode) and not node.flow_style:
            spans |= {f"{name.value}.{key.value}": _span(value) for key, value in node.value}
        else:
            spans[name.value] = _span(node)
    return spans


def _span(node: yaml.Node) -> tuple[int, int]:
    """Start and end of a value; a block ends with its last entry, not with the comments behind it."""
    last = node
    while isinstance(last, yaml.CollectionNode) and not last.flow_style:
        entry = last.value[-1]
        last = entry[1] if isinstance(entry, tuple) else entry
    return node.start_mark.index, last.end_mark.index
