"""Trained tokens a second of the two layouts beside a plain loop over traces: one run, one model, the same episodes.

    python benchmarks/training.py --workers 0 2 4 --repeats 3

Episodes have an organizer of thinking.organizer_budget tokens at most and so many workers of thinking.worker_budget at
most; all are scored and differentiated once, as in a step of grpo. `scale` makes all of them longer. The ratio to the
loop is what counts: tokens a second depend on the machine and on what else runs there. Seconds are of this process.
"""

import argparse
import random
import time
from collections.abc import Callable

import torch

from asyncthink.config import params
from asyncthink.models import language_model
from asyncthink.models.word_tokenizer import build
from asyncthink.training.log_probabilities import Layout, packed, padded, score

PROMPT = 8
WAYS: dict[str, tuple[Layout, int] | None] = {
    "loop": None,
    "packed 256": (packed, 256),
    "packed 1024": (packed, 1024),
    "padded 1024": (padded, 1024),
    "padded 4096": (padded, 4096),
    "padded 16384": (padded, 16384),
}


def main() -> None:
    """Print one line a number of workers and a scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", default="params.yaml")
    parser.add_argument("--episodes", type=int, default=24)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2, 4])
    parser.add_argument("--scale", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    settings = params.read(options.params)
    tokenizer = build(settings.puzzles)
    model = language_model.build(settings.model, tokenizer, 0)
    print(f"{'workers':>7} {'tokens':>7}  " + "  ".join(f"{way:>18}" for way in WAYS) + "   tokens/s (x loop)")
    for scale in options.scale:
        for workers in options.workers:
            lengths = drawn(settings.thinking, options.episodes, workers, scale)
            report(model, lengths, workers, options.repeats)


def drawn(thinking: params.Thinking, episodes: int, workers: int, scale: int) -> list[int]:
    """Lengths of all traces of some episodes, prompts included; a trace takes half of its budget or more."""
    rng = random.Random(0)
    budgets = [thinking.organizer_budget, *[thinking.worker_budget] * workers] * episodes
    return [PROMPT + scale * rng.randint(budget // 2, budget) for budget in budgets]


def report(model: torch.nn.Module, lengths: list[int], workers: int, repeats: int) -> None:
    """Time every way and print a line."""
    ids_N = torch.randint(2, model.config.vocab_size, (sum(lengths),), generator=torch.Generator().manual_seed(0))
    rates = {way: len(ids_N) / best(lambda way=way: step(model, ids_N, lengths, way), repeats) for way in WAYS}
    line = "  ".join(f"{rate:>10.0f} ({rate / rates['loop']:>5.2f})" for rate in rates.values())
    print(f"{workers:>7} {len(ids_N):>7}  {line}", flush=True)


def step(model: torch.nn.Module, ids_N: torch.Tensor, lengths: list[int], way: str) -> None:
    """Forward and backward over all traces."""
    chosen = WAYS[way]
    if chosen is None:
        for ids in ids_N.split(lengths):
            score(model, ids, [len(ids)]).logprob_N.mean().backward()
    else:
        score(model, ids_N, lengths, layout=chosen[0], budget=chosen[1]).logprob_N.mean().backward()
    model.zero_grad()


def best(call: Callable[[], None], repeats: int) -> float:
    """The shortest of several runs, in seconds of this process."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
