"""Stage 1, cold-start format fine-tuning on TRL's SFT trainer.

A demonstration is replayed through the runtime, so a trace has the layout that inference makes, and each of its traces
is one row: prompts and injected text are labelled -100, the protocol's tags weigh `tag_weight`, what an answer or a
return tells weighs `answer_weight` at least, other tokens 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from asyncthink.episode import Trace
from asyncthink.errors import InputError
from asyncthink.models import language_model
from asyncthink.models.tags import token_ids
from asyncthink.protocol import TELLING, inside
from asyncthink.randomness import keyed
from asyncthink.settings import SFT, Thinking
from asyncthink.synthesis import demonstration
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.replay import replay
from asyncthink.training import attention, micro_batches
from asyncthink.training.learning_rate import rate
from asyncthink.training.progress_callback import Progress
from asyncthink.training.resumption import Outputs, Resumable, Run, alone, arguments, finish, recorded, train
from asyncthink.training.weighted_loss import IGNORED, Batch, WeightedLoss

# One line of the history: the weighted loss, and the shares of tokens and of tags that were the likeliest.
HISTORY = ("step", "loss", "token_accuracy", "tag_accuracy")


@dataclass(frozen=True)
class Weights:
    """The loss weight of each token id as a label, and at least `answer` of what an answer or a return tells.

    pairs gives for the token that opens one the token that closes it; it is empty where they weigh as the rest.
    """

    weight_V: Tensor
    answer: float
    pairs: Mapping[int, int]

    def of(self, labels_RT: Tensor) -> Tensor:
        """The weight of each label."""
        weight_RT = self.weight_V.to(labels_RT.device)[labels_RT.clamp(min=0)]
        told_RT = torch.tensor([inside(label_T, self.pairs) for label_T in labels_RT.tolist()], device=weight_RT.device)
        weight_RT = torch.where(told_RT, weight_RT.clamp(min=self.answer), weight_RT)
        return weight_RT * (labels_RT != IGNORED)


class TraceTrainer(WeightedLoss, Resumable, SFTTrainer):
    """One row of the data set is one trace."""

    def __init__(self, *, weights: Weights, **others: Any) -> None:
        super().__init__(**others)
        self.weights = weights

    def stream(self, inputs: dict[str, Tensor]) -> Batch:
        """The rows of TRL's collator, without their padding."""
        real_RT = inputs["attention_mask"].bool()
        return Batch(inputs["input_ids"][real_RT], self.weights.of(inputs["labels"])[real_RT], real_RT.sum(1).tolist())


def sft(settings: SFT, thinking: Thinking, run: Run, start: Path, demonstrations: Path, written: Outputs) -> None:
    """The step: fine-tune the model of `start` on the demonstrations of an arm's cold start."""
    language_model.deterministic()
    with alone(run.scratch):
        trainer = trainer_of(settings, thinking, run, start, demonstration.read(demonstrations))
        finish(trainer, recorded(train(trainer), HISTORY), written)


def trainer_of(
    settings: SFT, thinking: Thinking, run: Run, start: Path, demonstrations: Iterable[Demonstration]
) -> TraceTrainer:
    """A trainer with its rows in the order in which they are trained on."""
    model, tokenizer = language_model.load(start)
    attention.settle(model)
    data = rows(demonstrations, tokenizer, thinking)
    order = list(chain.from_iterable(shuffled(len(data), run.seed, epoch) for epoch in range(settings.epochs)))
    if len(order) < settings.batch_traces:
        raise InputError(
            f"sft: {len(order)} traces in all epochs are fewer than sft.batch_traces = {settings.batch_traces}"
        )
    del order[len(order) // settings.batch_traces * settings.batch_traces :]  # else a resumed run would go on into it
    tags = token_ids(tokenizer, thinking.prompts)
    return TraceTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([asdict(row) for row in data]),
        order=order,
        weights=weights(settings, tokenizer, model.config.get_text_config().vocab_size, tags),
        watched={"tag": torch.tensor(tags)},
        rate=partial(rate, "cosine", settings.warmup),
        scratch=run.scratch,
        progress=Progress(run.title, ("loss", "token_accuracy", "tag_accuracy")),
        args=config_of(settings, run, model, max(len(row.input_ids) for row in data), len(order)),
    )


def config_of(settings: SFT, run: Run, model: PreTrainedModel, longest: int, traces: int) -> SFTConfig:
    """TRL's configuration. Each loss is divided by the weight of all micro-batches of its step, so none is special."""
    own = micro_batches.share(settings.batch_traces, "sft.batch_traces")
    recomputed = language_model.settings(model)["gradient_checkpointing"]
    tokens = micro_batches.tokens_of(model, recomputed, micro_batches.Room.here())
    accumulation = micro_batches.fewest_equal_parts(own, longest, tokens)
    return arguments(
        SFTConfig,
        model,
        run,
        traces // settings.batch_traces,
        per_device_train_batch_size=own // accumulation,
        gradient_accumulation_steps=accumulation,
        learning_rate=settings.learning_rate,
        adam_beta2=0.98,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        save_steps=settings.checkpoint_every,
    )


def shuffled(count: int, seed: int, epoch: int) -> list[int]:
    """An epoch's order of the rows."""
    return keyed(seed, "sft", "order", epoch).sample(range(count), count)


@dataclass(frozen=True)
class Row:
    """One trace: its token ids, and as labels those that the model would sample, else -100."""

    input_ids: list[int]
    labels: list[int]


def rows(demonstrations: Iterable[Demonstration], tokenizer: PreTrainedTokenizerBase, settings: Thinking) -> list[Row]:
    """One row a trace."""
    episodes = (replay(one, tokenizer, settings) for one in demonstrations)
    return [row(trace) for episode in episodes for trace in episode.traces]


def row(trace: Trace) -> Row:
    """The row of one trace."""
    own = [i if sampled else IGNORED for i, sampled in zip(trace.ids, trace.policy, strict=True)]
    return Row(trace.prompt_ids + trace.ids, [IGNORED] * len(trace.prompt_ids) + own)


def weights(settings: SFT, tokenizer: PreTrainedTokenizerBase, vocabulary: int, tags: Sequence[int]) -> Weights:
    """The weights of a vocabulary of that size in which `tags` are tokens."""
    weight_V = torch.ones(vocabulary)
    weight_V[list(tags)] = settings.tag_weight
    pairs = {} if settings.answer_weight == 1 else telling(tokenizer)
    return Weights(weight_V, settings.answer_weight, pairs)


def telling(tokenizer: PreTrainedTokenizerBase) -> dict[int, int]:
    """The token ids that open and close an answer, and those of a return."""
    pairs = [[tokenizer.encode(tag, add_special_tokens=False) for tag in pair] for pair in TELLING.items()]
    if any(len(ids) > 1 for pair in pairs for ids in pair):
        raise InputError("params.yaml: sft.answer_weight must be 1.0 for a tokenizer whose tags are several tokens")
    return {opening[0]: closing[0] for opening, closing in pairs}
