"""One function a figure: a table in, a matplotlib figure out. Intervals are always drawn.

Without rows a figure says "not run at this scale" in its place. Where the paper has a value it stands beside ours; the
paper's task, model and c are others, so it is there for the shape and not for the height.
"""

from collections.abc import Callable, Sequence
from functools import wraps

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from asyncthink.evaluation.verdicts import NOT_REPRODUCED, NOT_RUN, OF_ONE_RUN, PARTLY, REPRODUCED, UNTESTABLE
from asyncthink.reporting import case_figure, frontier_figure, marks, style
from asyncthink.reporting.marks import INTERVALS, LEAST
from asyncthink.reporting.source import WAYS
from asyncthink.reporting.style import GRID, INK, LINES, LOOKS, MARKERS, MEASURES, MUTED, ON_COLOUR, colour

WIDTH = 4.2  # inches: letters of 8 points are read on a phone, which is as wide as the whole figure
ABREAST = 2  # panels side by side
SMOOTH = 15  # a curve over steps is smoothed over one part of so many
ORGANIZERS = ("asyncthink", "asyncthink_priced", "no_rl")
TIMED = ("fixed_plan", "sequential")  # beside them
RL_ARMS = ("asyncthink", "no_concurrency_reward", "no_cold_start", "asyncthink_priced")
PANELS = {
    "accuracy": ("Accuracy, %", 100),
    "concurrency_ratio": ("η/c, %", 100),
    "forks": ("Forks a query", 1),
    "latency": ("Latency, tokens", 1),
    "work": ("Work, tokens", 1),
    "repeated_share": ("Repeated branches, %", 100),
}
LOSSES = {"pretrain": "Base model, loss", "sft": "Fine-tuning, loss"}
KINDS = {"none": "no fork", "interleaved": "interleaved, FJFJ", "batch": "batch, FFJJ", "other": "other"}
KIND_COLOURS = {"none": "#d0d7de", "interleaved": "#c3b5e0", "batch": "#8f7cc0", "other": "#4f3d8a"}  # of no arm
TONES = (("#009e73", "o"), ("#e69f00", "D"), ("#d55e00", "X"))
VERDICTS = {
    **dict(zip((REPRODUCED, PARTLY, NOT_REPRODUCED), TONES, strict=True)),
    **dict(zip(OF_ONE_RUN.values(), TONES, strict=True)),
    UNTESTABLE: ("#8c959f", "s"),
    NOT_RUN: ("#8c959f", "_"),
}
# Of the ledger: column, where it begins (0 to 100), characters a line.
LEDGER = (("id", 0, 8), ("claim", 6.5, 36), ("paper", 31, 34), ("ours", 55, 46), ("verdict", 88, 14))
Draw = Callable[[pd.DataFrame], Figure]


def drawn(function: Draw) -> Draw:
    """A figure in our style, or the note that there is nothing to draw."""

    @wraps(function)
    def draw(table: pd.DataFrame) -> Figure:
        with style.styled():
            figure = function(table) if style.has_data(table) else empty(table)
            return marks.laid_out(figure)

    return draw


def empty(table: pd.DataFrame) -> Figure:
    """What stands in the place of a figure without data."""
    figure = Figure(figsize=(WIDTH, 1.6))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, NOT_RUN, ha="center", va="center", fontsize=12, color=MUTED, transform=axes.transAxes)
    if not table.empty:
        marks.footer(figure, table)
    return figure


@drawn
def correct_at_least_k(table: pd.DataFrame) -> Figure:
    """Bars of the share of items with at least k correct, by way of thinking (the paper's figure 5)."""
    figure = Figure(figsize=(WIDTH, 3.3))
    axes = figure.add_subplot()
    arms = [arm for arm in WAYS if arm in set(table.arm)]
    ks = sorted(table.k.unique())
    width = 0.8 / len(arms)
    for position, arm in enumerate(arms):
        rows = table[table.arm == arm].sort_values("k")
        x = np.arange(len(ks)) + (position - (len(arms) - 1) / 2) * width
        bars = axes.bar(x, rows.ours, width * 0.9, label=rows.label.iloc[0], **LOOKS[arm])
        for bar, (_, row) in zip(bars, rows.iterrows(), strict=True):
            bar.set_gid(marks.told(f"{row.label}, {row.k} or more correct: {marks.value(row, ' %')}"))
        marks.interval(axes, x, rows, INK)
        at_foot: style.Look = {"textcoords": "offset points", "ha": "center", "path_effects": marks.HALO}
        for at, value in zip(x, rows.ours, strict=True):
            axes.annotate(f"{value:.0f}", (at, 0), (0, 3), fontsize=8, **at_foot)
        marks.paper(axes, x + 0.45 * width, rows.paper)
    axes.set_xticks(range(len(ks)), [f"≥ {k}" if k < ks[-1] else f"≥ {k} (all)" for k in ks])
    axes.set_ylim(0, 109)
    axes.set_ylabel("Items, %")
    axes.set_xlabel("Correct solutions")
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside upper left", ncols=2, handlelength=1.6, columnspacing=1.4)
    marks.footer(figure, table, INTERVALS, "the paper asks for four solutions")
    return figure


@drawn
def compared(table: pd.DataFrame) -> Figure:
    """Ways of thinking or ablations beside each other (the paper's tables 2, 3 and 4), the paper's values as text.

    One row a label, one panel a measure that was run; the grey line is the first row's value.
    """
    run = table.dropna(subset="ours")
    measures, labels = [name for name in MEASURES if name in set(run.measure)], list(dict.fromkeys(table.label))
    lines = -(-len(measures) // ABREAST)
    figure = Figure(figsize=(WIDTH, lines * (0.8 + 0.55 * len(labels))))
    panels = figure.subplots(lines, min(len(measures), ABREAST), sharey=True, squeeze=False)
    for axes in panels.ravel()[len(measures) :]:
        axes.set_axis_off()
    y = np.arange(len(labels))[::-1]
    for axes, measure in zip(panels.ravel(), measures, strict=False):
        rows = table[table.measure == measure].set_index("label").reindex(labels)
        axes.axvline(rows.ours.iloc[0], color=GRID, linewidth=1.2, zorder=0)
        most = max(rows[["ours", "high"]].max().max(), LEAST)
        for at, (_, row) in zip(y, rows.iterrows(), strict=True):
            _beside_paper(axes, at, row, 0.05 * most)
        axes.set_title(MEASURES[measure])
        axes.set_xlim(-0.08 * most, 1.2 * most)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.spines.left.set_visible(False)
    panels[0, 0].set_yticks(y, labels)
    panels[0, 0].set_ylim(-0.7, len(labels) - 0.4)
    marks.footer(figure, run, INTERVALS, "in brackets: the paper")
    return figure


def _beside_paper(axes: Axes, y: float, row: pd.Series, left: float) -> None:
    """A value with its interval and the paper's below it; `left` is where the note stands that it was not run."""
    paper = f"({marks.number(row.paper)})" if np.isfinite(row.paper) else ""
    beside: style.Look = {"textcoords": "offset points", "annotation_clip": False, "path_effects": marks.HALO}
    if not np.isfinite(row.ours):
        note = f"not run {paper}" if paper else "–"
        axes.annotate(note, (left, y), (0, 0), fontsize=8, color=MUTED, va="center", **beside)
        return
    tone = colour(row.arm)
    axes.plot([row.low, row.high], [y, y], color=tone, linewidth=2.2, solid_capstyle="butt")
    says = marks.told(f"{row.name}, {MEASURES[row.measure]}: {marks.value(row)}")
    axes.plot(row.ours, y, "o", color=tone, markersize=6, gid=says)
    axes.annotate(marks.number(row.ours), (row.ours, y), (0, 6), fontsize=8, ha="center", **beside)
    axes.annotate(paper, (row.ours, y), (0, -13), fontsize=8, color=MUTED, ha="center", **beside)


@drawn
def training_dynamics(table: pd.DataFrame) -> Figure:
    """Panels over the RL steps, the first four of the paper's figure 6; the band is the spread over seeds."""
    figure = Figure(figsize=(WIDTH, 6.4))
    panels = figure.subplots(3, 2, sharex=True).ravel()
    arms = [arm for arm in RL_ARMS if arm in set(table.arm)] or list(dict.fromkeys(table.arm))[:1]
    window = max(1, table.step.nunique() // SMOOTH)
    for axes, (name, (title, factor)) in zip(panels, PANELS.items(), strict=True):
        axes.set_title(title)
        for arm in arms:
            rows = table[table.arm == arm]
            named = rows.label.iloc[0] if axes is panels[0] else None
            look: style.Look = {"color": colour(arm), "linestyle": LINES.get(arm, "-")}
            look["linewidth"] = 1.9 if arm == arms[0] else 1.3
            marks.curve(axes, rows, name, factor, window, label=named, **look)
        if name == "concurrency_ratio":
            _concurrency_marks(axes, table[table.arm == arms[0]])
        marks.from_zero(axes, 1 if name == "forks" else LEAST)
    for axes in panels[-2:]:
        marks.steps(axes, "RL step")
    figure.legend(loc="outside upper left", ncols=2, handlelength=2.2)
    seeds = table[table.arm == arms[0]].seed.nunique()
    smooth = f"mean of {window} steps" if window > 1 else ""
    marks.footer(figure, table, marks.seeds(seeds), smooth, marks.spread(seeds))
    return figure


def _concurrency_marks(axes: Axes, rows: pd.DataFrame) -> None:
    """η/c of an organizer that never forks, and the one from which on the reward is full."""
    for name, column in (("1/c", "alone"), ("τ", "target")):
        for share in rows[column].dropna().head(1):
            axes.axhline(100 * share, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
            below: style.Look = {"textcoords": "offset points", "va": "top", "fontsize": 7.5, "color": MUTED}
            below |= {"path_effects": marks.HALO}
            axes.annotate(name, (1, 100 * share), (0, -2), **below)


@drawn
def frontier(table: pd.DataFrame) -> Figure:
    """Accuracy over critical-path latency, one point a budget, joined along the frontier (the paper's figure 7)."""
    return frontier_figure.draw(table, WIDTH)


@drawn
def organization(table: pd.DataFrame) -> Figure:
    """What was learned: where the branches that are handed out hold hits, and how long an item takes that has many."""
    figure = Figure(figsize=(WIDTH, 3.4))
    order, time = figure.subplots(1, 2)
    learned = [arm for arm in ORGANIZERS if arm in set(table.arm)]
    for arm in learned:
        rows = table[table.arm == arm]
        hits = rows[rows.measure == "hit"]
        look: style.Look = {"color": colour(arm), "linestyle": LINES.get(arm, "-")}
        order.plot(hits.x, hits.ours, label=rows.label.iloc[0], marker=MARKERS.get(arm, "o"), markersize=4, **look)
        for _, row in hits.iterrows():
            marks.spot(order, row.x, row.ours, f"{row.label}, branch {row.x:.0f}: a hit in {marks.value(row, ' %')}")
    first = table[table.arm == learned[0]] if learned else table
    best = first[first.measure == "predicted"]
    order.plot(best.x, best.ours, color=INK, linestyle=":", label="best order that the numbers tell")
    for chance in first[first.measure == "chance"].ours:
        order.axhline(chance, color=MUTED, linewidth=0.9, label="chance")
    order.set_title("Branches with a hit, %")
    order.set_xlabel("Order handed out")
    for arm in [arm for arm in (*ORGANIZERS, *TIMED) if arm in set(table.arm)]:
        rows = table[(table.arm == arm) & (table.measure == "elapsed")]
        look = {"color": colour(arm), "linestyle": LINES.get(arm, "-")}
        named = None if arm in learned else table[table.arm == arm].label.iloc[0]
        time.plot(rows.x, rows.ours, label=named, marker=MARKERS.get(arm, "o"), markersize=4, **look)
        for _, row in rows.iterrows():
            marks.spot(time, row.x, row.ours, f"{row.label}, {row.x:.0f} solutions: {marks.value(row, ' tokens')}")
    time.set_title("Latency, tokens")
    time.set_xlabel("Solutions of the item")
    for axes in (order, time):
        marks.from_zero(axes, LEAST)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if table.ours[table.measure == "hit"].isna().all():
        _nothing(order)
    figure.legend(loc="outside upper left", ncols=2, handlelength=2.2)
    marks.footer(figure, table)
    return figure


@drawn
def topologies(table: pd.DataFrame) -> Figure:
    """Shares of the kinds of organizer structure, in the corpus and after training."""
    sources, labels = list(dict.fromkeys(table.source)), list(table.drop_duplicates("source").label)
    figure = Figure(figsize=(WIDTH, 1.3 + 0.42 * len(sources)))
    axes = figure.add_subplot()
    left, y = np.zeros(len(sources)), np.arange(len(sources))[::-1]
    for kind, name in KINDS.items():
        share = table[table.kind == kind].set_index("source").share.reindex(sources).fillna(0).to_numpy()
        bars = axes.barh(y, share, 0.66, left=left, color=KIND_COLOURS[kind], label=name)
        for bar, whose, part in zip(bars, labels, share, strict=True):
            bar.set_gid(marks.told(f"{whose}, {name}: {part:.1f} %"))
        for at, width, start in zip(y, share, left, strict=True):
            if width >= 7:
                tone = ON_COLOUR["dark" if kind == "other" else "light"]
                shown = f"{width:.1f}" if 99 <= width < 100 else f"{width:.0f}"
                axes.text(start + width / 2, at, shown, ha="center", va="center", fontsize=8, color=tone)
        left += share
    distinct = table.groupby("source").distinct.sum()
    for at, source in zip(y, sources, strict=True):
        axes.text(101.5, at, f"{int(distinct[source])} distinct", va="center", fontsize=8.5)
    axes.set_yticks(y, labels)
    axes.set_xlim(0, 118)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("Share of organizer traces, %")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper left", ncols=2, handlelength=1.0, columnspacing=1.0)
    marks.footer(figure, table)
    return figure


@drawn
def case_studies(table: pd.DataFrame) -> Figure:
    """Chosen episodes as lanes on the token clock (the paper's figures 8 to 11)."""
    return case_figure.draw(table.dropna(subset="episode"), WIDTH)


@drawn
def claims(table: pd.DataFrame) -> Figure:
    """The ledger as a list: claim, the paper's figure, ours or why there is none, verdict."""
    texts = table.assign(ours=table.ours.where(table.ours.notna(), table.reason))
    cells = [[marks.wrapped(row[key], width) for key, _, width in LEDGER] for _, row in texts.iterrows()]
    heights = [max(text.count("\n") + 1 for text in row) + 0.7 for row in cells]
    figure = Figure(figsize=(9.5, 0.7 + 0.165 * sum(heights)))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(0, 100)
    axes.set_ylim(sum(heights) + 0.2, -1.4)
    for (_, x, _), title in zip(LEDGER, ("", "Claim", "Paper", "Ours, 95 % interval", "Verdict"), strict=True):
        axes.text(x, -0.6, title, fontsize=8.5, weight="bold", va="center")
    y = 0.0
    for row, height, verdict, measured in zip(cells, heights, table.verdict, table.ours.notna(), strict=True):
        axes.axhline(y, color=GRID, linewidth=0.7)
        _ledger_row(axes, row, y + 0.4, verdict, measured)
        y += height
    marks.footer(figure, table)
    return figure


def _ledger_row(axes: Axes, cells: Sequence[str], y: float, verdict: str, measured: bool) -> None:
    tone, marker = VERDICTS[verdict]
    for (key, x, _), text in zip(LEDGER, cells, strict=True):
        ink = MUTED if key == "ours" and not measured else INK
        shift = 1.8 if key == "verdict" else 0
        axes.text(x + shift, y, text, fontsize=7.6, va="top", linespacing=1.25, color=ink)
    axes.plot(LEDGER[-1][1] + 0.2, y + 0.42, marker, color=tone, markersize=6, clip_on=False)


@drawn
def learning_curves(table: pd.DataFrame) -> Figure:
    """Loss of pretraining and of format fine-tuning over the steps, one line a cold start; a scale of ratios."""
    figure = Figure(figsize=(WIDTH, 2.7))
    for axes, (stage, title) in zip(figure.subplots(1, 2), LOSSES.items(), strict=True):
        rows = table[table.stage == stage].fillna({"arm": "", "label": ""})
        axes.set_title(title)
        marks.steps(axes, "Step")
        for arm, runs in rows.groupby(rows.arm.astype(str)):
            look: style.Look = {"color": colour(str(arm)) if arm else INK, "linestyle": LINES.get(str(arm), "-")}
            window = max(1, runs.step.nunique() // SMOOTH)
            marks.curve(axes, runs, "loss", window=window, label=runs.label.iloc[0] or None, **look)
        if rows.empty:
            _nothing(axes)
        else:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
    if table.arm.notna().any():
        figure.legend(loc="outside upper left", ncols=2, handlelength=2.2)
    marks.footer(figure, table, f"smoothed over 1/{SMOOTH} of the steps", marks.spread(table.seed.nunique()))
    return figure


def _nothing(axes: Axes) -> None:
    """A panel without data has no scale either."""
    axes.text(0.5, 0.5, NOT_RUN, ha="center", va="center", color=MUTED, transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])


FIGURES: dict[str, Draw] = {
    "correct_at_least_k": correct_at_least_k,
    "ablations": compared,
    "math": compared,
    "sudoku": compared,
    "training_dynamics": training_dynamics,
    "frontier": frontier,
    "organization": organization,
    "topologies": topologies,
    "case_studies": case_studies,
    "claims": claims,
    "learning_curves": learning_curves,
}
