"""Episodes as rows of tensors for TRL's GRPO trainer, and the traces of a row found again.

A row is one episode: the prompt of its first trace, then as its completion that trace | the prompt of the second | the
second | ... (the organizer, then its workers). Rows are prompts times samples, so whatever TRL keys by row is right as
it stands: the group's advantage (which all traces of the episode then share), shuffling, splitting over processes, the
mean over episodes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asyncthink.episode import Episode, Trace

NO_TRACE = -1  # padding


def stream(traces: Sequence[Trace]) -> dict[str, Tensor]:
    """(token) each, of traces one after another with their prompts.

    sampled: 1 where the model sampled the token, 0 where it was put there: prompts, and text injected at a Join
    logprobs: what the sampler gave a sampled token, else 0
    traces: the number of the token's trace
    """
    lengths = torch.tensor([len(trace.prompt_ids) + len(trace.ids) for trace in traces])
    return {
        "ids": torch.tensor([i for trace in traces for i in (*trace.prompt_ids, *trace.ids)]),
        "sampled": torch.tensor([own for trace in traces for own in (*[0] * len(trace.prompt_ids), *trace.policy)]),
        "logprobs": torch.tensor([p for trace in traces for p in (*[0.0] * len(trace.prompt_ids), *trace.logprobs)]),
        "traces": torch.arange(len(traces)).repeat_interleave(lengths),
    }


def tensors(episodes: Sequence[Episode], padding: int) -> dict[str, Tensor]:
    """(episode, time) each: prompts padded on the left, completions on the right.

    The names are TRL's, whose loss reads no more of completion_mask than which tokens were sampled, so it is that;
    beside them sampled_logprobs, of the completion, and traces, of prompt and completion together.
    """
    starts = [len(episode.traces[0].prompt_ids) for episode in episodes]
    streams = [stream(episode.traces) for episode in episodes]

    def prompts(name: str, fill: int) -> Tensor:
        parts = [whole[name][:start] for whole, start in zip(streams, starts, strict=True)]
        return pad_sequence(parts, True, fill, "left")

    def completions(name: str, fill: int) -> Tensor:
        return pad_sequence([whole[name][start:] for whole, start in zip(streams, starts, strict=True)], True, fill)

    trace_BP = prompts("traces", NO_TRACE)
    return {
        "prompt_ids": prompts("ids", padding),
        "prompt_mask": (trace_BP != NO_TRACE).long(),
        "completion_ids": completions("ids", padding),
        "completion_mask": completions("sampled", 0),
        "sampled_logprobs": completions("logprobs", 0),
        "traces": torch.cat([trace_BP, completions("traces", NO_TRACE)], dim=1),
    }


def lengths(trace_BT: Tensor) -> list[int]:
    """The length of each trace, row by row."""
    row_BT = torch.arange(len(trace_BT), device=trace_BT.device)[:, None]
    trace_N = (row_BT * trace_BT.shape[1] + trace_BT)[trace_BT != NO_TRACE]
    counts: list[int] = torch.unique_consecutive(trace_N, return_counts=True)[1].tolist()
    return counts


def in_rows(value_N: Tensor, trace_BT: Tensor) -> Tensor:
    """One value a token, put back in the cells of the rows; 0 in padding."""
    nothing_BT = torch.zeros(trace_BT.shape, dtype=value_N.dtype, device=value_N.device)
    return nothing_BT.masked_scatter(trace_BT != NO_TRACE, value_N)
