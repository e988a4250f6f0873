"""Where the project is: every command is run in the folder that holds params.yaml."""

from pathlib import Path

from asyncthink.errors import InputError

PARAMS = "params.yaml"


def check_root() -> None:
    """InputError if this is not the root of the project."""
    if not Path(PARAMS).is_file():
        raise absent(PARAMS)


def absent(path: str | Path) -> InputError:
    """What to say where a file of the project's root is missing, and where the root is if it is further up."""
    if Path(path).name != str(path):
        return InputError(f"{path}: no such file")
    above = next((folder for folder in Path.cwd().parents if (folder / path).is_file()), None)
    return InputError(f"no {path} here; run this in the root of the project{f': cd {above}' if above else ''}")
