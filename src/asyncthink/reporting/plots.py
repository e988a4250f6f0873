"""One function a figure: a table in, a matplotlib figure out. Intervals are always drawn.

Without rows a figure says "not run at this scale" in its place. Where the paper has a value it stands beside ours as a
hollow diamond; the paper's task, model and c are others, so it is there for the shape and not for the height.
"""

import textwrap
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asyncthink.reporting import style
from asyncthink.reporting.style import GRID, INK, MARKERS, MUTED, NOT_RUN, PAPER_COLOUR, colour

WIDTH = 6.9  # inches
WAY_ORDER = ("asyncthink", "parallel", "sequential")
PANELS = {
    "accuracy": ("Accuracy, %", 100),
    "concurrency_ratio": ("η/c, %", 100),
    "forks": ("Forks a query", 1),
    "latency": ("Critical-path latency, tokens", 1),
}
ABLATION_PANELS = {
    "all_correct": "All correct, %",
    "accuracy": "Accuracy, %",
    "concurrency_ratio": "η/c, %",
    "elapsed": "Latency, tokens",
}
KINDS = {"none": "no fork", "interleaved": "interleaved", "batch": "batch", "other": "other"}
KIND_COLOURS = {"none": "#d0d7de", "interleaved": "#56b4e9", "batch": "#e69f00", "other": "#0072b2"}
VERDICT_STYLES = {
    "reproduced": ("#009e73", "o"),
    "partly": ("#e69f00", "D"),
    "not reproduced": ("#d55e00", "X"),
    "not run at this scale": ("#8c959f", "_"),
}


def drawn(function: Callable[[pd.DataFrame], Figure]) -> Callable[[pd.DataFrame], Figure]:
    """A figure in our style, or the note that there is nothing to draw."""

    def draw(table: pd.DataFrame) -> Figure:
        with style.styled():
            figure = empty() if table.empty else function(table)
            figure.set_layout_engine("constrained")
            figure.draw_without_rendering()
            return figure

    draw.__doc__ = function.__doc__
    return draw


def empty() -> Figure:
    """What stands in the place of a figure without data."""
    figure = Figure(figsize=(WIDTH, 1.6))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, NOT_RUN, ha="center", va="center", fontsize=12, color=MUTED, transform=axes.transAxes)
    return figure


@drawn
def correct_at_least_k(table: pd.DataFrame) -> Figure:
    """Bars of the share of items with at least k correct, by way of thinking (the paper's figure 5)."""
    figure = Figure(figsize=(WIDTH, 3.3))
    axes = figure.add_subplot()
    arms = [arm for arm in WAY_ORDER if arm in set(table.arm)]
    ks = sorted(table.k.unique())
    width = 0.8 / len(arms)
    for place, arm in enumerate(arms):
        rows = table[table.arm == arm].sort_values("k")
        x = np.arange(len(ks)) + (place - (len(arms) - 1) / 2) * width
        axes.bar(x, rows.ours, width * 0.92, color=colour(arm), label=rows.label.iloc[0])
        _interval(axes, x, rows, INK)
        for at, value, high in zip(x, rows.ours, rows.high, strict=True):
            axes.annotate(f"{value:.0f}", (at, high), (0, 3), textcoords="offset points", ha="center", fontsize=8)
        _paper(axes, x, rows.paper)
    axes.set_xticks(range(len(ks)), [f"≥ {k}" if k < ks[-1] else f"≥ {k} (all)" for k in ks])
    axes.set_ylim(0, 109)
    axes.set_ylabel("Items, %")
    axes.set_xlabel("Correct solutions")
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside upper left", ncols=4, handlelength=1.2, columnspacing=1.4)
    _footer(figure, table)
    return figure


@drawn
def ablations(table: pd.DataFrame) -> Figure:
    """Each ablation against the whole, one panel a measure (the paper's table 3)."""
    figure = Figure(figsize=(WIDTH, 2.9))
    measures = [name for name in ABLATION_PANELS if name in set(table.measure)]
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    arms = list(dict.fromkeys(table.arm))
    for axes, measure in zip(panels, measures, strict=True):
        rows = table[table.measure == measure].set_index("arm").reindex(arms)
        y = np.arange(len(arms))[::-1]
        for at, (arm, row) in zip(y, rows.iterrows(), strict=True):
            axes.plot([row.low, row.high], [at, at], color=colour(arm), linewidth=2.2, solid_capstyle="butt")
            axes.plot(row.ours, at, "o", color=colour(arm), markersize=6)
            axes.annotate(_short(row.ours), (row.ours, at), (0, 7), textcoords="offset points", ha="center", fontsize=8)
        axes.axvline(rows.ours.iloc[0], color=GRID, linewidth=1.2, zorder=0)
        axes.set_title(ABLATION_PANELS[measure])
        axes.set_yticks(y, list(rows.label))
        axes.set_ylim(-0.6, len(arms) - 0.4)
        axes.set_xlim(left=0)
        axes.margins(x=0.18)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
    _footer(figure, table)
    return figure


@drawn
def training_dynamics(table: pd.DataFrame) -> Figure:
    """Four panels over the RL steps; the band is the spread over seeds (the paper's figure 6)."""
    figure = Figure(figsize=(WIDTH, 4.6))
    panels = figure.subplots(2, 2, sharex=True).ravel()
    arms = [arm for arm in ("asyncthink", "no_concurrency_reward", "no_cold_start") if arm in set(table.arm)]
    for axes, (name, (title, factor)) in zip(panels, PANELS.items(), strict=True):
        for arm in arms:
            rows = table[table.arm == arm]
            label = rows.label.iloc[0] if axes is panels[0] else None
            _curve(axes, rows, name, factor, colour(arm), label, bold=arm == arms[0])
        axes.set_title(title)
        axes.set_ylim(bottom=0)
    for axes in panels[2:]:
        axes.set_xlabel("RL step")
    figure.legend(loc="outside upper left", ncols=3, handlelength=1.4)
    seeds = table[table.arm == arms[0]].seed.nunique() if arms else 0
    _footer(figure, table, f"{_counted(seeds, 'seed')}; line: mean, smoothed; {_spread(seeds)}")
    return figure


@drawn
def frontier(table: pd.DataFrame) -> Figure:
    """Accuracy over critical-path latency, one point a budget, joined along the frontier (the paper's figure 7)."""
    figure = Figure(figsize=(WIDTH, 3.9))
    axes = figure.add_subplot()
    for arm in [arm for arm in WAY_ORDER if arm in set(table.arm)]:
        rows = table[table.arm == arm].sort_values("latency")
        best = rows[rows.best]
        axes.plot(best.latency, best.accuracy, color=colour(arm), zorder=2)
        errors = {"xerr": _errors(rows, "latency"), "yerr": _errors(rows, "accuracy")}
        axes.errorbar(rows.latency, rows.accuracy, fmt="none", ecolor=colour(arm), elinewidth=0.9, alpha=0.7, **errors)
        axes.scatter(
            rows.latency,
            rows.accuracy,
            s=30,
            marker=MARKERS[arm],
            color=colour(arm),
            zorder=3,
            label=rows.label.iloc[0],
        )
        _mark_headline(axes, rows, arm)
    axes.set_xlabel("Critical-path latency, tokens")
    axes.set_ylabel("Accuracy, %")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.margins(0.06)
    figure.legend(loc="outside upper left", ncols=3, handlelength=1.2)
    _footer(figure, table, "ring: the headline's budget")
    return figure


@drawn
def topologies(table: pd.DataFrame) -> Figure:
    """Shares of the kinds of organizer structure in the corpus and after training."""
    sources = list(dict.fromkeys(table.source))
    figure = Figure(figsize=(WIDTH, 1.3 + 0.42 * len(sources)))
    axes = figure.add_subplot()
    left = np.zeros(len(sources))
    y = np.arange(len(sources))[::-1]
    for kind, name in KINDS.items():
        rows = table[table.kind == kind].set_index("source").reindex(sources)
        share = rows.share.fillna(0).to_numpy()
        axes.barh(y, share, 0.66, left=left, color=KIND_COLOURS[kind], label=name)
        for at, width, start in zip(y, share, left, strict=True):
            if width >= 7:
                tone = "white" if kind == "other" else INK
                axes.text(start + width / 2, at, f"{width:.0f}", ha="center", va="center", fontsize=8, color=tone)
        left += share
    distinct = table.groupby("source").distinct.sum()
    for at, source in zip(y, sources, strict=True):
        axes.text(101.5, at, f"{int(distinct[source])} distinct", va="center", fontsize=8.5)
    axes.set_yticks(y, list(table.drop_duplicates("source").label))
    axes.set_xlim(0, 116)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("Share of organizer traces, %")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=4, handlelength=1.2)
    _footer(figure, table)
    return figure


@drawn
def claims(table: pd.DataFrame) -> Figure:
    """The ledger as a list: claim, the paper's figure, ours, verdict."""
    cells = [[_wrapped(row[key], width) for key, width in _LEDGER] for _, row in table.iterrows()]
    heights = [max(text.count("\n") + 1 for text in row) for row in cells]
    figure = Figure(figsize=(WIDTH + 2.6, 0.75 + 0.155 * sum(heights) + 0.1 * len(heights)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    total = sum(height + 0.65 for height in heights)
    axes.set_xlim(0, 100)
    axes.set_ylim(total + 0.6, -1.4)
    for x, title in zip(_LEDGER_X, ("", "Claim", "Paper", "Ours", "Verdict"), strict=True):
        axes.text(x, -0.6, title, fontsize=8.5, weight="bold", va="center")
    y = 0.0
    for row, height, verdict in zip(cells, heights, table.verdict, strict=True):
        axes.axhline(y, color=GRID, linewidth=0.7)
        _ledger_row(axes, row, y + 0.4, verdict)
        y += height + 0.65
    _footer(figure, table)
    return figure


@drawn
def learning_curves(table: pd.DataFrame) -> Figure:
    """Loss of pretraining and of format fine-tuning over the steps, one line a seed and form."""
    runs = [("pretrain", "Base model: loss"), ("sft", "Format fine-tuning: loss")]
    figure = Figure(figsize=(WIDTH, 2.7))
    panels = figure.subplots(1, 2)
    for axes, (stage, title) in zip(panels, runs, strict=True):
        rows = table[table.stage == stage].assign(form=lambda found: found.form.fillna(""))
        axes.set_title(title)
        axes.set_xlabel("Step")
        if rows.empty:
            axes.text(0.5, 0.5, NOT_RUN, ha="center", va="center", color=MUTED, transform=axes.transAxes)
            continue
        for place, (form, found) in enumerate(rows.groupby("form", sort=True)):
            tone = INK if stage == "pretrain" else ("#0072b2", "#009e73")[place % 2]
            _curve(axes, found, "loss", 1, tone, form or None, smooth=1)
        axes.set_ylim(bottom=0)
        if stage == "sft":
            axes.legend(loc="upper right")
    _footer(figure, table, _spread(table.seed.nunique()))
    return figure


_LEDGER = (("id", 8), ("claim", 38), ("paper", 34), ("ours", 42), ("verdict", 14))
_LEDGER_X = (0, 6.5, 32, 55, 86.5)


def _ledger_row(axes: Axes, cells: Sequence[str], y: float, verdict: str) -> None:
    tone, marker = VERDICT_STYLES[verdict]
    for x, text in zip(_LEDGER_X, cells, strict=True):
        is_verdict = x == _LEDGER_X[-1]
        axes.text(x + 1.8 * is_verdict, y, text, fontsize=7.6, va="top", linespacing=1.25, color=INK)
    axes.plot(_LEDGER_X[-1] + 0.2, y + 0.42, marker, color=tone, markersize=6, clip_on=False)


def _wrapped(text: object, width: int) -> str:
    missing = text is None or (isinstance(text, float) and np.isnan(text))
    return "–" if missing else textwrap.fill(str(text), width)


def _interval(axes: Axes, x: np.ndarray, rows: pd.DataFrame, tone: str) -> None:
    axes.errorbar(x, rows.ours, yerr=_errors(rows, "ours"), fmt="none", ecolor=tone, elinewidth=1.0, capsize=2.5)


def _errors(rows: pd.DataFrame, name: str) -> np.ndarray:
    low, high = ("low", "high") if name == "ours" else (f"{name}_low", f"{name}_high")
    return np.stack([rows[name] - rows[low], rows[high] - rows[name]]).clip(min=0)


def _paper(axes: Axes, x: np.ndarray, values: pd.Series) -> None:
    label = None if any(text == "Paper" for text in axes.get_legend_handles_labels()[1]) else "Paper"
    axes.plot(x, values, "D", color="white", markeredgecolor=PAPER_COLOUR, markersize=5, label=label, zorder=4)


def _mark_headline(axes: Axes, rows: pd.DataFrame, arm: str) -> None:
    point = rows[rows.variant == "headline"]
    axes.scatter(
        point.latency, point.accuracy, s=110, facecolors="none", edgecolors=colour(arm), linewidths=1.2, zorder=3
    )


def _curve(
    axes: Axes,
    rows: pd.DataFrame,
    name: str,
    factor: float,
    tone: str,
    label: str | None,
    *,
    bold: bool = True,
    smooth: int | None = None,
) -> None:
    wide = rows.pivot(index="step", columns="seed", values=name) * factor
    window = max(1, len(wide) // 15) if smooth is None else smooth
    wide = wide.rolling(window, center=True, min_periods=1).mean()
    axes.plot(wide.index, wide.mean(axis=1), color=tone, linewidth=1.8 if bold else 1.1, label=label)
    if wide.shape[1] > 1:
        axes.fill_between(wide.index, wide.min(axis=1), wide.max(axis=1), color=tone, alpha=0.18, linewidth=0)


def _footer(figure: Figure, table: pd.DataFrame, more: str = "") -> None:
    parts = [f"scale {table['scale'].iloc[0]}"]
    if "items" in table:
        parts.append(f"{int(table['items'].iloc[0])} test items")
        parts.append(_counted(len(str(table.seeds.iloc[0]).split()), "seed"))
        parts.append("lines: 95 % intervals")
    figure.supxlabel("; ".join([*parts, *([more] if more else [])]), fontsize=7.5, color=MUTED, x=0.01, ha="left")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _spread(seeds: int) -> str:
    return "band: range over seeds" if seeds > 1 else "one seed, so no spread"


def _short(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "correct_at_least_k": correct_at_least_k,
    "ablations": ablations,
    "training_dynamics": training_dynamics,
    "frontier": frontier,
    "topologies": topologies,
    "claims": claims,
    "learning_curves": learning_curves,
}
