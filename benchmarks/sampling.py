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
    "the model is bound by the bytes of its cache; generate is told every length in advance and has no runtime. Tried:"
    " batches of 48 rows in place of 96, and of any number, no change; large pages, in turns with small ones: for"
    " malloc 6 % faster, for tensors alone no change"
)


def measure() -> record.Row:
    """Processor seconds of all episodes."""
    given = replay.nano()
    model, tokenizer = replay.random_model(given)
    written = replay.demonstrations(given, EPISODES, ITEMS)
    local = said.Timed(model, tokenizer)
    engines = [said.Said(local, written) for _ in range(1 + REPEATS)]
    turns = iter(engines)

    def ours() -> list[Episode]:
        return said.episodes(next(turns), written, given.thinking)

    episodes = ours()
    said.compare(episodes, written)
    traces = [(trace.prompt_ids, trace.decoded) for episode in episodes for trace in episode.traces]
    traces = sorted(((prompt, count) for prompt, count in traces if count), key=lambda trace: trace[1])
    assert engines[0].tokens == sum(count for _, count in traces), "the two sides decode different numbers of tokens"
    compare(model, tokenizer, [prompt for prompt, _ in traces[-8:]])
    settings = list(itertools.product(BATCHES, CACHES))
    best = min(settings, key=lambda setting: timing.cpu(lambda: generated(model, traces, *setting)))
    local.seconds = local.model_seconds = 0.0
    own, theirs = timing.alternating(ours, lambda: generated(model, traces, *best), REPEATS)
    return {
        "what": f"fork-join sampling, {EPISODES} episodes",
        "against": "transformers generate on the same lengths, at its best setting",
        "goal": "≥ 3 times faster",
        "ratio": timing.ratio(theirs, own),
        "unit": "CPU s",
        "ours": own,
        "theirs": theirs,
        "note": f"generate's best here: batches of {best[0]}, {best[1]} cache. {shares(local, sum(own))}; {NOTE}",
        "checked": f"every word of every agent; greedy tokens of 8 traces; {engines[0].tokens:,} tokens on both sides",
    }


def shares(local: said.Timed, whole: float) -> str:
    """Of ours, by the clocks on the engine's steps and on the model in them."""
    parts = {
        "the model": local.model_seconds,
        "the rest of the engine's steps": local.seconds - local.model_seconds,
        "the runtime": whole - local.seconds,
    }
    return "Of ours " + ", ".join(f"{100 * seconds / whole:.0f} % are {name}" for name, seconds in parts.items())


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
    """Decode every trace's tokens, and as many more as its batch's longest has; AssertionError where it is fewer."""
    for start in range(0, len(traces), rows):
        batch = traces[start : start + rows]
        width = max(len(prompt) for prompt, _ in batch)
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt, _ in batch])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt, _ in batch])
        kept = {} if cache == "dynamic" else {"cache_implementation": cache}
        longest = max(count for _, count in batch)
        told = model.generate(ids, attention_mask=mask, do_sample=True, top_k=0, max_new_tokens=longest, **kept)
        assert told.shape == (len(batch), width + longest), f"generate decoded {told.shape[1] - width} of {longest}"


if __name__ == "__main__":
    record.main(measure)
