"""Stage 1, cold-start format fine-tuning on TRL's SFT trainer.

A demonstration is replayed through the runtime, so a trace has the layout that inference makes, and each of its traces
is one row: prompts and injected text are labelled -100, the protocol's tags weigh `tag_weight`, what an answer or a
return tells `answer_weight`, other tokens 1.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from asyncthink import protocol
from asyncthink.episode import Trace
from asyncthink.errors import InputError
from asyncthink.params import Params, Thinking
from asyncthink.synthesis import demonstration
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.randomness import keyed
from asyncthink.thinking.replay import replay
from asyncthink.training import language_model
from asyncthink.training.checkpoints import Scratch
from asyncthink.training.learning_rate import rate
from asyncthink.training.log_probabilities import HEADS
from asyncthink.training.progress import Progress
from asyncthink.training.resumption import Resumable, arguments, finish, share, train
from asyncthink.training.tags import token_ids
from asyncthink.training.weighted_loss import IGNORED, Batch, WeightedLoss

CELLS = 32768  # tokens of a micro-batch, padding included; a batch that has more is accumulated


class TraceTrainer(WeightedLoss, Resumable, SFTTrainer):
    """weight_V is the loss weight of each token id as a label.

    What stands between a token id that opens an answer or a return and one that closes it weighs `answer_weight` at
    least; `telling` holds both sets of ids.
    """

    def __init__(
        self, *, weight_V: Tensor, answer_weight: float, telling: tuple[Tensor, Tensor], **others: Any
    ) -> None:
        super().__init__(**others)
        self.weight_V = weight_V.to(self.accelerator.device)
        self.answer_weight = answer_weight
        self.telling = tuple(ids.to(self.accelerator.device) for ids in telling)
        self.head = HEADS[self.accelerator.device.type]

    def stream(self, inputs: dict[str, Tensor]) -> Batch:
        """The rows of TRL's collator, without their padding."""
        real_RT = inputs["attention_mask"].bool()
        labels_RT = inputs["labels"]
        weight_RT = self.weight_V[labels_RT.clamp(min=0)]
        weight_RT = torch.where(told(labels_RT, *self.telling), weight_RT.clamp(min=self.answer_weight), weight_RT)
        weight_N = (weight_RT * (labels_RT != IGNORED))[real_RT]
        return Batch(inputs["input_ids"][real_RT], weight_N, real_RT.sum(1).tolist())


def sft(
    params: Params,
    arm: str,
    seed: int,
    start: Path,
    demonstrations: Path,
    model: Path,
    history: Path,
    scratch: Scratch,
    times: Path | None = None,
) -> None:
    """The step: fine-tune the model of `start` on the demonstrations of an arm's cold start."""
    language_model.deterministic()
    params = params.arm_params(arm)
    trainer = trainer_of(params, seed, start, demonstration.read(demonstrations), scratch, f"sft {arm}")
    logged = train(trainer)
    kept = ("step", "loss", "token_accuracy", "tag_accuracy")
    finish(trainer, [{key: entry[key] for key in kept} for entry in logged], model, history, times)


def trainer_of(
    params: Params, seed: int, start: Path, demonstrations: Iterable[Demonstration], scratch: Scratch, name: str
) -> TraceTrainer:
    """A trainer with its rows in the order in which they are trained on."""
    settings = params.sft
    model, tokenizer = language_model.load(start)
    data = rows(demonstrations, tokenizer, params.thinking)
    order = list(chain.from_iterable(shuffled(len(data), seed, epoch) for epoch in range(settings.epochs)))
    if len(order) < settings.batch_traces:
        raise InputError(
            f"sft: {len(order)} traces in all epochs are fewer than sft.batch_traces = {settings.batch_traces}"
        )
    accumulation = micro_batches(settings.batch_traces, max(len(each["input_ids"]) for each in data))
    tags = token_ids(tokenizer, params.thinking.prompts)
    return TraceTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(data),
        order=order,
        weight_V=weights(model.config.vocab_size, tags, settings.tag_weight),
        answer_weight=settings.answer_weight,
        telling=telling(tokenizer, settings.answer_weight),
        watched={"tag": torch.tensor(tags)},
        rate=partial(rate, "cosine", settings.warmup),
        scratch=scratch,
        progress=Progress(name, ("loss", "token_accuracy", "tag_accuracy")),
        args=arguments(
            SFTConfig,
            model,
            scratch,
            len(order) // settings.batch_traces,
            seed=seed,
            per_device_train_batch_size=share(settings.batch_traces, accumulation, "sft.batch_traces"),
            gradient_accumulation_steps=accumulation,
            learning_rate=settings.learning_rate,
            adam_beta2=0.98,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            save_steps=settings.checkpoint_every,
        ),
    )


def micro_batches(batch: int, longest: int) -> int:
    """Into how many equal parts a batch is cut; each loss is divided by the weight of all parts, so none is special."""
    return next(n for n in range(1, batch + 1) if n == batch or (batch % n == 0 and batch // n * longest <= CELLS))


def shuffled(count: int, seed: int, epoch: int) -> list[int]:
    """An epoch's order of the rows."""
    return keyed(seed, "sft", "order", epoch).sample(range(count), count)


def rows(
    demonstrations: Iterable[Demonstration], tokenizer: PreTrainedTokenizerBase, settings: Thinking
) -> list[dict[str, list[int]]]:
    """One row a trace."""
    episodes = (replay(each, tokenizer, settings) for each in demonstrations)
    return [row(trace) for episode in episodes for trace in episode.traces]


def row(trace: Trace) -> dict[str, list[int]]:
    """input_ids and labels of one trace: -100 wherever the model would not sample."""
    own = [i if sampled else IGNORED for i, sampled in zip(trace.ids, trace.policy, strict=True)]
    return {"input_ids": trace.prompt_ids + trace.ids, "labels": [IGNORED] * len(trace.prompt_ids) + own}


def weights(vocabulary: int, tags: Sequence[int], tag_weight: float) -> Tensor:
    """The loss weight of each token id."""
    weight_V = torch.ones(vocabulary)
    weight_V[list(tags)] = tag_weight
    return weight_V


def telling(tokenizer: PreTrainedTokenizerBase, answer_weight: float) -> tuple[Tensor, Tensor]:
    """The token ids that open an answer or a return, and those that close one; none where they weigh as the rest."""
    pairs = (protocol.ANSWER_OPEN, protocol.RETURN_OPEN), (protocol.ANSWER_CLOSE, protocol.RETURN_CLOSE)
    opening, closing = ([tokenizer.encode(tag, add_special_tokens=False) for tag in tags] for tags in pairs)
    if answer_weight == 1:
        return torch.tensor([], dtype=torch.long), torch.tensor([], dtype=torch.long)
    if any(len(ids) > 1 for ids in (*opening, *closing)):
        raise InputError("params.yaml: sft.answer_weight must be 1.0 for a tokenizer whose tags are several tokens")
    return torch.tensor(opening)[:, 0], torch.tensor(closing)[:, 0]


def told(labels_RT: Tensor, opening: Tensor, closing: Tensor) -> Tensor:
    """Which labels stand inside an answer or a return: behind a token that opens one, up to the one that closes it."""
    opened, closed = torch.isin(labels_RT, opening), torch.isin(labels_RT, closing)
    inside = opened.cumsum(1) - opened.long() - closed.cumsum(1) + closed.long()
    return inside > 0
