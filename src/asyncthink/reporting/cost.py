"""What the run cost in tokens, which no machine changes: from the histories and the recorded evaluations."""

from collections.abc import Iterator

import pandas as pd

from asyncthink.reporting.exhibits import in_prose


def rows(evaluations: pd.DataFrame, training: pd.DataFrame, pretrained: int) -> list[list[str]]:
    """Tokens of pretraining (`pretrained`), then episodes and decoded tokens of RL and evaluation, by arm."""
    base = [["base model", "–", f"{pretrained:,} (trained on)"]] if pretrained else []
    return [*base, *_training(training), *_evaluation(evaluations)]


def _training(training: pd.DataFrame) -> Iterator[list[str]]:
    for (_, label), steps in training.groupby(["arm", "label"], sort=False):
        episodes = steps.episodes.sum()
        yield [f"RL, {in_prose(label)}", f"{episodes:,.0f}", f"{(steps.episodes * steps.work).sum():,.0f}"]


def _evaluation(evaluations: pd.DataFrame) -> Iterator[list[str]]:
    work = evaluations[(evaluations.measure == "work") & (evaluations.aggregation != "union")]
    runs = work["items"] * work.seeds.astype(str).str.split().str.len()
    counted = work.assign(episodes=runs, tokens=runs * work.ours)
    for (_, label), rows in counted.groupby(["arm", "label"], sort=False):
        yield [f"evaluation, {in_prose(label)}", f"{rows.episodes.sum():,.0f}", f"{rows.tokens.sum():,.0f}"]
