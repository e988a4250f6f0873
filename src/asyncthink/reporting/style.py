"""How figures look, and how they become files: the same table gives the same bytes.

Colours are Okabe and Ito's, told apart by readers with any kind of colour vision, and every series has a direct label
or a marker of its own, so that a figure reads in grey too. Text is drawn as outlines: no font is looked up later.
"""

from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from asyncthink.files import replacing

INK, MUTED, GRID, PAPER_COLOUR = "#1f2328", "#656d76", "#d8dee4", "#57606a"
COLOURS = {
    "asyncthink": "#0072b2",
    "parallel": "#d55e00",
    "sequential": "#009e73",
    "no_concurrency_reward": "#cc79a7",
    "no_cold_start": "#e69f00",
    "no_rl": "#56b4e9",
    "parallel_medium": "#d55e00",
    "parallel_long": "#d55e00",
    "parallel_longest": "#d55e00",
    "sequential_medium": "#009e73",
    "sequential_long": "#009e73",
    "sequential_longest": "#009e73",
}
OTHER_COLOUR = "#8c959f"
# Bars and lines that are told apart without their colour too.
LOOKS = {
    "asyncthink": {"facecolor": "#0072b2", "edgecolor": "#0072b2"},
    "parallel": {"facecolor": "#d55e00", "edgecolor": "white", "hatch": "////", "linewidth": 0},
    "sequential": {"facecolor": "#8fd3bd", "edgecolor": "#009e73"},
}
LINES = {
    "parallel": "--",
    "sequential": "-.",
    "sequential_medium": ":",
    "sequential_longest": (0, (8, 2)),
    "no_concurrency_reward": "--",
    "no_cold_start": ":",
}
ON_COLOUR = {"light": "#111111", "dark": "#fefefe"}  # text on a light or a dark area, in the dark report too
MARKERS = {"asyncthink": "o", "parallel": "s", "sequential": "^"}
MEASURES = {  # of the tables that compare ways of thinking, in the order of their panels
    "all_correct": "All correct, %",
    "accuracy": "Accuracy, %",
    "concurrency_ratio": "η/c, %",
    "elapsed": "Latency, tokens",
    "aime24_accuracy": "AIME-24, %",
    "aime24_elapsed": "AIME-24, tokens",
    "amc23_accuracy": "AMC-23, %",
    "amc23_concurrency_ratio": "AMC-23, η/c, %",
    "amc23_elapsed": "AMC-23, tokens",
}
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "asyncthink",
    "figure.dpi": 100,
}


@contextmanager
def styled():
    """Draw in this style, whatever the reader's own settings are."""
    with mpl.rc_context({**mpl.rcParamsDefault, **STYLE, "backend": "agg"}):
        yield


def has_data(table: pd.DataFrame) -> bool:
    """Whether there is anything of ours to show: a table may hold the paper's values, or rules, alone."""
    measured = [name for name in ("episode", "ours") if name in table and "verdict" not in table]
    return not table.empty and all(table[name].notna().any() for name in measured)


def colour(arm: str) -> str:
    """An arm's colour, the same in every figure."""
    return COLOURS.get(arm, OTHER_COLOUR)


def save(figure: Figure, path: str | Path) -> None:
    """Write the figure as SVG at `path` and as PNG beside it, without dates."""
    path = Path(path)
    with styled():
        with replacing(path.with_suffix(".svg")) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
        with replacing(path.with_suffix(".png")) as temporary:
            figure.savefig(temporary, format="png", dpi=200, metadata={"Software": None})
