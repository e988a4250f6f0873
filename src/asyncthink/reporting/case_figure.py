"""The figure of the case studies: each chosen episode as lanes on the token clock."""

import re

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from asyncthink.reporting import marks
from asyncthink.reporting.case_table import slots
from asyncthink.reporting.style import INK, MUTED, ON_COLOUR, Look

THICK = 0.52  # of a lane
LOOKS: dict[str, Look] = {
    "think": {"facecolor": "#a9c7e8"},
    "fork": {"facecolor": "#2a5f9e"},
    "join": {"facecolor": "#2a5f9e"},
    "answer": {"facecolor": "#2a5f9e"},
    "wait": {"facecolor": "white", "edgecolor": MUTED, "linestyle": (0, (3, 3)), "linewidth": 0.8},
    "work": {"facecolor": "#9fd6c2"},
}
CRITICAL, READY = "#b9470b", "#0f8f6e"
KEY = {
    "organizer decodes": Patch(**LOOKS["think"]),
    "its fork, join, answer": Patch(**LOOKS["fork"]),
    "it waits": Patch(**LOOKS["wait"]),
    "worker decodes": Patch(**LOOKS["work"]),
    "result ready": Line2D([], [], color=READY, linewidth=1.6, linestyle=":"),
    "critical path": Line2D([], [], color=CRITICAL, linewidth=2.5),
}
LETTER = 0.015  # of a panel's width
ASKED = 60  # letters that stand below a title


def draw(table: pd.DataFrame, width: float) -> Figure:
    """One panel a case, as high as it has lanes: the organizer's and one a slot of the pool."""
    cases = [_laned(rows) for _, rows in table.groupby(["test_set", "case"], sort=False)]
    heights = [rows.lane.nunique() + 1.5 for rows in cases]
    figure = Figure(figsize=(width, 0.6 + 0.36 * sum(heights)))
    panels = figure.subplots(len(cases), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    several = table.test_set.nunique() > 1
    for axes, rows in zip(panels, cases, strict=True):
        _panel(axes, rows, f"{rows.test_set.iloc[0].replace('_', ' ')}: " if several else "")
    panels[-1].set_xlabel("Token clock, decoding steps")
    spacing: Look = {"columnspacing": 1.0, "handlelength": 1.4, "fontsize": 7.2}
    figure.legend(list(KEY.values()), list(KEY), loc="outside upper left", ncols=3, **spacing)
    marks.footer(figure, table)
    return figure


def _laned(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(lane=rows.agent.map(slots(rows)))


def _panel(axes: Axes, rows: pd.DataFrame, whose: str) -> None:
    lanes = sorted(rows.lane.unique(), key=lambda name: (name != "organizer", len(name), name))
    end = int(rows[rows.agent == "organizer"].end.max())
    first = rows.iloc[0]
    axes.set_title(f"{whose}{first.case[0].lower()}{first.case[1:]}", pad=15, fontsize=8.5)
    question = f"T = {end:,}: {re.sub(' in [0-9]+ different ways.*', '', str(first.question))}"
    shown = question if len(question) <= ASKED else f"{question[: ASKED - 1]}…"
    below: Look = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 7.5, "color": MUTED}
    axes.annotate(shown, (0, 1), (0, 4), **below)
    for _, row in rows.iterrows():
        _stretch(axes, lanes.index(row.lane), row, rows.end.max())
    _arrows(axes, rows, lanes)
    axes.axvline(end, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(lanes)), lanes)
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_xlim(0, 1.02 * rows.end.max())
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def _stretch(axes: Axes, lane: int, row: pd.Series, span: int) -> None:
    look: Look = {"edgecolor": "white", "linewidth": 0.4, **LOOKS[row.kind]}
    path = ", on the critical path" if row.critical else ""
    says = marks.told(f"{row.agent}, {row.kind}: steps {row.start + 1:.0f} to {row.end:.0f}{path}")
    axes.barh(lane, row.end - row.start, THICK, left=row.start, gid=says, **look)
    if row.critical and row.kind != "wait":
        axes.plot([row.start, row.end], [lane + 0.36] * 2, color=CRITICAL, linewidth=2.2, solid_capstyle="butt")
    number = row.agent.removeprefix("worker ")
    labels = {"work": [f"{number} returns {row.text}", number], "wait": ["waits"]}.get(row.kind, [])
    label = next((each for each in labels if len(each) * LETTER * span <= row.end - row.start), None)
    if label:
        tone = INK if row.kind == "wait" else ON_COLOUR["light"]
        axes.text((row.start + row.end) / 2, lane, label, ha="center", va="center_baseline", fontsize=7, color=tone)


def _arrows(axes: Axes, rows: pd.DataFrame, lanes: list[str]) -> None:
    """Down where a worker starts; up where its result comes in, at its Join or when it is done."""
    joins = rows[rows.kind == "join"].set_index("text").end
    for _, work in rows[rows.kind == "work"].iterrows():
        lane = lanes.index(work.lane)
        _arrow(axes, work.start, THICK / 2, lane - THICK / 2)
        joined = joins.get(f"joins {work.agent}")
        if joined is not None:
            axes.plot([work.end, max(joined, work.end)], [lane, lane], ":", color=READY, linewidth=1.6)
            _arrow(axes, max(joined, work.end), lane - THICK / 2, THICK / 2)


def _arrow(axes: Axes, x: float, tail: float, head: float) -> None:
    look = {"arrowstyle": "-|>", "color": MUTED, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6}
    axes.annotate("", (x, head), (x, tail), arrowprops=look, zorder=3)
