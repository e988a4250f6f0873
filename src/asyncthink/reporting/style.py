"""How figures look, and how they become files: the same table gives the same bytes.

Colours are Okabe and Ito's, told apart by readers with any kind of colour vision, and every series has a direct label
or a marker of its own, so that a figure reads in grey too. Text is drawn as outlines: no font is looked up later.
"""

import re
from contextlib import AbstractContextManager
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from asyncthink.files import replacing, write_text

Look = dict[str, Any]  # keywords of an artist of matplotlib
Line = str | tuple[int, tuple[int, int]]  # its line style

INK, MUTED, GRID, PAPER_COLOUR = "#1f2328", "#656d76", "#d8dee4", "#57606a"
COLOURS = {
    "asyncthink": "#0072b2",
    "asyncthink_priced": "#004b76",
    "fixed_plan": "#8c6d1f",
    "parallel": "#d55e00",
    "sequential": "#009e73",
    "no_concurrency_reward": "#cc79a7",
    "no_cold_start": "#e69f00",
    "no_rl": "#56b4e9",
}
OTHER_COLOUR = "#8c959f"
LONGER = re.compile("_(medium|long|longest)$")
# Bars and lines that are told apart without their colour too.
LOOKS: dict[str, Look] = {
    "asyncthink": {"facecolor": "#0072b2", "edgecolor": "#0072b2"},
    "parallel": {"facecolor": "#d55e00", "edgecolor": "white", "hatch": "////", "linewidth": 0},
    "sequential": {"facecolor": "#8fd3bd", "edgecolor": "#009e73"},
}
LINES: dict[str, Line] = {
    "parallel": "--",
    "sequential": "-.",
    "sequential_long": ":",
    "fixed_plan": (0, (8, 2)),
    "asyncthink_priced": (0, (4, 1)),
    "no_concurrency_reward": "--",
    "no_cold_start": ":",
    "no_rl": (0, (1, 1)),
}
ON_COLOUR = {"light": "#111111", "dark": "#fefefe"}  # text on a light or a dark area, in the dark report too
MARKERS = {
    "asyncthink": "o",
    "asyncthink_priced": "v",
    "fixed_plan": "D",
    "parallel": "s",
    "sequential": "^",
    "no_rl": "X",
}
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
TOLD = "told: "  # before the gid of an artist: what it says to who points at it, and to a screen reader
STYLE = Path(__file__).with_name("figures.mplstyle")


def styled() -> AbstractContextManager[None]:
    """Draw in this style, whatever the reader's own settings are."""
    return mpl.rc_context({"backend": "agg"}, STYLE)


def has_data(table: pd.DataFrame) -> bool:
    """Whether there is anything of ours to show: a table may hold the paper's values, or rules, alone."""
    measured = [name for name in ("episode", "ours") if name in table and "verdict" not in table]
    return not table.empty and all(table[name].notna().any() for name in measured)


def colour(arm: str) -> str:
    """An arm's colour, the same in every figure, and of a baseline the same at every budget in training."""
    return COLOURS.get(LONGER.sub("", arm), OTHER_COLOUR)


def svg(figure: Figure) -> str:
    """The figure as the text of an SVG, without a date; what its artists say becomes their titles."""
    text = StringIO()
    with styled():
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return re.sub(rf'<g id="{TOLD}([^"]*)">', r'<g role="img"><title>\1</title>', text.getvalue())


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as SVG at `path` and as PNG beside it, without dates; the path of the PNG."""
    path = Path(path)
    with styled():
        write_text(path.with_suffix(".svg"), svg(figure))
        with replacing(path.with_suffix(".png")) as temporary:
            figure.savefig(temporary, format="png", dpi=200, metadata={"Software": None})
    return path.with_suffix(".png")
