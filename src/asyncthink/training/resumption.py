"""What every trainer here shares: a fixed order of the data, states that are whole, one result.

A run that was killed goes on from its newest whole state and ends in the same bytes. Nothing random survives a step:
the order of all batches of all epochs is laid down before the first one (transformers' own samplers are not restored
in the middle of an epoch), and whatever a step draws is keyed by its number.
"""

import ctypes
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Sampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME
from transformers.trainer_callback import PrinterCallback

from asyncthink.errors import InputError
from asyncthink.files import write_json_lines
from asyncthink.models.checkpoint_files import ONE_FILE, saving
from asyncthink.models.language_model import LARGE, settings
from asyncthink.training import sharding
from asyncthink.training.checkpoints import WEIGHTS, Scratch, publish
from asyncthink.training.notice import Notice
from asyncthink.training.progress_callback import Progress, reporters

Arguments = TypeVar("Arguments", bound=TrainingArguments)

DIGITS = 6
KEPT = "; the states before it are kept"


@dataclass(frozen=True)
class Run:
    """One run of a training step: its name for people, its seed, and where its states are kept."""

    name: str
    seed: int
    scratch: Scratch

    @property
    def title(self) -> str:
        """Of its job, as the terminal looks for it."""
        return f"{self.name} {self.seed}"


@dataclass(frozen=True)
class Outputs:
    """What it writes: the model's folder, the history (one object a step), and the seconds of each step."""

    model: Path
    history: Path
    times: Path | None = None


class FixedOrder(Sampler[int]):
    """Rows of a data set in an order laid down in advance, all epochs one after another."""

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class Resumable(Trainer):
    """Goes before any kind of Trainer. `rate` gives the share of the learning rate at (step, steps)."""

    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    lr_scheduler: LambdaLR
    processing_class: PreTrainedTokenizerBase

    def __init__(
        self,
        *,
        scratch: Scratch,
        order: Sequence[int],
        rate: Callable[[int, int], float],
        progress: Progress,
        **others: Any,
    ) -> None:
        self.scratch, self.order, self.rate = scratch, order, rate
        self._logged = time.monotonic()
        super().__init__(**others, callbacks=[progress])
        self.model.save_pretrained = partial(self.model.save_pretrained, max_shard_size=ONE_FILE)  # type: ignore[method-assign]
        self.remove_callback(PrinterCallback)

    def create_accelerator_and_postprocess(self) -> None:
        """Where weights are sharded, on CPUs too and without rounding them."""
        sharding.allow_cpus()
        super().create_accelerator_and_postprocess()
        if self.is_fsdp_enabled:
            sharding.gather_unrounded(self.accelerator.state.fsdp_plugin)

    def _get_train_sampler(self, dataset: Any = None) -> FixedOrder:
        return FixedOrder(self.order)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The learning rate over the run."""
        optimizer = self.optimizer if optimizer is None else optimizer
        self.lr_scheduler = LambdaLR(optimizer, lambda step: self.rate(step, num_training_steps))
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Keep each step's numbers and its wall-clock seconds in the state; a loss that is no number ends the run."""
        if not math.isfinite(logs.get("loss", 0.0)):
            step = self.state.global_step
            raise InputError(f"the loss of step {step} is {logs['loss']}: lower the learning_rate in params.yaml")
        if self.model.num_parameters() > LARGE:
            give_back()
        now = time.monotonic()
        logs["seconds"], self._logged = round(now - self._logged, 3), now
        super().log(logs, start_time)

    def create_model_card(self, *positional: Any, **named: Any) -> None:
        """No model card: states are scratch."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step = self.state.global_step
        if self.args.should_save:
            self.scratch.drop(step)
        self.accelerator.wait_for_everyone()
        with saving(self.scratch.state(step), KEPT):
            super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            self.scratch.finish(step)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if state_dict is not None:  # gathered, and with it tied weights twice
            state_dict = {name: state_dict[name] for name, _ in self.model.named_parameters()}
        super()._save(output_dir, state_dict)

    def _save_optimizer_and_scheduler(self, folder: str) -> None:
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(folder)
            return
        state = sharding.optimizer_state(self.optimizer, kept=self.args.should_save)
        if self.args.should_save:
            torch.save(state, Path(folder) / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), Path(folder) / SCHEDULER_NAME)

    def _load_from_checkpoint(self, folder: str, model: Any = None) -> None:
        if not self.is_fsdp_enabled:
            super()._load_from_checkpoint(folder, model)
            return
        sharding.load_weights(self.model, Path(folder) / WEIGHTS)

    def _load_optimizer_and_scheduler(self, folder: str | None) -> None:
        if not self.is_fsdp_enabled or folder is None:
            super()._load_optimizer_and_scheduler(folder)
            return
        state = torch.load(Path(folder) / OPTIMIZER_NAME, map_location="cpu", mmap=True, weights_only=True)
        sharding.load_optimizer_state(self.optimizer, state)
        self.lr_scheduler.load_state_dict(torch.load(Path(folder) / SCHEDULER_NAME, weights_only=True))


def give_back() -> None:
    """Have the C library return what it keeps of freed memory: tensors of ever new sizes leave it in small pieces.

    With a large model it grew by half within fifty steps. A step of a small one is over sooner than its memory is back.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's
        trim(0)


def arguments(kind: type[Arguments], model: PreTrainedModel, run: Run, steps: int, **others: Any) -> Arguments:
    """Arguments of transformers' or TRL's kind: quiet, exact, nothing but the states written."""
    return kind(
        output_dir=str(run.scratch.folder),
        seed=run.seed,
        max_steps=steps,
        num_train_epochs=1,
        save_strategy="steps",
        logging_steps=1,
        report_to=reporters(run.title),
        disable_tqdm=True,
        log_level="error",
        log_level_replica="error",
        dataloader_num_workers=0,
        dataloader_drop_last=True,
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        average_tokens_across_devices=True,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,  # a step makes several forward passes before its backward pass
        # Gradients that wait for the last micro-batch of a step would wait whole in each process.
        accelerator_config={"gradient_accumulation_kwargs": {"sync_each_batch": sharding.asked()}},
        max_grad_norm=1.0,
        weight_decay=0.0,
        **settings(model),
        **others,
    )


@contextmanager
def alone(scratch: Scratch) -> Iterator[None]:
    """Hold a scratch folder, in the first of the processes that train together; the others wait until it does."""
    with scratch.held(first=sharding.processes().is_main_process):
        sharding.processes().wait_for_everyone()
        yield


def train(trainer: Resumable) -> list[dict[str, Any]]:
    """Train from the newest whole state, or from the start; what was logged at each step.

    KeyboardInterrupt where a signal gave notice to end before the last step; the state is saved then.
    """
    newest = trainer.scratch.newest()
    if newest is not None and trainer.accelerator.is_main_process:
        print(f"going on from {newest}", file=sys.stderr)
    with Notice() as notice:
        trainer.add_callback(notice)
        trainer.train(resume_from_checkpoint=None if newest is None else str(newest))
    if trainer.state.global_step < trainer.state.max_steps:
        raise KeyboardInterrupt
    return _steps(trainer)


def _steps(trainer: Resumable) -> list[dict[str, Any]]:
    return [entry for entry in trainer.state.log_history if "loss" in entry]


def recorded(logged: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Of each step the numbers of some names, as far as they were logged."""
    return [{name: entry[name] for name in names if name in entry} for entry in logged]


def finish(trainer: Resumable, records: Iterable[dict[str, Any]], written: Outputs) -> None:
    """Publish the result, the weights last, and remove the scratch folder; `records` are the history, one a step."""
    result = trainer.scratch.folder / "result"
    trainer.model.config.use_cache = True
    with saving(result, KEPT):
        trainer.save_model(str(result))
    trainer.accelerator.wait_for_everyone()
    if trainer.accelerator.is_main_process:
        (result / "training_args.bin").unlink(missing_ok=True)
        if written.times is not None:
            write_json_lines(written.times, recorded(_steps(trainer), ("step", "seconds")))
        write_json_lines(written.history, map(rounded, records))
        publish(result, written.model)
        trainer.scratch.remove()
    trainer.accelerator.wait_for_everyone()


def rounded(value: Any) -> Any:
    """Numbers of a JSON value, to few digits; not a number becomes null."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0 if math.isfinite(value) else None  # + 0.0: no negative zero
    return value
