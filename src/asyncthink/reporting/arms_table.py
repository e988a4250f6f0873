"""The tables of arms in the README: what each was measured at, from the records of the committed reference."""

from collections.abc import Mapping

import numpy as np

from asyncthink.evaluation.recordings import Evaluation, Recordings
from asyncthink.reporting.source import COUNTS, LABELS

MEASURES: Mapping[str, str] = {
    "accuracy": "accuracy, %",
    "all_correct": "all correct, %",
    "valid": "right in form, %",
    "elapsed": "latency",
    "work": "work",
    "concurrency_ratio": "η/c, %",
}
TOKENS = ("elapsed", "work")
ORGANIZING: Mapping[str, str] = {
    "forks": "Forks",
    "forked_branches": "branches handed out",
    "hit_1": "the first holds a solution, %",
    "chance": "one drawn at random, %",
    "predicted_1": "a regression's first, %",
    "repeated_share": "branches searched twice, %",
    "offered": "expressions offered",
    "tokens_after": "tokens after the last one needed",
}


def block(test_set: str, recordings: Recordings) -> str:
    """Markdown, a line an arm at its own budget: means over test items and seeds, and of several seeds the range."""
    return _table(f"{recordings.scale}, {test_set}, each arm at its own budget", MEASURES, _headlines(recordings))


def organizing(recordings: Recordings) -> str:
    """The same of how the arms that fork organize: what they hand out, in which order, and when they stop."""
    forking = {label: own for label, own in _headlines(recordings).items() if own.statistics["forks"].value > 0}
    return _table(f"{recordings.scale}, how each organizes", ORGANIZING, forking)


def _headlines(recordings: Recordings) -> dict[str, Evaluation]:
    return {label: headline for arm, label in LABELS.items() if (headline := recordings.find(arm))}


def _table(title: str, measures: Mapping[str, str], headlines: Mapping[str, Evaluation]) -> str:
    several = any(len(headline.seeds) > 1 for headline in headlines.values())
    lines = [
        f"{title}{', mean (least–most) of the seeds' if several else ''}:",
        "",
        f"| | {' | '.join(measures.values())} |",
        f"|---|{'--:|' * len(measures)}",
    ]
    for label, headline in headlines.items():
        lines.append(f"| {label} | {' | '.join(_cell(headline, name) for name in measures)} |")
    return "\n".join(lines)


def _cell(headline: Evaluation, name: str) -> str:
    """– where a seed has no value: its world has no branches, or no episode was right in form."""
    if name not in headline.statistics or not np.isfinite(headline.statistics[name].value):
        return "–"
    alone = [headline.of_seeds((seed,)).statistics[name].value for seed in headline.seeds]
    mean, least, most = (_shown(name, value) for value in (headline.statistics[name].value, min(alone), max(alone)))
    return mean if least == most else f"{mean} ({least}–{most})"


def _shown(name: str, value: float) -> str:
    return f"{value:.0f}" if name in TOKENS else f"{value if name in COUNTS else 100 * value:.1f}"
