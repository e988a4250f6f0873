"""Training histories: one JSON object a step, one file for each run of pretrain, sft or grpo."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from asyncthink.errors import InputError
from asyncthink.evaluation.statistics import Statistic, mean, mean_of_seeds
from asyncthink.files import read_json_lines

PARTS = 10  # a run is looked at in tenths
LARGEST = 10**300  # a whole number that a float still holds
FEWEST_STEPS = 20  # two steps a tenth: one to choose by, one to measure


@dataclass(frozen=True)
class History:
    """name is the arm (of sft the first that shares it), and empty for pretrain."""

    stage: str
    name: str
    seed: int
    steps: Sequence[dict[str, Any]]

    def column(self, key: str) -> np.ndarray:
        """One number a step; nan where a step has none."""
        values = [row.get(key) for row in self.steps]
        return np.array([value if isinstance(value, int | float) else np.nan for value in values], dtype=float)


def read(paths: Iterable[str | Path]) -> list[History]:
    """Read histories; what each is follows from its place, .../STAGE/NAME/SEED.jsonl or .../pretrain/SEED.jsonl."""
    read: dict[tuple[str, str, int], tuple[Path, History]] = {}
    for path in map(Path, paths):
        run = _read(path)
        first, _ = read.setdefault((run.stage, run.name, run.seed), (path, run))
        if first is not path:
            raise InputError(
                f"{first} and {path} are both of {run.name or run.stage}, seed {run.seed}; give one of them"
            )
    return [read[key][1] for key in sorted(read)]


def _read(path: Path) -> History:
    folder = path.resolve().parent
    stage, name = ("pretrain", "") if folder.name == "pretrain" else (folder.parent.name, folder.name)
    if stage not in ("pretrain", "sft", "grpo") or not re.fullmatch("[0-9]+", path.stem):
        raise InputError(f"{path}: a history is named STEP/NAME/SEED.jsonl with STEP one of pretrain, sft, grpo")
    rows = read_json_lines(path)
    for number, row in enumerate(rows, 1):
        for key, value in row.items():
            if type(value) not in (int, float, dict, NoneType) or (type(value) is int and abs(value) > LARGEST):
                raise InputError(f"{path}: step {number}: {key} is {ascii(value)[:60]}; wanted: a number or null")
    return History(stage, name, int(path.stem), rows)


def of_arm(histories: Iterable[History], arm: str) -> list[History]:
    """The RL runs of one arm, by seed."""
    return [history for history in histories if (history.stage, history.name) == ("grpo", arm)]


class Curve:
    """One measure of an arm's RL runs in tenths of the steps that all runs have.

    With several runs a tenth is one number a run, and the tenth that is called the peak (or the dip) of a run is chosen
    on the other runs, so that choosing it does not make it high (or low). With one run its steps count as exchangeable
    inside a tenth, the peak is chosen on every other step and measured on the rest, and what is told is of that run.
    """

    def __init__(self, runs: Sequence[History], key: str) -> None:
        steps = min(len(run.steps) for run in runs)
        ends = [steps * part // PARTS for part in range(PARTS + 1)]
        length = steps // PARTS
        values_ST = np.stack([run.column(key)[:steps] for run in runs])
        self._parts = [values_ST[:, end - length : end] for end in ends[1:]]

    def mean(self, part: int) -> Statistic:
        """The mean of one tenth: 0 is the first, -1 the last."""
        return mean_of_steps(self._parts[part])

    def rise(self) -> Statistic:
        """The last tenth less the first."""
        return self.mean(-1) - self.mean(0)

    def peak(self) -> tuple[Statistic, Statistic]:
        """How far the highest tenth lies above the first, and how far above the last."""
        return self._beyond(1, 0), self._beyond(1, -1)

    def dip(self) -> Statistic:
        """How far the lowest tenth lies below the first."""
        return self._beyond(-1, 0)

    def _beyond(self, sign: int, end: int) -> Statistic:
        """How far the highest (sign 1) or lowest (-1) tenth lies beyond another one."""
        runs = range(len(self._parts[0]))
        if len(runs) == 1:
            chosen = self._extreme(sign, [part[:, ::2] for part in self._parts])
            top, other = (mean_of_steps(self._parts[part][:, 1::2]) for part in (chosen, end))
            return top - other if sign > 0 else other - top
        gaps = []
        for run in runs:
            chosen = self._extreme(sign, [np.delete(part, run, axis=0) for part in self._parts])
            gaps.append(sign * (_level(self._parts[chosen][run]) - _level(self._parts[end][run])))
        return mean_of_seeds(np.array(gaps))

    def _extreme(self, sign: int, parts: Sequence[np.ndarray]) -> int:
        return max(range(PARTS), key=lambda part: _level(sign * parts[part]))


def mean_of_steps(values_ST: np.ndarray) -> Statistic:
    """The mean over runs and steps: of several runs one number each, of one run over its steps."""
    if len(values_ST) == 1:
        return mean(values_ST)
    with np.errstate(invalid="ignore"):
        return mean_of_seeds(np.nanmean(values_ST, axis=1))


def _level(values: np.ndarray) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else -np.inf
