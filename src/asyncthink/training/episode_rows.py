"""An Episode as one row of TRL's GRPO trainer, and the row's traces found again.

    prompt      the first trace's prompt
    completion  the first trace | prompt of the second | the second | ...        (organizer, then its workers)
    env_mask    1 where the model sampled the token, 0 where it was put there: prompts, and text injected at a Join
    segment     which trace each token of the completion belongs to

Rows are prompts times samples, so everything that TRL keys by row is right as it stands: the reward, the group's
advantage (which all traces of the episode then share), shuffling, splitting, gathering, the number of tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asyncthink.episode import Episode, Trace

NO_SEGMENT = -1  # padding


def columns(episodes: Sequence[Episode]) -> dict[str, list[Any]]:
    """What TRL's rollout_func returns, one entry an episode."""
    return {
        "prompt_ids": [episode.traces[0].prompt_ids for episode in episodes],
        "completion_ids": [_joined(episode, lambda trace: trace.prompt_ids, "ids") for episode in episodes],
        "logprobs": [_joined(episode, lambda trace: [0.0] * len(trace.prompt_ids), "logprobs") for episode in episodes],
        "env_mask": [_joined(episode, lambda trace: [0] * len(trace.prompt_ids), "policy") for episode in episodes],
        "episode": list(episodes),
    }


def _joined(episode: Episode, of_prompt: Any, name: str) -> list[Any]:
    first, *others = episode.traces
    return [*getattr(first, name), *chain.from_iterable([*of_prompt(each), *getattr(each, name)] for each in others)]


def segments(episodes: Sequence[Episode]) -> Tensor:
    """(episode, time): the number of the trace of each completion token, NO_SEGMENT behind the row's end."""
    rows = []
    for episode in episodes:
        first, *others = episode.traces
        lengths = [len(first.ids), *(len(trace.prompt_ids) + len(trace.ids) for trace in others)]
        rows.append(torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)))
    return pad_sequence(rows, batch_first=True, padding_value=NO_SEGMENT)


@dataclass(frozen=True)
class Stream:
    """The traces of a batch of rows behind one another; real_BT says which cells of the rows they came from."""

    ids_N: Tensor
    lengths: list[int]
    real_BT: Tensor

    def rows(self, value_N: Tensor) -> Tensor:
        """One value a token back in the cells of the rows, 0 in padding."""
        return torch.zeros(self.real_BT.shape, dtype=value_N.dtype, device=value_N.device).masked_scatter(
            self.real_BT, value_N
        )


def stream(ids_BT: Tensor, real_BT: Tensor, segment_BC: Tensor) -> Stream:
    """Find the traces in rows of prompt and completion; a row's prompt belongs to its segment 0."""
    batch, width = ids_BT.shape
    of_prompt = torch.zeros(batch, width - segment_BC.shape[1], dtype=segment_BC.dtype, device=segment_BC.device)
    segment_BT = torch.cat([of_prompt, segment_BC], dim=1)
    row_BT = torch.arange(batch, device=segment_BC.device)[:, None]
    trace_N = (row_BT * (segment_BT.max() + 1) + segment_BT)[real_BT]
    return Stream(ids_BT[real_BT], torch.unique_consecutive(trace_N, return_counts=True)[1].tolist(), real_BT)


def trace_stream(traces: Sequence[Trace]) -> tuple[Tensor, Tensor, Tensor]:
    """Traces behind one another: token ids (N), lengths (trace), and which tokens the model sampled (N)."""
    ids_N = torch.tensor([i for trace in traces for i in (*trace.prompt_ids, *trace.ids)])
    policy = [flag for trace in traces for flag in (*[0] * len(trace.prompt_ids), *trace.policy)]
    lengths = torch.tensor([len(trace.prompt_ids) + len(trace.ids) for trace in traces])
    return ids_N, lengths, torch.tensor(policy).bool()
