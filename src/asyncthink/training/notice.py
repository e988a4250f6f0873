"""Notice that a training has to end: its state is saved after the step at work, and the same command goes on from it.

A cluster gives notice before a job's time is over: SIGUSR1, as early as a profile asks for it, and SIGTERM at the end.
Ctrl-C is none; it ends a training where it stands, and what was done since the last state is lost.
"""

import signal
from types import FrameType
from typing import Any, Self

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from asyncthink.training import sharding

SIGNALS = (signal.SIGUSR1, signal.SIGTERM)


class Notice(TrainerCallback):
    """A context in which a signal is a notice, and the callback that heeds it, in all processes at the same step."""

    def __init__(self) -> None:
        self.given = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._take) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.given = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Save and stop, where one of the processes was given notice."""
        if sharding.one_of_all(self.given):
            control.should_save = control.should_training_stop = True
