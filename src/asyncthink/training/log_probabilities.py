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
from itertools import accumulate
from typing import Any

import torch
from accelerate.utils import AutocastKwargs
from torch import Tensor

from asyncthink.models import kernels
from asyncthink.training import compiled_pass
from asyncthink.training.sharding import most

BUDGETS = {"cpu": 4096, "cuda": 65536}  # cells a pass: caches set it on a CPU, memory on a GPU
# Words up to which whole logits are quicker than a fused head, and their memory no matter: on a CPU some GB.
SMALL = {"cpu": 65536, "cuda": 8192}
ALIKE = 0.85  # rows of one pass are at least this share of its longest row ...
WORTH = 8  # ... once the pass has this part of its budget
# Autocast would keep a rounded copy of every weight until the passes are through: of a shared model, of the whole one.
ROUNDING = AutocastKwargs(cache_enabled=False)

Rows = list[list[int]]  # the traces (by number) of each row of one pass
NOTHING: Rows = [[]]  # a pass that a process makes because others have more to do, or anything at all


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


def plain(model: Any, ids_RT: Tensor, position_RT: Tensor, cell_M: Tensor, temperature: float) -> tuple[Tensor, ...]:
    """Log-probability, entropy and argmax hit of the M tokens in some cells (counted row by row), from all logits."""
    logits_RTV = model(input_ids=ids_RT, position_ids=position_RT, use_cache=False).logits
    logits_MV = logits_RTV.flatten(0, 1)[cell_M - 1].float() / temperature
    label_M = ids_RT.flatten()[cell_M]
    logprob_MV = logits_MV.log_softmax(-1)
    with torch.no_grad():
        entropy_M = -(logprob_MV.exp() * logprob_MV).sum(-1)
        likeliest_M = logits_MV.argmax(-1) == label_M
    return logprob_MV.gather(-1, label_M[:, None])[:, 0], entropy_M, likeliest_M


def fused(model: Any, ids_RT: Tensor, position_RT: Tensor, cell_M: Tensor, temperature: float) -> tuple[Tensor, ...]:
    """The same from TRL's fused head, which its trainers put on the model: logits never exist as a whole.

    The temperature is the one that the head was made with.
    """
    del temperature
    label_C = torch.full_like(ids_RT, -100).flatten()
    label_C[cell_M - 1] = ids_RT.flatten()[cell_M]
    output = model(input_ids=ids_RT, position_ids=position_RT, shift_labels=label_C.view_as(ids_RT), fused_lm_head=True)
    likeliest_RT = torch.zeros_like(ids_RT) if output.is_top1 is None else output.is_top1
    told = (output.log_probs, output.entropy.detach(), likeliest_RT.bool())
    logprob_M, entropy_M, likeliest_M = (value_RT.flatten()[cell_M - 1] for value_RT in told)
    return logprob_M, entropy_M, likeliest_M


Head = Callable[[Any, Tensor, Tensor, Tensor, float], tuple[Tensor, ...]]


def head_of(model: Any, device: str) -> Head:
    """The head that suits a model's vocabulary, on a CPU or on CUDA."""
    return plain if model.config.get_text_config().vocab_size <= SMALL[device] else fused


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
    compiled kernels compute what they can. A stream of nothing is scored too, in a pass as others make it.
    """
    budget = budget or BUDGETS[ids_N.device.type]
    if layout is None and head is None and lengths and kernels.fit(model):
        return _flat(model, ids_N, lengths, temperature, budget)
    own = getattr(model, "module", model)  # of several processes' wrapper
    layout, head = layout or layout_of(own), head or head_of(own, ids_N.device.type)
    starts = [0, *accumulate(lengths)]
    passes = layout(lengths, budget) or [NOTHING]
    passes += [NOTHING] * (most(model, len(passes)) - len(passes))
    fed_N = ids_N if lengths else ids_N.new_zeros(1)  # padding is fed something too
    parts = []
    for rows in passes:
        token_RT, position_RT, cell_M = (numbers.to(ids_N.device) for numbers in _cells(rows, starts, lengths))
        scored = head(model, fed_N[token_RT.clamp(min=0)], position_RT, cell_M, temperature)
        parts.append((token_RT.flatten()[cell_M], *scored))
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


def _cells(rows: Rows, starts: Sequence[int], lengths: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """What stands in the cells of a pass, and where there is something to score.

    token_RT     which token of the stream stands in each cell; -1: padding
    position_RT  its position in its trace; padding counts on, so that it never looks like the start of a sequence
    cell_M       the cells, counted row by row, whose token has a distribution: all of a trace but its first
    """
    width = max(1, *(sum(lengths[trace] for trace in row) for row in rows))
    token_RT = torch.full((len(rows), width), -1)
    position_RT = torch.zeros(len(rows), width, dtype=torch.long)
    scored = [torch.arange(0)]
    for number, row in enumerate(rows):
        begin = 0
        for trace in row:
            end = begin + lengths[trace]
            token_RT[number, begin:end] = torch.arange(starts[trace], starts[trace] + lengths[trace])
            position_RT[number, begin:] = torch.arange(width - begin)
            scored.append(torch.arange(number * width + begin + 1, number * width + end))
            begin = end
    return token_RT, position_RT, torch.cat(scored)
