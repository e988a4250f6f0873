"""What the graph has to know of the machine and the screen it runs on; never anything that decides a result."""

import os
import sys
from pathlib import Path

DETAILS = "ASYNCTHINK_DETAILS"  # set, Snakemake lists every file of a job in place of its one line


def told(line: str) -> str | None:
    """What a job says of itself on the screen."""
    return None if os.environ.get(DETAILS) else line


def has_gpu() -> bool:
    """Whether an NVIDIA device is here, without loading torch."""
    return Path("/dev/nvidia0").exists()


def activate() -> None:
    """Steps run with the interpreter that runs Snakemake, whether or not its environment is activated."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
