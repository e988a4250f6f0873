"""One line on standard error every few seconds: how far, how fast, how long yet, and the numbers to watch."""

import sys
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

EVERY = 3.0  # seconds between two lines


class Progress(TrainerCallback):
    """`shown` are names of numbers in what the trainer logs; `notable` those shown from some value on."""

    def __init__(self, name: str, shown: Sequence[str], notable: Mapping[str, float] = MappingProxyType({})) -> None:
        self.name, self.shown, self.notable = name, shown, notable
        self._started = self._told = time.monotonic()
        self._first = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """The clock starts here: a resumed run counts only its own steps."""
        self._started = self._told = time.monotonic()
        self._first = state.global_step

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **others: Any
    ) -> None:
        """Tell, unless a line was told just now; always after the last step."""
        now, last = time.monotonic(), state.global_step == state.max_steps
        if "loss" not in logs or not state.is_world_process_zero or (now - self._told < EVERY and not last):
            return
        self._told = now
        pace = (now - self._started) / max(1, state.global_step - self._first)
        print(self._line(state.global_step, state.max_steps, pace, logs), file=sys.stderr, flush=True)

    def _line(self, step: int, steps: int, pace: float, logs: Mapping[str, Any]) -> str:
        watched = [f"{_short(key)} {logs[key]:.3f}" for key in self.shown if logs.get(key) is not None]
        watched += [f"{_short(key)} {logs[key]:.2g}" for key, least in self.notable.items() if logs[key] >= least]
        left = _span((steps - step) * pace)
        return f"{self.name}: step {step} of {steps}, {pace:.2f} s a step, {left} left; {', '.join(watched)}"


def _short(key: str) -> str:
    return key.rpartition("/")[2]


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
