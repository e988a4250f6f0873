"""What a base model can do, measured on held-out documents by teacher forcing: arithmetic, telling hits, copying."""

from collections.abc import Mapping, Sequence

import torch
from transformers import PreTrainedModel

from asyncthink.protocol import TELLING, inside
from asyncthink.tasks.countdown_search import COUNT, VERDICTS
from asyncthink.tasks.expressions import OPERATIONS
from asyncthink.training.log_probabilities import score

RESULT = 4  # words from `|` to the branch's result, after its name and its numbers


def places(words: Sequence[str]) -> dict[str, list[bool]]:
    """Per skill, at which words of a document it shows: results, verdicts of hits, their spelling, what is told."""
    flags: dict[str, list[bool]] = {"arithmetic": [], "hit_recall": [], "spelling": [], "copying": []}
    left, since = 0, -len(words)  # words of a solution to come; words since a branch began
    passed_on = inside(words, TELLING)
    for before, last, word, told in zip(["", "", *words], ["", *words], words, passed_on, strict=False):
        since = 0 if word == "|" else since + 1
        searching = since > RESULT and not told and left <= 0
        hit = searching and word in VERDICTS and last.isdigit() and before in OPERATIONS
        flags["arithmetic"].append(since == RESULT or (searching and last in OPERATIONS and word.isdigit()))
        flags["hit_recall"].append(hit)
        flags["spelling"].append(left > 0)
        flags["copying"].append(told)
        left = 2 * COUNT - 1 if hit else left - 1
    return flags


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
