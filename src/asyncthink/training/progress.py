"""How far a training is, and the numbers to watch, told by its first process."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from asyncthink import progress


class Progress(TrainerCallback):
    """`shown` are names of numbers in what the trainer logs; `notable` those shown from some value on."""

    def __init__(self, title: str, shown: Sequence[str], notable: Mapping[str, float] = MappingProxyType({})) -> None:
        self.title, self.shown, self.notable = title, shown, notable

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """A resumed run counts only its own steps."""
        self.told = progress.Progress(self.title, state.max_steps, "steps")
        self.told.resume(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **others: Any,
    ) -> None:
        """Tell where a step is logged."""
        if logs is None or "loss" not in logs or not state.is_world_process_zero:
            return
        watched = [f"{_short(key)} {logs[key]:.3f}" for key in self.shown if logs.get(key) is not None]
        watched += [f"{_short(key)} {logs[key]:.2g}" for key, least in self.notable.items() if logs[key] >= least]
        self.told.tell(state.global_step, ", ".join(watched))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """All is told."""
        if state.is_world_process_zero:
            self.told.end()


def _short(key: str) -> str:
    return key.rpartition("/")[2]
