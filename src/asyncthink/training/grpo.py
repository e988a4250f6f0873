"""Stage 2, reinforcement learning: GRPO over episodes, sampled from the model that is trained.

A step takes `prompts_per_step` items and runs `group` episodes of each. Which items, and with which seeds, depends on
the run's seed and the step's number alone; so does everything else that a step does.
"""

import copy
from collections.abc import Sequence
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig

from asyncthink import engines
from asyncthink.engines import Engine
from asyncthink.episode import Episode
from asyncthink.errors import InputError
from asyncthink.files import read_json_lines
from asyncthink.params import GRPO, Params
from asyncthink.synthesis.randomness import keyed
from asyncthink.thinking import THINKING
from asyncthink.thinking.scoring import finish as scored
from asyncthink.training import language_model
from asyncthink.training.checkpoints import Scratch
from asyncthink.training.episode_history import line, record, summary
from asyncthink.training.episode_rows import trace_stream
from asyncthink.training.episode_trainer import EpisodeTrainer
from asyncthink.training.learning_rate import rate
from asyncthink.training.log_probabilities import score
from asyncthink.training.progress import Progress
from asyncthink.training.resumption import arguments, finish, share, train
from asyncthink.training.samplers import LOCAL, Sampler

SCALES = {"centered": "none", "standardized": "group"}  # TRL's names for what advantages are divided by
WATCHED = ("reward", "accuracy", "valid", "concurrency_ratio", "forks", "latency")


def curriculum(settings: GRPO, items: int, seed: int) -> list[dict[str, Any]]:
    """All rows of all steps: which item, and which of the group's samples. Every item comes before any comes again."""
    order = (index for epoch in count() for index in keyed(seed, "grpo", "items", epoch).sample(range(items), items))
    return [
        {"prompt": str(index), "step": step, "slot": slot, "index": index, "sample": sample}
        for step in range(settings.steps)
        for slot, index in enumerate(islice(order, settings.prompts_per_step))
        for sample in range(settings.group)
    ]


class Rollout:
    """Episodes of the rows of a step, scored, with what the history says of them.

    The KL divergence to the model at the start is estimated on one episode a group, from the sampled tokens
    (Schulman's k3: exp(d) - d - 1 with d = log p_start - log p).
    """

    def __init__(
        self,
        params: Params,
        items: Sequence[dict[str, Any]],
        seed: int,
        start: PreTrainedModel,
        sampler: Sampler = LOCAL,
    ) -> None:
        self.params, self.items, self.seed, self.start, self.sampler = params, items, seed, start, sampler
        self._engine: Engine | None = None

    def __call__(self, rows: list[dict[str, Any]], trainer: EpisodeTrainer) -> tuple[list[Episode], dict[str, Any]]:
        if self._engine is None:
            self._engine = self.sampler.engine(trainer)
            self.start.to(trainer.accelerator.device)
        self.sampler.settle(self._engine, trainer)
        episodes = self.episodes(self._engine, rows)
        firsts = [episode for row, episode in zip(rows, episodes, strict=True) if row["sample"] == 0]
        told = summary(gather_object([record(episode) for episode in episodes]))
        gaps, tokens = (sum(part) for part in zip(*gather_object([self.divergence(firsts)]), strict=True))
        return episodes, {**told, "kl": gaps / tokens}

    def episodes(self, engine: Engine, rows: Sequence[dict[str, Any]]) -> list[Episode]:
        """One scored episode a row."""
        think, task, settings = THINKING[self.params.arm.mode], self.params.arm.task, self.params.thinking
        runs = [
            think(engine, task, self.items[row["index"]], settings, {**_key(row), "seed": self.seed}, self._seeds(row))
            for row in rows
        ]
        try:
            return [scored(episode, self.params.reward) for episode in engines.run(engine, runs)]
        except FloatingPointError as error:
            raise InputError(f"grpo, step {rows[0]['step'] + 1}: {error}: lower grpo.learning_rate") from None

    def _seeds(self, row: dict[str, Any]) -> tuple[Any, ...]:
        return (self.seed, row["step"], row["slot"], row["index"], row["sample"])

    @torch.no_grad()
    def divergence(self, episodes: Sequence[Episode]) -> tuple[float, int]:
        """The sum of the estimates over the sampled tokens of some episodes, and how many there are."""
        traces = [trace for episode in episodes for trace in episode.traces]
        if not traces:
            return 0.0, 0
        ids_N, lengths, sampled_N = (part.to(self.start.device) for part in trace_stream(traces))
        scores = score(self.start, ids_N, lengths.tolist(), temperature=self.params.thinking.temperature)
        logprobs = [p for trace in traces for p, own in zip(trace.logprobs, trace.policy, strict=True) if own]
        gap_M = scores.logprob_N[sampled_N] - torch.tensor(logprobs, device=self.start.device)
        return (gap_M.exp() - gap_M - 1).sum().item(), len(logprobs)


def _key(row: dict[str, Any]) -> dict[str, Any]:
    return {"split": "train", "step": row["step"], "index": row["index"], "sample": row["sample"]}


def grpo(
    params: Params,
    arm: str,
    seed: int,
    start: Path,
    puzzles: Path,
    model: Path,
    history: Path,
    scratch: Scratch,
    times: Path | None = None,
    sampler: Sampler = LOCAL,
) -> None:
    """The step: train one arm from `start`."""
    language_model.deterministic()
    own = params.arm_params(arm)
    trainer = trainer_of(own, seed, start, read_json_lines(puzzles), scratch, f"grpo {arm}", sampler)
    logged = train(trainer)
    finish(trainer, [line(entry) for entry in logged], model, history, times)


def trainer_of(
    params: Params,
    seed: int,
    start: Path,
    items: Sequence[dict[str, Any]],
    scratch: Scratch,
    name: str,
    sampler: Sampler = LOCAL,
) -> EpisodeTrainer:
    """A trainer with its curriculum; `params` has the arm's overrides in it."""
    settings = params.grpo
    model, tokenizer = language_model.load(start)
    frozen = copy.deepcopy(model).eval().requires_grad_(False)
    rows = curriculum(settings, len(items), seed)
    per_step = settings.prompts_per_step * settings.group
    accumulation = settings.accumulation
    micro_batch = share(per_step, accumulation, "episodes of a step")
    batches = [list(range(first, first + per_step)) for first in range(0, len(rows), per_step)]
    with sampler.making():
        return EpisodeTrainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows),
            # TRL asks for a step's rows at every micro-batch, and uses them at the first one.
            order=list(chain.from_iterable(batched * accumulation for batched in batches)),
            rollout=Rollout(params, items, seed, frozen, sampler),
            rate=partial(rate, settings.schedule, settings.warmup),
            scratch=scratch,
            progress=Progress(name, WATCHED),
            args=config_of(params, seed, model, tokenizer, scratch, micro_batch, **sampler.arguments),
        )


def config_of(
    params: Params,
    seed: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scratch: Scratch,
    micro_batch: int,
    **sampling: Any,
) -> GRPOConfig:
    """TRL's configuration. On-policy: the episodes of a step are used for its one update and dropped.

    So the ratio of the two policies is 1, and TRL's clip of it, left at its default, is at rest.
    """
    settings = params.grpo
    return arguments(
        GRPOConfig,
        model,
        scratch,
        settings.steps,
        seed=seed,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=settings.accumulation,
        steps_per_generation=settings.accumulation,
        num_iterations=1,
        num_generations=settings.group,
        learning_rate=settings.learning_rate,
        temperature=params.thinking.temperature,
        scale_rewards=SCALES[settings.advantage],
        loss_type=settings.loss,
        beta=settings.kl,
        shuffle_dataset=False,
        save_steps=settings.checkpoint_every,
        **sampling,
    )
