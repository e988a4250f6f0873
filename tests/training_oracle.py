"""What training is held to: GRPO written as a plain loop, one trace and one forward pass at a time."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from asyncthink.episode import Episode, Trace

ITEM = {"numbers": [9, 7, 5, 3], "target": 24, "required": 2}
SCHEDULE = {"format_error": None, "concurrency_ratio": 0.5, "forks": 1, "latency": 9, "unjoined": 0}


def written_trace(rng: random.Random, role: str, fork: int | None, vocabulary: int) -> Trace:
    """A trace of random tokens in which some runs are injected, as at Joins; the last run too, now and then."""
    trace = Trace(role, fork, "", [rng.randrange(2, vocabulary) for _ in range(rng.randint(2, 6))])
    for _ in range(rng.randint(1, 3)):
        own = [rng.randrange(2, vocabulary) for _ in range(rng.randint(1, 14))]
        trace.extend(own, [-1.0] * len(own), "")
        if rng.random() < 0.6:
            trace.extend([rng.randrange(2, vocabulary) for _ in range(rng.randint(1, 7))], (), "", injected=True)
    return trace


def written_episodes(seed: int, count: int, vocabulary: int) -> list[Episode]:
    """Episodes of an organizer and up to four workers, of very different lengths, with random rewards."""
    rng = random.Random(seed)
    episodes = []
    for _ in range(count):
        workers = [written_trace(rng, "worker", fork, vocabulary) for fork in range(1, rng.randint(0, 4) + 1)]
        traces = [written_trace(rng, "organizer", None, vocabulary), *workers]
        reward = {"total": rng.choice([-0.1, 0.0, 0.35, 1.0, 1.1]), "accuracy": 0.0, "concurrency": 0.0}
        told = {"schedule": SCHEDULE, "score": {"accuracy": 0.0}, "reward": reward}
        episodes.append(Episode({}, "countdown", ITEM, "asynchronous", 3, traces, {}, None, **told))
    return episodes


def advantages(rewards: Sequence[float], group: int, kind: str) -> list[float]:
    """Of each episode, relative to its group; standardized: over the group's sample standard deviation + 1e-4."""
    result = []
    for start in range(0, len(rewards), group):
        values = rewards[start : start + group]
        mean = sum(values) / group
        spread = (sum((value - mean) ** 2 for value in values) / (group - 1)) ** 0.5
        scale = spread + 1e-4 if kind == "standardized" else 1.0
        result += [(value - mean) / scale for value in values]
    return result


def logprobs(model: torch.nn.Module, trace: Trace, temperature: float = 1.0) -> Tensor:
    """Log-probabilities of a trace's tokens behind its prompt, from one pass over this trace alone."""
    ids = torch.tensor([trace.prompt_ids + trace.ids])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, len(trace.prompt_ids) - 1 : -1]
    return (logits / temperature).log_softmax(-1).gather(1, torch.tensor(trace.ids)[:, None])[:, 0]


def gradients(
    model: torch.nn.Module, episodes: Sequence[Episode], weights: Sequence[float], loss: str, temperature: float = 1.0
) -> dict[str, Tensor]:
    """The policy gradient: mean over all sampled tokens (dapo), or over episodes of the mean over theirs (grpo)."""
    model.zero_grad()
    tokens = sum(trace.decoded for episode in episodes for trace in episode.traces)
    for episode, advantage in zip(episodes, weights, strict=True):
        own = sum(trace.decoded for trace in episode.traces)
        share = {"dapo": 1 / tokens, "grpo": 1 / (own * len(episodes))}[loss]
        for trace in episode.traces:
            sampled = torch.tensor(trace.policy, dtype=torch.float32)
            (-advantage * share * (logprobs(model, trace, temperature) * sampled).sum()).backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def relative_error(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The norm of the difference over the norm of what was expected, over all parameters."""
    gap = sum((found[name] - expected[name]).square().sum() for name in expected)
    return float((gap / sum(value.square().sum() for value in expected.values())).sqrt())
