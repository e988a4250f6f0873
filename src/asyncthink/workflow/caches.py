"""Where libraries keep what they download and compute: in the home directory, or else beside the results."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

OWN = Path("work/cache")
VARIABLES = ("XDG_CACHE_HOME", "HF_HOME", "MPLCONFIGDIR")  # which name the folder of caches, the hub's, matplotlib's


def folder(environment: Mapping[str, str]) -> Path:
    """The folder of caches, as libraries look for it."""
    home = environment.get("HOME") or str(Path.home())
    return Path(environment.get("XDG_CACHE_HOME") or Path(home) / ".cache")


def writable(path: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself if it is not there. Nothing stays behind."""
    there = next(above for above in (path.absolute(), *path.absolute().parents) if os.path.exists(above))
    try:
        with tempfile.TemporaryFile(dir=there):
            return True
    except OSError:
        return False


def settle() -> None:
    """Let this process and its steps keep caches here if the usual folder cannot be written; said once a run.

    Models of the hub that lie in the usual folder are still read there.
    """
    usual = folder(os.environ)
    if writable(usual):
        return
    if os.path.isdir(hub := usual / "huggingface"):
        os.environ.setdefault("HF_HOME", str(hub))
    os.environ["XDG_CACHE_HOME"] = str(OWN.absolute())
    print(f"{usual} cannot be written; caches of this run are kept in {OWN}", file=sys.stderr)
