"""An earlier commit of this project, laid beside it in a scratch folder, so that both run in one and the same hour.

It runs in this environment: `python_path` in front of PYTHONPATH makes a child process import that commit's package.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from asyncthink.errors import InputError

ROOT = Path(__file__).parents[1]
BEFORE = "c844dab"  # the state that the goals speak of


def checkout(commit: str = BEFORE) -> Path:
    """A folder with the files of the commit, made once; it lies among the machine's temporary files."""
    folder = Path(tempfile.gettempdir()) / f"asyncthink-{commit}-{os.getuid()}"
    if not (folder / "ready").exists():
        folder.mkdir(exist_ok=True)
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True)
        if archive.returncode:
            raise InputError(f"this checkout does not have commit {commit}; run git fetch --unshallow")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        (folder / "ready").touch()
    return folder


def environment(commit: str = BEFORE) -> dict[str, str]:
    """This process's environment, with the package of that commit."""
    return {**os.environ, "PYTHONPATH": str(checkout(commit) / "src")}
