"""The functions of kernels.c, compiled once by this machine's C compiler and kept in a cache folder.

ASYNCTHINK_KERNELS in the environment says who computes: `compiled`, which is what is taken where nothing is said, or
`plain`, torch alone. Without a C compiler it is torch too, and a line says so. The two round differently, so `used`
stands in the records of whatever was computed. A model that several processes train is scored by torch in any case: its
weights are gathered, and its gradients reduced, around torch's own modules.
"""

import ctypes
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from transformers import Qwen3ForCausalLM

from asyncthink.errors import InputError
from asyncthink.files import cache_folder, sha256

CHOICE = "ASYNCTHINK_KERNELS"
COMPILED, PLAIN = "compiled", "plain"
SOURCE = Path(__file__).with_name("kernels.c")
# What reorders sums is left out: the source says where that may be done.
FLAGS = ("-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
LANES = 16  # keys that are compared at once: rooms of a cache are multiples of it
PANEL = 32  # columns of a weight that lie together
PART = 8  # numbers of a head that are added at once: sizes are multiples of it
LARGEST = 20_000_000  # parameters: beyond it products decide, and torch spreads them over threads
TYPES = {"int64_t": ctypes.c_int64, "float": ctypes.c_float}


def used() -> str:
    """What computes where it can, for records: plain, or compiled and the hash of the machine code."""
    return PLAIN if library() is None else f"{COMPILED} {sha256(_target())[:8]}"


def fit(model: torch.nn.Module) -> bool:
    """Whether the kernels compute this model: a small Qwen3 of this process alone, in single precision on a CPU."""
    if type(model) is not Qwen3ForCausalLM or library() is None:  # sharding and wrappers make a type of their own
        return False
    config, weight = model.config, model.lm_head.weight
    plain = config.sliding_window is None and config.hidden_act == "silu" and not config.attention_bias
    still = (config.rope_parameters or {}).get("rope_type") not in ("dynamic", "longrope")
    exact = weight.device.type == "cpu" and weight.dtype == torch.float32
    sized = config.head_dim % PART == 0 and model.num_parameters() <= LARGEST
    return plain and still and exact and sized and not config.attention_dropout


@cache
def library() -> ctypes.CDLL | None:
    """The compiled operations, or None where torch computes."""
    choice = os.environ.get(CHOICE, COMPILED)
    if choice not in (COMPILED, PLAIN):
        raise InputError(f"{CHOICE} is {choice!r} in the environment: it can be {COMPILED} or {PLAIN}")
    if choice == PLAIN:
        return None
    try:
        target = _target()
        if not target.exists():
            _compile(target)
        return _declared(ctypes.CDLL(str(target)))
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        reason = " ".join(told.split())[:200]
        print(f"no compiled kernels ({reason}): torch computes, 2 to 3 times slower on a CPU", file=sys.stderr)
        return None


def _compiler() -> str:
    name = os.environ.get("CC", "cc")
    path = shutil.which(name)
    if path is None:
        raise OSError(f"there is no C compiler {name}")
    return path


@cache
def _target() -> Path:
    """Where it is kept, by the source, the flags and the processor, whose instructions `native` are."""
    processor = Path("/proc/cpuinfo")
    flags = re.search(r"^(?:flags|Features).*", processor.read_text(), re.MULTILINE) if processor.exists() else None
    native = flags[0] if flags else platform.processor()
    parts = "\n".join((SOURCE.read_text(encoding="utf-8"), *FLAGS, platform.machine(), native))
    return cache_folder() / f"kernels-{hashlib.sha256(parts.encode()).hexdigest()[:16]}.so"


def _compile(target: Path) -> None:
    """In one step, so that processes that start together do not read half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / target.name
        command = [_compiler(), *FLAGS, str(SOURCE), "-o", str(made), "-lm"]
        subprocess.run(command, check=True, capture_output=True, text=True)
        made.replace(target)


def _declared(compiled: ctypes.CDLL) -> ctypes.CDLL:
    """Give each function the types of its arguments, as they stand in the source."""
    for name, listed in re.findall(r"^void (\w+)\(([^)]*)\)", SOURCE.read_text(encoding="utf-8"), re.MULTILINE):
        kinds = [ctypes.c_void_p if "*" in one else TYPES[one.split()[-2]] for one in listed.split(",")]
        getattr(compiled, name).argtypes = kinds
    return compiled


def call(name: str, *given: Tensor | int | float) -> None:
    """One of the functions of kernels.c. Tensors are contiguous; those that it writes are among them."""
    getattr(library(), name)(*[one.data_ptr() if isinstance(one, Tensor) else one for one in given])
