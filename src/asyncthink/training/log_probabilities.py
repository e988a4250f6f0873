"""Log-probabilities of many traces of different lengths, in few forward passes of the model.

The traces of a batch follow one another in a *stream* of N tokens. A layout cuts the stream into rows and passes:

    padded   one trace a row, rows of like length together: causal attention needs no mask at all.
    packed   several traces a row, told apart by position_ids that restart: with FlashAttention, which reads the
             restarts as borders between sequences (at one row a pass), nothing is padded. Elsewhere the mask is dense.

A small model on a CPU has a pass of its own (compiled_pass), which takes the stream as it is.

Neither passes an attention mask or a cache. Both matter: transformers sees packed rows by their positions only while
there is no mask and no cache, and otherwise lets the traces attend to each other without a word.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from asyncthink.models import kernels
from asyncthink.training import compiled_pass
from asyncthink.training.sharding import most

BUDGETS = {"cpu": 4096, "cuda": 65536}  # cells a pass: caches set it on a CPU, memory on a GPU
SMALL = 8192  # words up to which whole logits are quicker than a fused head, and their memory no matter
ALIKE = 0.85  # rows of one pass are at least this share of its longest row ...
WORTH = 8  # ... once the pass has this part of its budget

Rows = list[list[int]]  # the traces (by number) of each row of one pass
NOTHING: Rows = [[]]  # a pass that a process makes because others, which share the model, have more to do


@dataclass(frozen=True)
class Scores:
    """Per token of the stream: log-probability of the token, entropy of its distribution in nats, was it the likeliest.

    The first token of a trace has no distribution: 0, 0 and False.
    """

    logprob_N: Tensor
    entropy_N: Tensor
    likeliest_N: Tensor


def padded(lengths: Sequence[int], budget: int) -> list[Rows]:
    """One trace a row, longest first, at most `budget` cells a pass (at least one row).

    A pass that is large enough to be worth its overhead also ends where the rows get much shorter than its first.
    """
    passes: list[Rows] = []
    for trace in sorted(range(len(lengths)), key=lambda trace: -lengths[trace]):
        if not passes or _full(passes[-1], lengths, trace, budget):
            passes.append([])
        passes[-1].append([trace])
    return passes


def _full(rows: Rows, lengths: Sequence[int], trace: int, budget: int) -> bool:
    longest = lengths[rows[0][0]]
    cells = len(rows) * longest
    shorter = lengths[trace] < ALIKE * longest and cells * WORTH >= budget
    return cells + longest > budget or shorter


def packed(lengths: Sequence[int], budget: int) -> list[Rows]:
    """As many traces a row as `budget` tokens hold (at least one), one row a pass."""
    passes: list[Rows] = []
    for trace, length in enumerate(lengths):
        if not passes or sum(lengths[other] for other in passes[-1][0]) + length > budget:
            passes.append([[]])
        passes[-1][0].append(trace)
    return passes


Layout = Callable[[Sequence[int], int], list[Rows]]


def layout_of(model: Any) -> Layout:
    """The layout that suits a model's attention."""
    return packed if "flash" in (model.config._attn_implementation or "") else padded


def plain(model: Any, ids_RT: Tensor, position_RT: Tensor, wanted_RT: Tensor, temperature: float) -> tuple[Tensor, ...]:
    """Log-probability, entropy and argmax hit of the wanted tokens (M of them, row by row), from the full logits."""
    logits_RTV = model(input_ids=ids_RT, position_ids=position_RT, use_cache=False).logits[:, :-1]
    wanted = wanted_RT[:, 1:]
    logits_MV, label_M = logits_RTV[wanted].float() / temperature, ids_RT[:, 1:][wanted]
    logprob_MV = logits_MV.log_softmax(-1)
    with torch.no_grad():
        entropy_M = -(logprob_MV.exp() * logprob_MV).sum(-1)
        likeliest_M = logits_MV.argmax(-1) == label_M
    return logprob_MV.gather(-1, label_M[:, None])[:, 0], entropy_M, likeliest_M


def fused(model: Any, ids_RT: Tensor, position_RT: Tensor, wanted_RT: Tensor, temperature: float) -> tuple[Tensor, ...]:
    """The same from TRL's fused head, which its trainers put on the model: logits never exist as a whole.

    The temperature is the one that the head was made with.
    """
    del temperature
    labels_RT = ids_RT.masked_fill(~wanted_RT, -100)
    output = model(input_ids=ids_RT, position_ids=position_RT, labels=labels_RT, fused_lm_head=True)
    wanted = wanted_RT[:, 1:]
    likeliest = torch.zeros_like(wanted) if output.is_top1 is None else output.is_top1
    return output.log_probs[wanted], output.entropy.detach()[wanted], likeliest[wanted].bool()


Head = Callable[[Any, Tensor, Tensor, Tensor, float], tuple[Tensor, ...]]


def head_of(model: Any) -> Head:
    """The head that suits a model's vocabulary."""
    return plain if model.config.get_text_config().vocab_size <= SMALL else fused


def score(
    model: Any,
    ids_N: Tensor,
    lengths: Sequence[int],
    *,
    temperature: float = 1.0,
    layout: Layout | None = None,
    head: Head | None = None,
    budget: int | None = None,
) -> Scores:
    """Score every token of a stream of traces; gradients flow through the log-probabilities.

    budget is the most cells of a pass. What is not said is what suits the model and the device; where nothing is, the
    compiled kernels compute what they can.
    """
    budget = budget or BUDGETS[ids_N.device.type]
    if layout is None and head is None and lengths and kernels.fit(model):
        return _flat(model, ids_N, lengths, temperature, budget)
    own = getattr(model, "module", model)  # of several processes' wrapper
    layout, head = layout or layout_of(own), head or head_of(own)
    starts = torch.tensor([0, *lengths]).cumsum(0).tolist()
    passes = layout(lengths, budget) or [NOTHING]
    passes += [NOTHING] * (most(model, len(passes)) - len(passes))
    parts = []
    for rows in passes:
        token_RT, position_RT = (cells.to(ids_N.device) for cells in _cells(rows, starts, lengths))
        wanted_RT = (position_RT > 0) & (token_RT >= 0)
        scored = head(model, ids_N[token_RT.clamp(min=0)], position_RT, wanted_RT, temperature)
        parts.append((token_RT[wanted_RT], *scored))
    token_M, logprob_M, entropy_M, likeliest_M = (torch.cat(column) for column in zip(*parts, strict=True))
    nothing_N = torch.zeros(len(ids_N), device=ids_N.device)
    return Scores(
        nothing_N.index_put((token_M,), logprob_M),
        nothing_N.index_put((token_M,), entropy_M),
        nothing_N.bool().index_put((token_M,), likeliest_M),
    )


def _flat(model: Any, ids_N: Tensor, lengths: Sequence[int], temperature: float, budget: int) -> Scores:
    """By the compiled kernels: whole traces one after another, as many a pass as the budget holds."""
    own = [[lengths[trace] for trace in traces] for (traces,) in packed(lengths, budget)]
    streams = ids_N.split([sum(part) for part in own])  # type: ignore[no-untyped-call]  # torch's
    parts = [compiled_pass.scored(model, ids, part, temperature) for ids, part in zip(streams, own, strict=True)]
    return Scores(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _cells(rows: Rows, starts: Sequence[int], lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Which token of the stream stands in each cell (-1: padding), and its position in its trace; (row, time) each.

    Padding counts its positions on, so that it never looks like the start of a sequence.
    """
    width = max(1, *(sum(lengths[trace] for trace in row) for row in rows))
    token_RT = torch.full((len(rows), width), -1)
    position_RT = torch.zeros(len(rows), width, dtype=torch.long)
    for number, row in enumerate(rows):
        begin = 0
        for trace in row:
            end = begin + lengths[trace]
            token_RT[number, begin:end] = torch.arange(starts[trace], starts[trace] + lengths[trace])
            position_RT[number, begin:] = torch.arange(width - begin)
            begin = end
    return token_RT, position_RT
