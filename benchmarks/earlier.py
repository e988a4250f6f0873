"""An earlier commit of this project, laid out in a folder, so that both run in one and the same hour.

It runs in this environment: `environment` makes a child process import that commit's package.
"""

import os
import subprocess
from pathlib import Path

from asyncthink.errors import InputError
from benchmarks.record import ROOT

BEFORE = "c844dab"  # the state that the goals speak of


def checkout(folder: Path, root: Path = ROOT) -> None:
    """Put the files of that commit into a folder; InputError where this checkout does not have it."""
    archive = subprocess.run(["git", "archive", BEFORE], cwd=root, capture_output=True)
    if archive.returncode:
        told = f"{root} is not a git checkout: clone the repository in place of unpacking an archive of it"
        if (root / ".git").exists():
            told = "run git fetch --unshallow, or git fetch where this is a whole clone"
        raise InputError(f"commit {BEFORE}, which this is measured beside, is not here; {told}")
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)


def environment(folder: Path) -> dict[str, str]:
    """This process's environment, with the package of the commit in the folder."""
    return {**os.environ, "PYTHONPATH": str(folder / "src")}
