"""The language model: built from params.model, loaded, made ready for training, and written to a folder."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from asyncthink.errors import InputError
from asyncthink.models import checkpoint_files, gguf, names
from asyncthink.settings import Model

LARGE = 100_000_000  # parameters from which on products are of bfloat16, and a GPU recomputes activations
_BFLOAT16 = ("avx512_bf16", "amx_bf16")  # what a processor can do that multiplies in it
_PINNED = re.compile(r"[^@]+@[0-9a-f]{40}")
CONTEXT = 4096  # positions that a model built here knows; rotary embeddings, so it costs nothing


def build(shape: Model, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A Qwen3 model with random weights; plain multi-head attention, input and output embeddings tied."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        head_dim=shape.head_size,
        intermediate_size=shape.intermediate_size,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        # The default, 0.02, is made for widths of thousands; from it a narrow model learns to copy many times later.
        initializer_range=shape.hidden_size**-0.5,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return ready(Qwen3ForCausalLM(config))


def pinned(start: str) -> str:
    """A folder, or a hub name with the commit it is read at; InputError for a name whose weights could change."""
    if not Path(start).is_dir() and not _PINNED.fullmatch(start):
        raise InputError(
            f"params.yaml: model.start_from is {start!r}: neither a folder here nor a hub name with a commit; write"
            f" NAME@COMMIT with the 40 digits of one, from https://huggingface.co/{start.partition('@')[0]}/commits"
        )
    return start


def located(folder: str | Path) -> tuple[str, str]:
    """A folder or a hub name, and the revision: a commit or a branch, which may stand after an @.

    A GGUF file is imported, and is then a folder.
    """
    names.check(folder)
    if names.is_gguf(folder):
        return str(gguf.imported(Path(folder))), "main"
    if Path(folder).is_dir():
        return str(folder), "main"
    name, _, revision = str(folder).partition("@")
    return name, revision or "main"


def load(
    folder: str | Path, dtype: torch.dtype | str = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and the tokenizer of a folder or a hub name; weights only from safetensors. dtype "auto": as saved.

    InputError where a weight of the model is not in its files.
    """
    name, revision = located(folder)
    with _loading(folder):
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            name,
            revision=revision,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,  # where nothing is said, transformers asks on the terminal
            return_dict=True,  # some configurations say otherwise
            ignore_mismatched_sizes=True,  # told below, by name
            output_loading_info=True,
        )
        model, told = loaded
        whole = checkpoint_files.whole_numbers(Path(name))
    if wrong := _unloaded(told) or whole:
        raise InputError(f"{folder}: its weights are not what its config.json says: {wrong}; fetch it anew")
    return ready(model), tokenizer


def _unloaded(told: dict[str, Any]) -> str | None:
    """Weights for which transformers took random numbers."""
    if missing := sorted(told["missing_keys"]):
        return f"{len(missing)} are missing, such as {missing[0]}"
    for name, saved, wanted in sorted(told["mismatched_keys"]):
        return f"{name} is {list(saved)} and not {list(wanted)}"
    return None


def placed(folder: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The same, on the GPU where there is one."""
    model, tokenizer = load(folder)
    nn.Module.to(model, "cuda" if torch.cuda.is_available() else "cpu")
    return model, tokenizer


def empty(folder: str | Path) -> PreTrainedModel:
    """The model of a folder or a hub name without its weights: what follows from its configuration."""
    name, revision = located(folder)
    with _loading(folder), torch.device("meta"):
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        return model


def load_tokenizer(folder: str | Path) -> tuple[PreTrainedTokenizerBase, int]:
    """The tokenizer of a folder or a hub name without its model, and how many tokens that model can say."""
    name, revision = located(folder)
    with _loading(folder):
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
        return tokenizer, config.get_text_config().vocab_size


@contextmanager
def _loading(folder: str | Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the tokenizers library raises Exception itself where a file is torn
        reason = checkpoint_files.fault(Path(folder)) or " ".join(str(error).split())[:300]
        raise InputError(f"{folder}: not a model that can be loaded: {reason}") from None


def ready(model: PreTrainedModel) -> PreTrainedModel:
    """Switch dropout off, and put torch's RMSNorm, one operation, in the place of Qwen3's, which is six.

    With dropout, what is trained would be another model than the one that sampled. Small models are bound by the number
    of operations. A large one computes in mixed precision, where torch's own norm falls back to single operations.
    """
    without_dropout(model)
    if model.num_parameters() > LARGE:
        return model
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Qwen3RMSNorm):
                norm = nn.RMSNorm(child.weight.shape, eps=child.variance_epsilon, dtype=child.weight.dtype)
                norm.weight = child.weight
                setattr(module, name, norm)
    return model


def without_dropout(model: nn.Module) -> None:
    """Set every probability of dropping something to 0, of modules and of those that transformers keeps as numbers."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)


def write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write model.safetensors, config.json and the tokenizer's files; byte-equal for equal weights."""
    model.config.use_cache = True
    with checkpoint_files.saving(folder):
        model.save_pretrained(folder, max_shard_size=checkpoint_files.ONE_FILE)
        tokenizer.save_pretrained(folder)


def settings(model: PreTrainedModel) -> dict[str, Any]:
    """Arguments for a trainer that follow from the machine and the model's size."""
    on_gpu, large = torch.cuda.is_available(), model.num_parameters() > LARGE
    return {
        "use_cpu": not on_gpu,
        "bf16": large and multiplies_in_bfloat16(),
        "gradient_checkpointing": large and on_gpu,
        "dataloader_pin_memory": on_gpu,
    }


def multiplies_in_bfloat16() -> bool:
    """Whether the GPU, or else the processor, has instructions for it."""
    return torch.cuda.is_available() or any(torch.cpu.get_capabilities().get(name) for name in _BFLOAT16)


def deterministic() -> None:
    """The same bytes from the same seed, and no chatter; once, before anything is computed."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch makes it later
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
