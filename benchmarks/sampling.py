"""Fork-join sampling of 256 episodes at nano, beside transformers' generate on the same lengths, at its best setting.

Ours are demonstrations said again by an engine that really decodes (see replay), the runtime included. generate knows
no Fork and no Join: it is given every trace as one prompt and one continuation of as many tokens, sorted by length, so
that hardly a row of a batch decodes for nothing, in the batch size and with the cache with which it is quickest here.
"""

import itertools

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from asyncthink.engines import Request, run
from asyncthink.engines.local import Local
from asyncthink.episode import Episode
from benchmarks import record, replay, said, timing

EPISODES, ITEMS, REPEATS = 256, 64, 2
BATCHES, CACHES = (64, 256), ("dynamic", "static")
GREEDY = 48  # tokens that are compared
NOTE = (
    "ours spends its time in the model, bound by the bytes of its cache, in the runtime, and in numpy between steps;"
    " generate is told every length in advance and has no runtime. Tried: batches of 48 rows in place of 96, and of any"
    " number, no change; large pages for malloc, 4 % of an RL step"
)


def measure() -> record.Row:
    """Processor seconds of all episodes."""
    given = replay.nano()
    model, tokenizer = replay.random_model(given)
    written = replay.demonstrations(given, EPISODES, ITEMS)
    local = Local(model, tokenizer)
    engines = iter([said.Said(local, written) for _ in range(1 + REPEATS)])

    def ours() -> list[Episode]:
        return said.episodes(next(engines), written, given.thinking)

    traces = [(trace.prompt_ids, trace.decoded) for episode in ours() for trace in episode.traces]
    traces = sorted(((prompt, count) for prompt, count in traces if count), key=lambda trace: trace[1])
    compare(model, tokenizer, [prompt for prompt, _ in traces[-8:]])
    settings = list(itertools.product(BATCHES, CACHES))
    best = min(settings, key=lambda setting: timing.cpu(lambda: generated(model, traces, *setting)))
    own, theirs = timing.alternating(ours, lambda: generated(model, traces, *best), REPEATS)
    return {
        "what": f"fork-join sampling, {EPISODES} episodes",
        "against": f"transformers generate on the same lengths, batches of {best[0]}, {best[1]} cache",
        "goal": "≥ 3 times faster",
        "ratio": timing.ratio(theirs, own),
        "unit": "CPU s",
        "ours": own,
        "theirs": theirs,
        "note": NOTE,
        "checked": f"greedy tokens of 8 traces; {sum(count for _, count in traces):,} tokens on both sides",
    }


def compare(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[list[int]]) -> None:
    """Both say the same where nothing is drawn."""
    engine = Local(model, tokenizer)
    requests = [Request((row,), tuple(prompt), replay.NEVER, GREEDY, row, 0.0) for row, prompt in enumerate(prompts)]
    told = run(engine, [engine.complete(request) for request in requests])
    for prompt, completion in zip(prompts, told, strict=True):
        ids = torch.tensor([prompt])
        theirs = model.generate(ids, do_sample=False, max_new_tokens=GREEDY, attention_mask=torch.ones_like(ids))
        assert list(completion.ids) == theirs[0, len(prompt) :].tolist(), "greedy decoding differs"


@torch.inference_mode()
def generated(model: PreTrainedModel, traces: list[tuple[list[int], int]], rows: int, cache: str) -> None:
    """Decode every trace's tokens, and as many more as its batch's longest has."""
    for start in range(0, len(traces), rows):
        batch = traces[start : start + rows]
        width = max(len(prompt) for prompt, _ in batch)
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt, _ in batch])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt, _ in batch])
        kept = {} if cache == "dynamic" else {"cache_implementation": cache}
        longest = max(count for _, count in batch)
        model.generate(ids, attention_mask=mask, do_sample=True, top_k=0, max_new_tokens=longest, **kept)


if __name__ == "__main__":
    record.main(measure)
