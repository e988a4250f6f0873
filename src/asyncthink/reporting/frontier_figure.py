"""The frontier: accuracy over critical-path latency, and how far AsyncThink lies from parallel thinking."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from asyncthink.evaluation.frontier import latency_at
from asyncthink.reporting import marks, placing, style
from asyncthink.reporting.marks import INTERVALS, LEAST
from asyncthink.reporting.source import FRONTIERS
from asyncthink.reporting.style import INK, LINES, MARKERS, MUTED, colour

Point = tuple[float, float]  # latency, accuracy


def draw(table: pd.DataFrame, width: float) -> Figure:
    """One point a budget, joined along the frontier; width in inches.

    The arrow is the gap: from the latency at which parallel thinking has AsyncThink's accuracy to AsyncThink's own.
    """
    figure = Figure(figsize=(width, 3.9))
    axes = figure.add_subplot()
    for arm in [arm for arm in FRONTIERS if arm in set(table.way)]:
        _way(axes, table[table.way == arm].sort_values("latency"), arm)
    axes.set_xlabel("Critical-path latency, tokens")
    axes.set_ylabel("Accuracy, %")
    marks.from_zero(axes, LEAST)
    axes.set_ylim(top=min(axes.get_ylim()[1], 108))
    _from_the_points(axes, table.latency)
    gap = _gap(axes, table)
    axes.set_title("better ↖", fontsize=8, color=MUTED, weight="normal")
    figure.legend(loc="outside upper left", ncols=2, handlelength=1.2)
    hollow = "hollow: other budgets are better, or a mixture of two"
    marks.footer(figure, table, INTERVALS, "ring: the arm's own settings", hollow)
    if gap:
        marks.laid_out(figure)
        placing.place(axes, *gap)
    return figure


def _from_the_points(axes: Axes, latency: pd.Series) -> None:
    """The scale is that of the points: an interval over two seeds may have no end that is worth drawing."""
    least, most = latency.min(), latency.max()
    room = 0.1 * max(most - least, 0.1 * most)
    axes.set_xlim(0 if least < 0.4 * most else least - room, most + room)


def _way(axes: Axes, rows: pd.DataFrame, arm: str) -> None:
    """One way's points: those that no mixture of others beats are full and joined."""
    best, headline, tone = rows[rows.best], rows[(rows.variant == "headline") & (rows.arm == arm)], colour(arm)
    errors = marks.errors(rows, "accuracy"), marks.errors(rows, "latency")
    axes.errorbar(rows.latency, rows.accuracy, *errors, fmt="none", ecolor=tone, elinewidth=0.9, alpha=0.5)
    beaten: style.Look = {"color": "white", "markeredgecolor": tone, "markersize": 4.5, "zorder": 3}
    axes.plot(rows.latency[~rows.best], rows.accuracy[~rows.best], MARKERS[arm], **beaten)
    look: style.Look = {"color": tone, "marker": MARKERS[arm], "linestyle": LINES.get(arm, "-"), "zorder": 3}
    axes.plot(best.latency, best.accuracy, label=headline.label.iloc[0], **look)
    ring: style.Look = {"markersize": 11, "markerfacecolor": "none", "markeredgecolor": tone}
    axes.plot(headline.latency, headline.accuracy, "o", zorder=3, markeredgewidth=1.2, **ring)
    for _, row in rows.iterrows():
        marks.spot(axes, row.latency, row.accuracy, marks.point(row))


def _gap(axes: Axes, table: pd.DataFrame) -> tuple[Annotation, Point, Point] | None:
    """How much sooner AsyncThink's headline is than parallel thinking's frontier at its accuracy, or how much later.

    The label, which is to be placed, and the two ends of the arrow.
    """
    ours = table[(table.arm == "asyncthink") & (table.variant == "headline")]
    theirs = table[table.way == "parallel"]
    if ours.empty or theirs.empty:
        return None
    point = ours.iloc[0]
    needed = latency_at(point.accuracy, list(theirs.latency), list(theirs.accuracy))
    if not needed > 0:  # a floor: nothing is as accurate sooner or later
        return None
    share, beyond = 100 * (1 - point.latency / needed), bool(theirs.accuracy.max() < point.accuracy)
    begin, end = (needed, point.accuracy), (point.latency, point.accuracy)
    look = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 7}
    axes.annotate("", end, begin, arrowprops=look, zorder=4)
    said = f"{share:.0f} % sooner{' or more' * beyond}" if share > 0 else f"{-share:.0f} % later{' at most' * beyond}"
    bold: style.Look = {"ha": "center", "va": "center", "fontsize": 8, "weight": "bold", "zorder": 4}
    bold |= {"textcoords": "offset points", "path_effects": marks.HALO, "in_layout": False}
    return axes.annotate(said, end, (0, 0), **bold), begin, end
