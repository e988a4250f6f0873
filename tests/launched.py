"""Training commands in processes of their own: what they are started by, and how far their updates lie apart."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from training_oracle import relative_error

from asyncthink.workflow import machine

# What the rules start; several processes meet over gloo.
LAUNCHERS = {"one": machine.python(1), "two": machine.python(2), "sharing": machine.python(2, shard=True)}


def words(launcher: str, command: Sequence[str]) -> list[str]:
    return [sys.executable, *LAUNCHERS[launcher].split()[1:], *command]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def train(folder: Path, launcher: str, command: Sequence[str]) -> dict[str, torch.Tensor]:
    """Run a command to its end in a folder; the weights that it wrote to `model`."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(words(launcher, command), cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(folder / "model" / "model.safetensors")


def update_error(start: Path, found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """How far one run's update of the model in `start` is from another's; tensors of the same names, shapes, types."""
    begun = load_file(start / "model.safetensors")
    for ended in (found, expected):
        assert {name: (value.dtype, value.shape) for name, value in ended.items()} == {
            name: (value.dtype, value.shape) for name, value in begun.items()
        }
    moved, wanted = ({name: ended[name] - begun[name] for name in begun} for ended in (found, expected))
    return relative_error(moved, wanted)
