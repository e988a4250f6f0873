"""Who computes attention in training: torch's own function (sdpa), or FlashAttention 2, for which nothing is padded.

ASYNCTHINK_ATTENTION in the environment asks for the second. It is never taken unasked: it rounds in its own way, and
what was asked for stands in every half-done state. A model whose attention is neither keeps its own under sdpa.
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec

import torch
from transformers import PreTrainedModel

from asyncthink.errors import InputError
from asyncthink.models.language_model import settings

CHOICE = "ASYNCTHINK_ATTENTION"
SDPA, FLASH = "sdpa", "flash_attention_2"


def asked(environment: Mapping[str, str] = os.environ) -> str:
    """Which one the environment asks for; InputError for what is neither."""
    choice = environment.get(CHOICE) or SDPA
    if choice not in (SDPA, FLASH):
        raise InputError(f"{CHOICE} is {choice!r} in the environment: it can be {SDPA} or {FLASH}")
    return choice


def package() -> str | None:
    """Why FlashAttention cannot be had in this environment."""
    if find_spec("flash_attn") is None:
        return "the package flash-attn is not installed (pip install flash-attn --no-build-isolation)"
    return None


def settle(model: PreTrainedModel, sampler: str | None = None) -> None:
    """Give a model that is to be trained the attention that is asked for; InputError where it cannot have it."""
    if asked() == SDPA:
        return
    if reason := package() or _unfit(model, sampler):
        raise InputError(f"{CHOICE} is {FLASH}: {reason}; leave it away, and {SDPA} computes")
    os.environ.setdefault("FLASH_ATTENTION_DETERMINISTIC", "1")  # sums of gradients in one order
    model.set_attn_implementation(FLASH)


def _unfit(model: PreTrainedModel, sampler: str | None) -> str | None:
    if not torch.cuda.is_available():
        return "there is no GPU here"
    if not model._supports_flash_attn:
        return f"{type(model).__name__} cannot compute with it"
    if not settings(model)["bf16"]:
        return "it computes in bfloat16 alone, and a model of this size is trained in float32"
    if sampler == "local":
        return "it computes in bfloat16 alone, and the engine local decodes in float32 (ASYNCTHINK_ENGINE=vllm)"
    return None
