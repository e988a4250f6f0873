"""The table of arms in the README: what each was measured at, from the records of the committed reference."""

from collections.abc import Mapping

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


def block(recordings: Recordings) -> str:
    """Markdown, a line an arm at its own budget: means over test items and seeds, and of several seeds the range."""
    found = {label: headline for arm, label in LABELS.items() if (headline := recordings.find(arm))}
    several = any(len(headline.seeds) > 1 for headline in found.values())
    lines = [
        f"{recordings.scale}, each arm at its own budget{', mean (least–most) of the seeds' if several else ''}:",
        "",
        f"| | {' | '.join(MEASURES.values())} |",
        f"|---|{'--:|' * len(MEASURES)}",
    ]
    for label, headline in found.items():
        lines.append(f"| {label} | {' | '.join(_cell(headline, name) for name in MEASURES)} |")
    return "\n".join(lines)


def _cell(headline: Evaluation, name: str) -> str:
    alone = [headline.of_seeds((seed,)).statistics[name].value for seed in headline.seeds]
    mean, least, most = (_shown(name, value) for value in (headline.statistics[name].value, min(alone), max(alone)))
    return mean if len(alone) == 1 else f"{mean} ({least}–{most})"


def _shown(name: str, value: float) -> str:
    return f"{value:.0f}" if name in COUNTS else f"{100 * value:.1f}"
