"""What several figures draw: intervals, the paper's values, curves over steps with their spread, the line below."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from asyncthink.reporting import exhibits, style
from asyncthink.reporting.style import MUTED, PAPER_COLOUR, Look

LEAST = 10  # what a scale of percent or tokens reaches at least
INTERVALS = "lines: 95 % intervals"
LETTERS = 15  # of the footer, an inch
HALO = [withStroke(linewidth=2.5, foreground="white")]  # no line strikes a number


def laid_out(figure: Figure) -> Figure:
    """The figure with all parts in their places, where they stay however often it is saved."""
    figure.set_layout_engine("constrained")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def errors(rows: pd.DataFrame, name: str = "") -> np.ndarray:
    """Lengths below and above the value, (2, rows); columns ours, low, high, or NAME, NAME_low, NAME_high."""
    value, low, high = (name, f"{name}_low", f"{name}_high") if name else ("ours", "low", "high")
    lengths = np.array([rows[value] - rows[low], rows[high] - rows[value]])
    # One item and one seed have a value without an interval.
    return np.asarray(np.clip(np.nan_to_num(lengths), 0, None))


def interval(axes: Axes, x: np.ndarray, rows: pd.DataFrame, colour: str) -> None:
    """A vertical 95 % interval on each bar."""
    axes.errorbar(x, rows.ours, yerr=errors(rows), fmt="none", ecolor=colour, elinewidth=1.0, capsize=2.5)


def paper(axes: Axes, x: np.ndarray, values: pd.Series) -> None:
    """The paper's values as hollow diamonds."""
    label = None if "Paper" in axes.get_legend_handles_labels()[1] else "Paper"
    look: Look = {"color": "white", "markeredgecolor": PAPER_COLOUR, "markersize": 4.5, "zorder": 4, "label": label}
    axes.plot(x, values, "D", **look)


def told(text: str) -> str:
    """The gid of an artist that says `text` to who points at it."""
    return style.TOLD + text.replace('"', "'").replace("− ", "without ")


def value(row: pd.Series, unit: str = "", name: str = "ours") -> str:
    """`70.6 % [67.8, 73.3]`, with the paper's own where there is one; columns as in `errors`."""
    paper = f"; the paper: {row.paper:.1f}{unit}" if pd.notna(row.get("paper")) else ""
    return f"{row[name]:.1f}{unit}{exhibits.interval(row, name)}{paper}"


def point(row: pd.Series) -> str:
    """A point of the frontier: its way, its plan where one leads, its budget, accuracy and latency."""
    kinds = {"organizer_budget": "budget", "worker_budget": "of a worker"}
    budgets = [f"{said} {row[name]:.0f}" for name, said in kinds.items() if pd.notna(row.get(name))]
    named = ", ".join([exhibits.named(row), *budgets])
    accuracy, latency = value(row, " %", "accuracy"), value(row, " tokens", "latency")
    return f"{named}: accuracy {accuracy}, latency {latency}"


def spot(axes: Axes, x: float, y: float, text: str) -> None:
    """An unseen mark on a point, large enough for a finger, that says what the point is."""
    axes.plot(x, y, "o", markersize=11, alpha=0, gid=told(text), zorder=5)


def curve(axes: Axes, rows: pd.DataFrame, name: str, factor: float = 1, window: int = 1, **look: Any) -> None:
    """The mean over seeds at each step, and a band from the lowest to the highest seed."""
    wide = rows.pivot(index="step", columns="seed", values=name) * factor
    wide = wide.rolling(window, center=True, min_periods=1).mean()
    mean, whose = wide.mean(axis=1), ": ".join(filter(None, (rows.label.iloc[0], axes.get_title("left"))))
    (line,) = axes.plot(wide.index, mean, **look)
    if mean.notna().any():
        line.set_gid(told(f"{whose} {mean.dropna().iloc[0]:.2f} to {mean.dropna().iloc[-1]:.2f}"))
    if wide.shape[1] > 1:
        band = (wide.min(axis=1), wide.max(axis=1))
        axes.fill_between(wide.index, *band, color=line.get_color(), alpha=0.18, linewidth=0)


def from_zero(axes: Axes, least: float) -> None:
    """Start the scale at zero, a little below so that what lies on zero is seen, and reach `least` at least."""
    top = max(axes.get_ylim()[1], least)
    axes.set_ylim(-0.03 * top, top)


def steps(axes: Axes, label: str) -> None:
    """Name the axis of training steps, which are whole."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def footer(figure: Figure, table: pd.DataFrame, *more: str) -> None:
    """Below every figure: its scale, on how much it rests, what its lines mean."""
    parts = [f"scale {table['scale'].iloc[0]}"]
    if "items" in table and table["items"].notna().any():
        parts += [f"{int(table['items'].iloc[0])} test items", seeds(len(str(table.seeds.iloc[0]).split()))]
    unbroken = [part.replace(" ", "\u00a0") for part in (*parts, *filter(None, more))]
    whole: Look = {"break_on_hyphens": False, "break_long_words": False}
    text = textwrap.fill("; ".join(unbroken), round(LETTERS * figure.get_figwidth()), **whole).replace("\u00a0", " ")
    figure.supxlabel(text, fontsize=8, color=MUTED, x=0.01, ha="left")


def seeds(number: int) -> str:
    """`1 seed`, `3 seeds`."""
    return "1 seed" if number == 1 else f"{number} seeds"


def spread(number: int) -> str:
    """What the bands mean."""
    return "band: range over seeds" if number > 1 else "one seed, so no band"


def number(value: float) -> str:
    """Short, for a label."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def wrapped(text: object, width: int) -> str:
    """Text broken into lines; a number stays with its percent sign."""
    if text is None or (isinstance(text, float) and np.isnan(text)):
        return "–"
    return textwrap.fill(str(text).replace(" %", "\u00a0%"), width, break_long_words=False)
