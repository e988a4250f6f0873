"""Whether a model will work here, and how fast: `asyncthink doctor MODEL`, in about a minute.

Each finding is told as soon as it is there. What can be known without the weights comes first, so that a model which
will not work is refused before gigabytes of it are loaded. Then the model is loaded and decodes a few tokens, alone and
several traces side by side, through the very engine that thinks.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from asyncthink.errors import InputError
from asyncthink.workflow.doctor import tag_finding, template_finding
from asyncthink.workflow.surroundings import GIGA, Finding

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from asyncthink.engines.local import Local

Told = tuple[str, Finding]
BYTES = 4  # a weight in float32
AGREES = 1e-2  # by which logits through the cache may differ from those of one pass; other masks make whole units
PROMPT, ANSWER, SIDE_BY_SIDE = 200, 64, 4  # tokens of both at most, and traces, with which speed is measured
BEGINNING = 24  # tokens of an answer in which a reasoning would begin
SECONDS = 8.0  # of decoding alone, about
WARM = 2.0  # a temperature at which hardly any trace ends early
SLOW = 2.0  # tokens a second, below which an episode takes a quarter of an hour


def examine(model: Path) -> Iterator[Told]:
    """Each finding by its name; those that need a model that can be decoded come only where it can."""
    from asyncthink.models import language_model

    language_model.deterministic()
    tokenizer, _ = language_model.load_tokenizer(model)
    yield "template", _asked(tokenizer)
    yield "tags", tag_finding(tokenizer)
    empty = language_model.empty(model)
    architecture = _architecture(empty)
    yield "architecture", architecture
    memory = _memory(empty)
    yield "memory", memory
    if "lacks" in (architecture.state, memory.state):
        return
    yield from _tried(model)


def _asked(tokenizer: "PreTrainedTokenizerBase") -> Finding:
    if "<organizer>" in tokenizer.get_vocab():
        return Finding("ok", "none is used: it speaks the word language of models trained from scratch")
    return template_finding(tokenizer)


def _architecture(model: "PreTrainedModel") -> Finding:
    """Who decodes it, and how long its traces may be."""
    from asyncthink.engines.forward_pass import WITH_A_SERVER, context_of, unfit
    from asyncthink.engines.qwen3 import fits

    name = f"{type(model).__name__}, {model.num_parameters() / 1e6:,.0f} million parameters"
    if reason := unfit(model):
        return Finding("lacks", f"{name}: {reason}; {WITH_A_SERVER}")
    path = "the fast path of its family" if fits(model) else "its own forward pass"
    context = context_of(model)
    room = f"traces of up to {context:,} tokens" if context else "traces of any length"
    if context and context < PROMPT + ANSWER:
        return Finding("lacks", f"{name}, {room}: fewer than a question and its answer take")
    return Finding("ok", f"{name}, {path}, {room}")


def _memory(model: "PreTrainedModel") -> Finding:
    """Weights against the memory of where they would lie."""
    import torch

    needed = model.num_parameters() * BYTES
    if torch.cuda.is_available():
        free, where = torch.cuda.mem_get_info()[0], "on the GPU"
    else:
        free, where = psutil.virtual_memory().available, "of main memory"  # with what caches files, as a download does
    said = f"weights take {needed / GIGA:.1f} GB in float32; {free / GIGA:.1f} GB {where} are free"
    return Finding("ok" if 1.1 * needed < free else "lacks", said)


def _tried(model: Path) -> Iterator[Told]:
    """What only the loaded model can tell."""
    from asyncthink.engines.local import Local
    from asyncthink.models import chat_template, language_model

    begun = time.monotonic()
    engine = Local(*language_model.placed(model))
    yield "loading", Finding("ok", f"{time.monotonic() - begun:.0f} seconds, once a command")
    some = range(engine.decoder.model.config.get_text_config().vocab_size)
    ids = [some[(7 + 31 * place) % len(some)] for place in range(PROMPT)]  # what they say decides no time
    passing = _agreement(engine, ids)
    yield "pass", passing
    if passing.state != "ok":
        return
    tokenizer = engine.vocabulary.tokenizer
    if tokenizer.chat_template and chat_template.switches_reasoning(tokenizer):
        yield "reasoning", _reasoning(engine, tokenizer)
    yield "speed", _speed(engine, ids)


def _agreement(engine: "Local", ids: list[int]) -> Finding:
    """Whether decoding through the cache computes what the model computes in one pass."""
    import torch

    decoder, count = engine.decoder, 24
    device = decoder.model.device
    with torch.no_grad():
        whole = decoder.model(input_ids=torch.tensor([ids[:count]], device=device), use_cache=False).logits[0]
    try:
        gap = max(float((_step(engine, ids, begin, end) - whole[end - 1]).abs().max()) for begin, end in _CUTS)
    except InputError as error:
        return Finding("lacks", str(error))
    decoder.free()
    said = f"logits through the cache differ from those of one pass by {gap:.1g} at most"
    return Finding("ok" if gap < AGREES else "lacks", said)


_CUTS = ((0, 15), (15, 16), (16, 23), (23, 24))  # a prompt, a token, a text that is injected, a token


def _step(engine: "Local", ids: list[int], begin: int, end: int) -> "Tensor":
    """Logits after the last of some tokens of one trace, whose earlier ones are cached."""
    import numpy as np

    from asyncthink.engines.feed import Feed

    earlier = {0: ids[begin : end - 1]} if end - begin > 1 else {}
    feed = Feed.of(np.array([ids[end - 1]]), np.array([end - 1]), np.array([0]), earlier)
    return engine.decoder.step(feed)[0]


def _reasoning(engine: "Local", tokenizer: "PreTrainedTokenizerBase") -> Finding:
    """Whether it reasons, by the beginning of an answer, where its template is told not to and where it is told to."""
    off, on = (_begins_to_reason(engine, tokenizer, asked) for asked in (False, True))
    said = [f"switched {name} it {'reasons' if does else 'answers'}" for name, does in (("off", off), ("on", on))]
    return Finding(
        "note" if off or not on else "ok", f"{', '.join(said)} (thinking.reasoning; greedy, {BEGINNING} tokens)"
    )


def _begins_to_reason(engine: "Local", tokenizer: "PreTrainedTokenizerBase", asked: bool) -> bool:
    from asyncthink.engines import Request, run
    from asyncthink.engines.reasoning import OPEN, is_opened_by
    from asyncthink.models.chat_template import written

    prompt = written(tokenizer, "You are a helpful assistant.", "How can 3, 5, 7 and 9 make 24?", asked)
    ids = engine.vocabulary.encode(prompt)
    [answer] = run(engine, [engine.complete(Request((asked,), tuple(ids), ("\0",), BEGINNING, 0, 0.0))])
    return is_opened_by(prompt) or OPEN.search(engine.decode(answer.ids)) is not None


def _speed(engine: "Local", ids: list[int]) -> Finding:
    """Tokens a second: of a prompt, of one trace, and of several side by side."""
    glance = _measured(engine, ids, 1, 4)
    tokens = min(ANSWER, 4 + int(SECONDS * glance.decoded))
    alone, beside = _measured(engine, ids, 1, tokens), _measured(engine, ids, SIDE_BY_SIDE, tokens)
    together = f"{beside.decoded:,.1f} in {SIDE_BY_SIDE} traces side by side"
    said = f"{alone.decoded:,.1f} tokens/s alone, {together}, prompts {beside.read:,.0f}"
    return Finding("ok" if alone.decoded >= SLOW else "note", said)


@dataclass(frozen=True)
class Rates:
    """Tokens a second: read of prompts, and decoded."""

    read: float
    decoded: float


def _measured(engine: "Local", ids: list[int], traces: int, tokens: int) -> Rates:
    """Some traces that begin with the same tokens, of so many tokens each, whatever they say."""
    from asyncthink.engines import Request, run

    times: list[float] = []
    engine.watch = lambda trace, token: times.append(time.monotonic())
    requests = [Request((trace,), tuple(ids), ("\0",), tokens, trace, WARM) for trace in range(traces)]
    begun = time.monotonic()
    run(engine, [engine.complete(request) for request in requests])
    engine.watch = None
    reading, decoding = times[0] - begun, times[-1] - times[traces - 1]
    return Rates(len(ids) * traces / reading, (len(times) - traces) / max(decoding, 1e-9))
