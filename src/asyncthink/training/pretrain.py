"""The base model, from scratch: a stand-in for a pretrained language model (its corpus: synthesis.documents).

Where a checkpoint stands in its place nothing is trained: that checkpoint is the base, written in the one format that
the next steps read, with a token added for each tag that its tokenizer could not write.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase, Trainer, TrainingArguments

from asyncthink.files import write_json_lines
from asyncthink.models import language_model, word_tokenizer
from asyncthink.models.prompts import PROMPTS
from asyncthink.models.tags import extend
from asyncthink.settings import Model, Pretrain
from asyncthink.synthesis.documents import Document
from asyncthink.training import sharding
from asyncthink.training.checkpoints import publish
from asyncthink.training.learning_rate import rate
from asyncthink.training.progress_callback import Progress
from asyncthink.training.resumption import Outputs, Resumable, Run, alone, arguments, finish, recorded, train
from asyncthink.training.skills import measure
from asyncthink.training.weighted_loss import Batch, WeightedLoss

HELD_OUT = 64  # documents on which skills are measured
HELD_OUT_START = 1_000_000_000  # their place in the endless corpus, beyond whatever is trained on
MEASUREMENTS = 20  # times that skills are measured during a run

# One line of the history: the weighted loss, the share of tokens that were the likeliest, and the skills where they
# were measured after the step.
HISTORY = ("step", "loss", "token_accuracy", "arithmetic", "hit_recall", "spelling", "copying")

Documents = Callable[[int], Iterator[Document]]  # the endless corpus from a document's number on


@dataclass(frozen=True)
class Corpus:
    """Documents one after another; batches are runs of documents, given by where each begins."""

    ids_N: np.ndarray
    weight_N: np.ndarray
    ends: np.ndarray  # of each document
    batches: Sequence[range]  # of documents

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> range:
        return self.batches[number]

    def stream(self, chosen: Sequence[int]) -> dict[str, torch.Tensor]:
        """Some documents as a batch of inputs; none, where there are more processes than documents."""
        spans = [range(self.ends[number - 1] if number else 0, self.ends[number]) for number in chosen]
        places = np.concatenate([np.arange(0), *(np.arange(span.start, span.stop) for span in spans)])
        return {
            "input_ids": torch.from_numpy(self.ids_N[places]).long(),
            "weights": torch.from_numpy(self.weight_N[places]),
            "lengths": torch.tensor([len(span) for span in spans]),
        }


def corpus(documents: Iterable[Document], settings: Pretrain, vocabulary: dict[str, int]) -> Corpus:
    """At least settings.tokens tokens, in batches of at least settings.batch_tokens."""
    end_word = vocabulary[word_tokenizer.EOS]
    ids: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    batches, first, total, in_batch = [], 0, 0, 0
    for document in documents:
        words = [vocabulary[word] for word in document.text.split()]
        ids.append(np.array([*words, end_word], dtype=np.int32))
        weights.append(np.array([*document.weights, 1.0], dtype=np.float32))
        total, in_batch = total + len(ids[-1]), in_batch + len(ids[-1])
        if in_batch >= settings.batch_tokens:
            batches.append(range(first, len(ids)))
            first, in_batch = len(ids), 0
            if total >= settings.tokens:
                break
    return Corpus(np.concatenate(ids), np.concatenate(weights), np.cumsum([len(document) for document in ids]), batches)


class PretrainTrainer(WeightedLoss, Resumable, Trainer):
    """One row of the data set is one step's batch; each process takes every n-th document of it."""

    train_dataset: Corpus

    def __init__(self, *, held_out: Sequence[str], vocabulary: dict[str, int], **others: Any) -> None:
        self.held_out, self.vocabulary = held_out, vocabulary
        super().__init__(**others, data_collator=self._collate, watched={})

    def _collate(self, rows: list[range]) -> dict[str, torch.Tensor]:
        accelerator = self.accelerator
        return self.train_dataset.stream(rows[0][accelerator.process_index :: accelerator.num_processes])

    def stream(self, inputs: dict[str, torch.Tensor]) -> Batch:
        """The collated documents as they are."""
        return Batch(inputs["input_ids"], inputs["weights"], inputs["lengths"].tolist())

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Measure the skills a few times during the run."""
        step, steps_in_all = self.state.global_step, self.state.max_steps
        if "loss" in logs and (step % max(1, steps_in_all // MEASUREMENTS) == 0 or step == steps_in_all):
            logs |= measure(self.model, self.vocabulary, self.held_out)
        super().log(logs, start_time)


@dataclass(frozen=True)
class Settings:
    """The sections of params.yaml that decide it, and the words of the corpus."""

    pretrain: Pretrain
    model: Model
    tokenizer: PreTrainedTokenizerBase


def pretrain(settings: Settings, run: Run, documents: Documents, written: Outputs) -> None:
    """The step: train a model on an endless corpus."""
    language_model.deterministic()
    with alone(run.scratch):
        trainer = trainer_of(settings, run, documents)
        finish(trainer, recorded(train(trainer), HISTORY), written)


def trainer_of(settings: Settings, run: Run, documents: Documents) -> PretrainTrainer:
    """A trainer with its corpus."""
    own, vocabulary = settings.pretrain, settings.tokenizer.get_vocab()
    model = language_model.build(settings.model, settings.tokenizer, run.seed)
    data = corpus(documents(0), own, vocabulary)
    processes = sharding.processes().num_processes
    return PretrainTrainer(
        model=model,
        processing_class=settings.tokenizer,
        train_dataset=data,
        order=[number for number in range(len(data)) for _ in range(processes)],
        held_out=[document.text for document in islice(documents(HELD_OUT_START), HELD_OUT)],
        vocabulary=vocabulary,
        rate=partial(rate, "cosine", own.warmup),
        scratch=run.scratch,
        progress=Progress(run.title, HISTORY[1:]),
        args=arguments(
            TrainingArguments,
            model,
            run,
            len(data),
            per_device_train_batch_size=1,
            learning_rate=own.learning_rate,
            adam_beta2=0.98,
            save_steps=own.checkpoint_every,
        ),
    )


def prepare(start_from: str, style: str, written: Outputs) -> None:
    """The step where a checkpoint is the base: write it in our format, with the tags of a prompt style that it lacks.

    The history is empty.
    """
    language_model.deterministic()
    model, tokenizer = language_model.load(language_model.pinned(start_from), "auto")
    extend(model, tokenizer, PROMPTS[style].tags)
    write_json_lines(written.history, [])
    beside = Path("work") / "pretrain"
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside) as folder:
        language_model.write(model, tokenizer, Path(folder))
        publish(Path(folder), written.model)
