"""What a base model can do, measured on held-out documents by teacher forcing: arithmetic, telling hits, copying."""

from collections.abc import Mapping, Sequence

import torch
from transformers import PreTrainedModel

from asyncthink.protocol import TELLING, inside
from asyncthink.training.log_probabilities import score

HIT, MISS = "!", "."


def places(words: Sequence[str]) -> dict[str, list[bool]]:
    """Per skill, at which words of a document it shows: results, the marks of hits, and what an answer tells."""
    following = [*words[1:], ""]
    return {
        "arithmetic": [mark in (HIT, MISS) for mark in following],
        "hit_recall": [word == HIT for word in words],
        "copying": inside(words, TELLING),
    }


def measure(model: PreTrainedModel, vocabulary: Mapping[str, int], documents: Sequence[str]) -> dict[str, float | None]:
    """The share of those words that the model finds the likeliest; None where a skill does not show."""
    texts = [text.split() for text in documents]
    ids_N = torch.tensor([vocabulary[word] for words in texts for word in words], device=model.device)
    with torch.no_grad():
        right_N = score(model, ids_N, [len(words) for words in texts]).likeliest_N.cpu()
    shown = [places(words) for words in texts]
    result = {}
    for skill in shown[0]:
        chosen_N = torch.tensor([flag for flags in shown for flag in flags[skill]])
        result[skill] = right_N[chosen_N].float().mean().item() if chosen_N.any() else None
    return result
