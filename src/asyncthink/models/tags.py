"""The protocol's tags as a model's tokens."""

from collections.abc import Iterable

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from asyncthink import protocol
from asyncthink.models.prompts import PROMPTS


def tags(style: str) -> list[str]:
    """Every tag of a prompt style (settings.Thinking.prompts)."""
    pairs = (protocol.fork_open, protocol.fork_close, protocol.join_open, protocol.join_close)
    ends = (protocol.ANSWER_OPEN, protocol.ANSWER_CLOSE, protocol.RETURN_OPEN, protocol.RETURN_CLOSE)
    return [*(tag(i) for i in PROMPTS[style].fork_ids for tag in pairs), *ends]


def token_ids(tokenizer: PreTrainedTokenizerBase, style: str) -> list[int]:
    """The ids of the tags that are one token each; of a tag in several pieces none is a tag's alone."""
    encoded = [tokenizer.encode(tag, add_special_tokens=False) for tag in tags(style)]
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
    return tokenizer.decode(tokenizer.encode(word, add_special_tokens=False)).strip()
