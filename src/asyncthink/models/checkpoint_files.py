"""What is wrong with the files in a model's folder, where transformers stumbles over them, or over a full disk.

It names Python's types and its own internals rather than files, and takes whole numbers for weights without a word.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import CONFIG_MAPPING

from asyncthink.errors import InputError

CONFIG, INDEX, WEIGHTS = "config.json", "model.safetensors.index.json", "model.safetensors"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
ONE_FILE = "1000GB"  # max_shard_size of whatever is saved: the rules name one file of weights
AGAIN = "fetch it anew"
ADAPTER = "adapter_config.json"
UNSAFE = "pytorch_model*.bin"


def fault(folder: Path) -> str | None:
    """The first thing wrong; None where nothing is found, or it is no folder."""
    if not folder.is_dir():
        return None
    try:
        config = _object(folder / CONFIG)
        for path in map(folder.joinpath, ("tokenizer_config.json", "tokenizer.json", "generation_config.json")):
            if path.exists():
                _object(path)
        if not any((folder / name).exists() for name in TOKENIZERS):
            return f"it has no tokenizer: {TOKENIZERS[0]} is not there; copy it from where the weights are from"
        for path in _weights(folder):
            _header(path)
    except ValueError as error:
        return str(error)
    except (AttributeError, LookupError, TypeError):  # JSON of another form, which transformers has words for
        return None
    dtype = config.get("dtype", config.get("torch_dtype", "float32"))
    if not isinstance(getattr(torch, str(dtype), None), torch.dtype):
        return f"{CONFIG}: dtype is {dtype!r}; allowed: float32, bfloat16, float16"
    if "auto_map" in config and config.get("model_type") not in CONFIG_MAPPING:
        known = "take a model whose architecture transformers knows"
        return f"it comes with code of its own (auto_map in {CONFIG}), which is not run here; {known}"
    if config.get("is_encoder_decoder"):
        return "it has an encoder; serve it, and say --engine text --server http://127.0.0.1:8000/v1"
    return None


@contextmanager
def saving(folder: Path, kept: str = "") -> Iterator[None]:
    """What the system, torch, safetensors and tokenizers raise where a disk is full, as one sentence with `kept`."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, (OSError, RuntimeError, SafetensorError)) or type(error) is Exception  # tokenizers'
        if not known:
            raise
        raise InputError(f"{folder}: cannot be saved ({' '.join(str(error).split())[:200]}){kept}") from None


def whole_numbers(folder: Path) -> str | None:
    """A weight that is saved as whole numbers although config.json names no quantization, and so no scale of them."""
    if not folder.is_dir() or "quantization_config" in _object(folder / CONFIG):
        return None
    types = {name: about["dtype"] for path in _weights(folder) for name, about in _header(path).items()}
    found = (f"{name} is {kind}" for name, kind in types.items() if name.endswith("weight") and kind[0] in "IU")
    return next(found, None)


def _weights(folder: Path) -> list[Path]:
    """The files that hold the weights; ValueError where one is not there."""
    if (folder / INDEX).exists():
        names = sorted(set(_object(folder / INDEX).get("weight_map", {}).values()))
        if lost := [name for name in names if not (folder / name).exists()]:
            raise ValueError(f"{lost[0]} is not there, which {INDEX} names; {AGAIN}")
        return [folder / name for name in names]
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    if unsafe := sorted(folder.glob(UNSAFE)):
        how = "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(FOLDER) of transformers writes the other"
        raise ValueError(f"its weights are in {unsafe[0].name}, which can run code, and not in {WEIGHTS}; {how}")
    raise ValueError(f"it has no weights: {WEIGHTS} is not there")


def _header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of each tensor; ValueError where it is torn."""
    with path.open("rb") as file:
        length, size = int.from_bytes(file.read(8), "little"), path.stat().st_size
        if not 2 <= length <= size - 8:
            raise ValueError(f"{path.name} is cut short, or no safetensors file: it has {size:,} bytes; {AGAIN}")
        header = _parsed(file.read(length), f"the header of {path.name}")
    header.pop("__metadata__", None)
    expected = 8 + length + max((about["data_offsets"][1] for about in header.values()), default=0)
    if size != expected:
        raise ValueError(f"{path.name} is cut short: it has {size:,} of {expected:,} bytes; {AGAIN}")
    return header


def _object(path: Path) -> dict[str, Any]:
    if not path.exists():
        if path.with_name(ADAPTER).exists():
            raise ValueError(
                f"it is an adapter ({ADAPTER}) and no model: merge it into its own, by peft's merge_and_unload"
            )
        raise ValueError(f"{path.name} is not there; a model's folder has it beside the weights")
    return _parsed(path.read_bytes(), path.name)


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    """One JSON object, in which infinite numbers may stand, as they do in some models."""
    try:
        found = json.loads(data)
    except ValueError as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not a JSON object")
    return found
