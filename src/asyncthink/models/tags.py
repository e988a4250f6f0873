"""The protocol's tags as a model's tokens."""

from collections.abc import Iterable

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from asyncthink.models.prompts import PROMPTS


def token_ids(tokenizer: PreTrainedTokenizerBase, style: str) -> list[int]:
    """The ids of a prompt style's tags that are one token each; of a tag in several pieces none is a tag's alone."""
    encoded = [tokenizer.encode(tag, add_special_tokens=False) for tag in PROMPTS[style].tags]
    return sorted({ids[0] for ids in encoded if len(ids) == 1})


def extend(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, words: Iterable[str]) -> list[str]:
    """Add the words that the tokenizer cannot give back, each as one token; the words added.

    A byte-level tokenizer can write every tag in several tokens, so usually nothing is added. A new embedding is the
    mean of the old ones.
    """
    missing = [word for word in words if _decoded(tokenizer, word) != word]
    if missing:
        tokenizer.add_tokens(missing)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        with torch.no_grad():
            for weight in {model.get_input_embeddings().weight, model.get_output_embeddings().weight}:
                weight[-len(missing) :] = weight[: -len(missing)].mean(0)
    return missing


def _decoded(tokenizer: PreTrainedTokenizerBase, word: str) -> str:
    return "".join(tokenizer.decode(tokenizer.encode(word, add_special_tokens=False))).strip()
