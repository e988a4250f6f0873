"""A training step fits on the GPUs that are named for it: traced at real shapes, without a GPU."""

from functools import cache

import pytest
import torch

from asyncthink.training import memory_trace, micro_batches
from asyncthink.training.log_probabilities import BUDGETS, plain
from asyncthink.training.memory_trace import Counter, qwen3
from asyncthink.training.micro_batches import USED, Room

GB = 10**9
ORGANIZER, WORKER = 8192, 4096  # budgets of the scale paper
LARGE = {
    "4B": qwen3(36, 2560, 9728, 32, 8, 128, 151_936),
    "0.6B": qwen3(28, 1024, 3072, 16, 8, 128, 151_936),
}
SMALL = qwen3(8, 512, 1536, 8, 8, 64, 1000)  # of the scale small

update = cache(lambda name, lengths: memory_trace.update(LARGE[name], lengths, True))


class Sized:
    """What micro_batches asks of a model."""

    def __init__(self, config):
        self.config, self.count = config, memory_trace.parameters(config)

    def num_parameters(self):
        return self.count


def fullest(tokens):
    """The traces of a micro-batch of so many tokens, all at their budgets: an organizer, and workers."""
    return (ORGANIZER, *[WORKER] * ((tokens - ORGANIZER) // WORKER))


GPUS = {
    "4B on four of 80 GB": ("4B", Room(80 * GB, sharing=4), 75 * GB),
    "4B on eight of 80 GB": ("4B", Room(80 * GB, sharing=8), 75 * GB),
    "4B on four of 80 GB beside a vLLM that stays": ("4B", Room(80 * GB, sharing=4, taken=0.3), 51 * GB),
    "4B on four of 80 GB beside a copy that samples": ("4B", Room(80 * GB, sharing=4, copied=True), 75 * GB),
    "4B on one of 141 GB": ("4B", Room(141 * GB), 135 * GB),
    "0.6B on one of 24 GB": ("0.6B", Room(24 * GB), 22.5 * GB),
}


@pytest.mark.parametrize(("name", "room", "most"), GPUS.values(), ids=GPUS)
def test_a_training_step_fits_on_a_gpu(name, room, most):
    """Of GRPO and of SFT alike: both train on micro-batches of so many tokens, by the same passes."""
    model = Sized(LARGE[name])
    tokens = micro_batches.tokens_of(model, True, room)
    needed = micro_batches.state(model.config, model.count, room.sharing) + update(name, fullest(tokens))
    needed += room.copy(model.count)
    assert needed < most
    assert needed < (USED - room.taken) * room.memory  # which is what the tokens were chosen for


@pytest.mark.parametrize(("name", "room", "workers"), [("4B", Room(80 * GB, 4), 12), ("0.6B", Room(24 * GB), 8)])
def test_an_episode_that_is_longer_than_a_micro_batch_fits_too(name, room, workers):
    """An episode is never cut: its traces have one backward pass."""
    traces = (ORGANIZER, *[WORKER] * workers)
    assert sum(traces) > micro_batches.tokens_of(Sized(LARGE[name]), True, room)
    state = micro_batches.state(LARGE[name], memory_trace.parameters(LARGE[name]), room.sharing)
    assert state + update(name, traces) < USED * room.memory


def test_scoring_by_the_model_at_the_start_takes_less_than_the_update_beside_it():
    """It comes between two updates: no gradients, weights and moments, and the model at the start in bfloat16."""
    lengths = [WORKER] * (BUDGETS["cuda"] // WORKER)
    scoring = memory_trace.update(LARGE["4B"], lengths, True, trained=False)
    gradients, start = (size * memory_trace.parameters(LARGE["4B"]) for size in (4, 2))
    assert scoring + start < gradients // 8 + update("4B", fullest(23_301))


def test_a_small_model_that_saves_all_its_activations_fits_on_a_small_gpu():
    room, model = Room(12 * GB), Sized(SMALL)
    tokens = micro_batches.tokens_of(model, False, room)
    passing = memory_trace.update(SMALL, [400] * (tokens // 400), False)
    assert micro_batches.state(SMALL, model.count, 1) + passing < USED * room.memory


def test_two_jobs_with_a_pretrained_model_fit_into_a_laptop():
    smollm = qwen3(30, 576, 1536, 9, 3, 64, 49_152)
    tokens = micro_batches.tokens_of(Sized(smollm), False, Room(None))
    logits = 3 * 4 * tokens * smollm.vocab_size  # with their gradient and what is drawn from them: whole, on a CPU
    passing = memory_trace.update(smollm, [300] * (tokens // 300), False) + logits
    assert 2 * (micro_batches.state(smollm, memory_trace.parameters(smollm), 1) + passing) < 16 * GB


def test_without_the_fused_head_it_would_not_fit(monkeypatch):
    monkeypatch.setattr(memory_trace, "head_of", lambda model, device: plain)
    assert memory_trace.update(LARGE["4B"], [WORKER] * 5, True) > 60 * GB


def test_a_trace_counts_what_lives_at_once():
    with memory_trace.FakeTensorMode(), Counter() as counter:
        kept = torch.zeros(1000)
        for _ in range(3):
            kept = (kept + 1)[:500].clone()
    assert (counter.most, counter.now) == (4000 + 4000 + 2000, 2000)


def test_layers_are_alike():
    """What the trace says of few layers is what it counts with all of them."""
    config, lengths = qwen3(7, 64, 192, 4, 2, 16, 20_000), [300, 200, 200]
    (few, more), traced = memory_trace.LAYERS, memory_trace._traced
    assert memory_trace.update(config, lengths, True) == pytest.approx(traced(config, 7, lengths, True, True), rel=0.02)
    assert traced(config, few, lengths, True, True) < traced(config, more, lengths, True, True)
