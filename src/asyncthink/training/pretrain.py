"""The base model, from scratch: a stand-in for a pretrained language model (its corpus: synthesis.documents).

Where params.model.start_from names a checkpoint, nothing is trained: that checkpoint is the base, written in the one
format that the next steps read, with a token added for each tag that its tokenizer could not write.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Trainer, TrainingArguments

from asyncthink.files import read_json_lines, write_json_lines
from asyncthink.params import Params
from asyncthink.synthesis.documents import documents
from asyncthink.training import language_model, sharding, word_tokenizer
from asyncthink.training.checkpoints import Scratch, publish
from asyncthink.training.learning_rate import rate
from asyncthink.training.progress import Progress
from asyncthink.training.resumption import Resumable, arguments, finish, train
from asyncthink.training.skills import measure
from asyncthink.training.tags import extend, tags
from asyncthink.training.weighted_loss import Batch, WeightedLoss

HELD_OUT = 64  # documents on which skills are measured
HELD_OUT_START = 1_000_000_000  # their place in the endless corpus, beyond whatever is trained on
MEASUREMENTS = 20  # times that skills are measured during a run


@dataclass(frozen=True)
class Corpus:
    """Documents behind one another; batches are runs of documents, given by where each begins."""

    ids_N: np.ndarray
    weight_N: np.ndarray
    ends: np.ndarray  # of each document
    batches: Sequence[range]  # of documents

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> range:
        return self.batches[number]

    def stream(self, chosen: Sequence[int]) -> dict[str, torch.Tensor]:
        """Some documents as a batch of inputs."""
        spans = [range(self.ends[number - 1] if number else 0, self.ends[number]) for number in chosen]
        places = np.concatenate([np.arange(span.start, span.stop) for span in spans])
        return {
            "input_ids": torch.from_numpy(self.ids_N[places]).long(),
            "weights": torch.from_numpy(self.weight_N[places]),
            "lengths": torch.tensor([len(span) for span in spans]),
        }


def corpus(params: Params, items: Sequence[dict[str, Any]], vocabulary: dict[str, int], seed: int) -> Corpus:
    """At least params.pretrain.tokens tokens, in batches of at least params.pretrain.batch_tokens."""
    settings, end_word = params.pretrain, vocabulary[word_tokenizer.EOS]
    ids: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    batches, first, total, in_batch = [], 0, 0, 0
    for document in documents(params, items, seed):
        words = [vocabulary[word] for word in document.text.split()]
        ids.append(np.array([*words, end_word], dtype=np.int32))
        weights.append(np.array([*document.weights, 1.0], dtype=np.float32))
        total, in_batch = total + len(ids[-1]), in_batch + len(ids[-1])
        if in_batch >= settings.batch_tokens:
            batches.append(range(first, len(ids)))
            first, in_batch = len(ids), 0
            if total >= settings.tokens:
                break
    return Corpus(np.concatenate(ids), np.concatenate(weights), np.cumsum([len(each) for each in ids]), batches)


class PretrainTrainer(WeightedLoss, Resumable, Trainer):
    """One row of the data set is one step's batch; each process takes every n-th document of it."""

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


def pretrain(
    params: Params, seed: int, puzzles: Path, model: Path, history: Path, scratch: Scratch, times: Path | None = None
) -> None:
    """The step: train the base, or prepare the checkpoint that stands in its place."""
    language_model.deterministic()
    if params.model.start_from is not None:
        prepare(params, model, history)
        return
    trainer = trainer_of(params, seed, read_json_lines(puzzles), scratch)
    logged = train(trainer)
    kept = ("step", "loss", "token_accuracy", "arithmetic", "hit_recall", "copying")
    finish(trainer, [{key: entry[key] for key in kept if key in entry} for entry in logged], model, history, times)


def trainer_of(params: Params, seed: int, items: Sequence[dict[str, Any]], scratch: Scratch) -> PretrainTrainer:
    """A trainer with its corpus."""
    settings = params.pretrain
    tokenizer = word_tokenizer.build(params.puzzles)
    vocabulary = tokenizer.get_vocab()
    model = language_model.build(params.model, tokenizer, seed)
    data = corpus(params, items, vocabulary, seed)
    processes = sharding.processes().num_processes
    return PretrainTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=data,
        order=[number for number in range(len(data)) for _ in range(processes)],
        held_out=[text for text, _ in islice(documents(params, items, seed, HELD_OUT_START), HELD_OUT)],
        vocabulary=vocabulary,
        rate=partial(rate, "cosine", settings.warmup),
        scratch=scratch,
        progress=Progress("pretrain", ("loss", "token_accuracy", "arithmetic", "hit_recall", "copying")),
        args=arguments(
            TrainingArguments,
            model,
            scratch,
            len(data),
            seed=seed,
            per_device_train_batch_size=1,
            learning_rate=settings.learning_rate,
            adam_beta2=0.98,
            save_steps=settings.checkpoint_every,
        ),
    )


def prepare(params: Params, folder: Path, history: Path) -> None:
    """Write params.model.start_from in our format, with the tags that its tokenizer lacks; the history is empty."""
    model, tokenizer = language_model.load(language_model.pinned(params.model.start_from), "auto")
    extend(model, tokenizer, tags(params.thinking.prompts))
    write_json_lines(history, [])
    with tempfile.TemporaryDirectory(dir=_made(Path("work") / "pretrain")) as scratch:
        language_model.write(model, tokenizer, Path(scratch))
        publish(Path(scratch), folder)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
