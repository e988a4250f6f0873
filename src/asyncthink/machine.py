"""What the graph has to know of the machine it runs on; never anything that decides a result."""

import os
import sys
from pathlib import Path


def has_gpu() -> bool:
    """Whether an NVIDIA device is here, without loading torch."""
    return Path("/dev/nvidia0").exists()


def activate() -> None:
    """Steps run with the interpreter that runs Snakemake, whether or not its environment is activated."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
