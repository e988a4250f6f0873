"""How far a training is, and the numbers to watch, told by its first process.

With ASYNCTHINK_REPORT_TO=tensorboard they are told to TensorBoard too, a folder a training below logs/tensorboard/. It
decides no result, so no step reads it.
"""

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import is_tensorboard_available

from asyncthink import progress
from asyncthink.errors import InputError

REPORT_TO, BOARD, NOBODY = "ASYNCTHINK_REPORT_TO", "tensorboard", "none"


def reporters(title: str) -> str:
    """Whom transformers' trainer tells each step of a training, as the environment says: nobody, or TensorBoard."""
    wanted = os.environ.get(REPORT_TO, "").strip() or NOBODY
    if wanted not in (NOBODY, BOARD):
        raise InputError(f"{REPORT_TO} is {wanted!r}; allowed: {NOBODY}, {BOARD}")
    if wanted == BOARD:
        if not is_tensorboard_available():
            raise InputError(f"{REPORT_TO} is {BOARD}, which is not installed; pip install {BOARD}")
        os.environ["TENSORBOARD_LOGGING_DIR"] = f"logs/{BOARD}/{title.replace(' ', '/')}"
    return wanted


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
