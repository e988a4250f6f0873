"""What names a model: a folder, a GGUF file, or ORG/NAME of the hub, where a commit may follow: ORG/NAME@COMMIT."""

from pathlib import Path

from asyncthink.errors import InputError


def is_gguf(model: str | Path) -> bool:
    """Whether a model is a GGUF file."""
    return Path(model).suffix.lower() == ".gguf"


def check(model: str | Path) -> None:
    """InputError for what is not here and can be no name of the hub, before a network is asked for it."""
    path = Path(model)
    if is_gguf(path) or path.is_dir():
        return
    if path.is_absolute() or len(path.parts) != 2:
        raise InputError(f"{path}: no such folder; `make reproduce` trains those of the graph; a hub name is ORG/NAME")
    if path.parent.is_dir() and "@" not in path.name:  # a slip in a folder's name would wait minutes for the hub
        raise InputError(f"{path}: no such folder in {path.parent}; if the hub's {path} is meant, write {path}@main")
