"""How fast a core of this machine decodes and trains the model of params.yaml: some ten seconds of both.

It is the engine that decodes and the pass that training scores with, on traces of what length and number the reference
had. The time is the process's own on one thread, so that what else runs here does not count.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from asyncthink.config.params import Params
from asyncthink.errors import InputError
from asyncthink.workflow.estimate import Rate, parameters

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from asyncthink.engines.local import Local

SECONDS = 4.0  # of each, after a first turn that warms up
PROMPT, TOKENS = 30, 64  # of a trace that is decoded
LENGTHS = [200] * 8  # of traces that are scored
WARM = 2.0  # a temperature at which hardly any trace ends early


def measured(params: Params, rate: Rate) -> Rate:
    """The rate of a core, as it is here; InputError where the model is on the hub and not in a folder."""
    import torch

    from asyncthink.engines.local import Local, rows_of
    from asyncthink.models import language_model

    torch.set_num_threads(1)
    language_model.deterministic()
    model, tokenizer = _model(params)
    engine, count = Local(model, tokenizer), parameters(params)
    rows = rows_of(engine.decoder)
    decoded, trained = _speed(lambda: _decode(engine, rows)), _speed(lambda: _train(model))
    source = "measured: a probe of ten seconds, on this machine"
    return replace(
        rate,
        decode=2 * count * decoded,
        train=rate.operations * count * trained,
        sequence=max(rate.sequence, decoded / rows),
        measured=True,
        source=source,
    )


def _model(params: Params) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    from asyncthink.models import language_model, word_tokenizer

    start = params.model.start_from
    if start is None:
        tokenizer = word_tokenizer.build(params.puzzles)
        return language_model.build(params.model, tokenizer, 0), tokenizer
    if not Path(start).is_dir():
        raise InputError(f"--probe needs the model in a folder here, and model.start_from is {start!r}")
    return language_model.load(start)


def _speed(turn: Callable[[], int]) -> float:
    """Tokens a second of the process's own time; a turn says how many it had."""
    turn()
    begun, tokens = time.process_time(), 0
    while (spent := time.process_time() - begun) < SECONDS:
        tokens += turn()
    return tokens / spent


def _decode(engine: "Local", rows: int) -> int:
    from asyncthink.engines import Request, run

    ids = tuple(1 + place % 50 for place in range(PROMPT))
    requests = [Request((row,), ids, ("\0",), TOKENS, row, WARM) for row in range(rows)]
    return sum(len(done.ids) for done in run(engine, [engine.complete(request) for request in requests]))


def _train(model: "PreTrainedModel") -> int:
    import torch

    from asyncthink.models import kernels
    from asyncthink.training import log_probabilities

    ids = torch.arange(sum(LENGTHS)) % 50 + 1
    head = None if kernels.fit(model) else log_probabilities.plain
    torch.autograd.backward(log_probabilities.score(model, ids, LENGTHS, head=head).logprob_N.sum())
    model.zero_grad()
    return len(ids)
