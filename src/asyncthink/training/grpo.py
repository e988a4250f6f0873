"""Stage 2, reinforcement learning: the step. The algorithm is in episode_trainer.

Which items an update takes, and with which seeds, depends on the run's seed and its number alone; so does everything
else about it.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel
from trl.trainer.grpo_config import GRPOConfig

from asyncthink.models import language_model
from asyncthink.randomness import keyed
from asyncthink.settings import GRPO
from asyncthink.tasks import read_items
from asyncthink.training import attention, micro_batches
from asyncthink.training.episode_trainer import EpisodeTrainer, Row, Settings
from asyncthink.training.grpo_history import EPISODES, step_record
from asyncthink.training.learning_rate import rate
from asyncthink.training.progress_callback import Progress
from asyncthink.training.resumption import Outputs, Run, alone, arguments, finish, train
from asyncthink.training.samplers import LOCAL, Sampler

WATCHED = [EPISODES + name for name in ("reward", "accuracy", "valid", "concurrency_ratio", "forks", "latency")]
NOTABLE = {EPISODES + "largest_sampler_gap": 1e-4}


def curriculum(settings: GRPO, items: int, seed: int) -> list[Row]:
    """All rows of all steps, group by group. Every item comes before any comes again."""
    order = (index for epoch in count() for index in keyed(seed, "grpo", "items", epoch).sample(range(items), items))
    return [
        Row(step, slot, index, sample)
        for step in range(settings.steps)
        for slot, index in enumerate(islice(order, settings.prompts_per_step))
        for sample in range(settings.group)
    ]


def grpo(settings: Settings, run: Run, start: Path, puzzles: Path, written: Outputs, sampler: Sampler = LOCAL) -> None:
    """Train the model of `start` on the items of `puzzles`."""
    language_model.deterministic()
    with alone(run.scratch):
        trainer = trainer_of(settings, run, start, read_items(puzzles, settings.arm.task), sampler)
        finish(trainer, [step_record(entry) for entry in train(trainer)], written)


def trainer_of(
    settings: Settings, run: Run, start: Path, items: Sequence[dict[str, Any]], sampler: Sampler = LOCAL
) -> EpisodeTrainer:
    """A trainer with its curriculum."""
    model, tokenizer = language_model.load(start)
    attention.settle(model, sampler.name)
    rows = curriculum(settings.grpo, len(items), run.seed)
    with sampler.making():
        return EpisodeTrainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list([asdict(row) for row in rows]),
            order=range(len(rows)),
            settings=settings,
            items=items,
            start=copy.deepcopy(model).eval().requires_grad_(False),
            sampler=sampler,
            rate=partial(rate, settings.grpo.schedule, settings.grpo.warmup),
            scratch=run.scratch,
            progress=Progress(run.title, WATCHED, NOTABLE),
            args=config_of(settings, run, model, sampler.arguments),
        )


def config_of(settings: Settings, run: Run, model: PreTrainedModel, sampling: Mapping[str, Any]) -> GRPOConfig:
    """TRL's configuration: the episodes of a step are used for its one update and dropped."""
    own = settings.grpo
    return arguments(
        GRPOConfig,
        model,
        run,
        own.steps,
        per_device_train_batch_size=micro_batches.share(own.prompts_per_step * own.group, "episodes of a step"),
        steps_per_generation=1,
        num_iterations=1,
        num_generations=own.group,
        learning_rate=own.learning_rate,
        temperature=settings.thinking.temperature,
        loss_type=own.loss,
        shuffle_dataset=False,
        save_steps=own.checkpoint_every,
        **sampling,
    )
