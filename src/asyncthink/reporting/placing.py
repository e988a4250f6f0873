"""Where a label goes in a figure: the nearest place to what it names at which it covers nothing that is drawn.

A figure is drawn from data that nobody has seen, so no place is fixed by hand. Everything here is in pixels of the
figure's own canvas.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

CLEAR = 1.5  # points between a label and what is drawn
HEAD = 3  # points that an arrow's head stands out from its line
REACH = 60  # points that it may lie from what it names
STEP = 2.0  # points between two places that are tried, and between the dots that a line is taken for


def place(axes: Axes, label: Annotation, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Move a label to the best place beside the stretch from begin to end (data), from which it is offset in points.

    The best is the nearest at which it covers nothing and sticks out of the axes nowhere; where there is none, the one
    at which it covers least. The figure must be laid out.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = figure.dpi / 72
    ends = axes.transData.transform([begin, end])
    box, inner = label.get_window_extent(), axes.get_window_extent()
    half = np.array([box.width, box.height]) / 2 + CLEAR * scale
    tried = _centres(ends, half, scale)
    tried = tried[((tried > inner.p0 + half) & (tried < inner.p1 - half)).all(axis=1)]
    if not len(tried):
        return
    stretch = Bbox([ends.min(axis=0) - HEAD * scale, ends.max(axis=0) + HEAD * scale])
    dots = np.concatenate([_within(stretch, scale), *_dots(axes, label, scale)])
    covered = [int((np.abs(dots - centre) < half).all(axis=1).sum()) for centre in tried]
    best = tried[int(np.argmin(covered))]  # of equals the first, which is the nearest
    label.xyann = tuple((best - axes.transData.transform(label.xy)) / scale)


def _centres(ends: np.ndarray, half: np.ndarray, scale: float) -> np.ndarray:
    """Places around a stretch, (places, 2), the nearest first; above before below, and the middle before the ends."""
    length = np.abs(ends[1] - ends[0])
    across, up = length / 2 + half + REACH * scale
    xs, ys = (np.arange(-most, most, STEP * scale) for most in (across, up))
    away = np.array([(x, y) for y in ys for x in xs])
    gap = np.hypot(*np.clip(np.abs(away) - length / 2 - half, 0, None).T)
    order = np.lexsort((np.abs(away[:, 0]), -away[:, 1], gap.round(3)))
    return np.asarray(ends.mean(axis=0) + away[order])


def _dots(axes: Axes, label: Annotation, scale: float) -> Iterator[np.ndarray]:
    """All that is drawn in the axes, grid and label aside, as dots so near that no letter fits between them."""
    for line in axes.lines:
        yield from _of_line(line, scale)
    for bars in axes.collections:
        for path in bars.get_paths():
            yield _along(bars.get_transform().transform(path.vertices), scale)
    for text in axes.texts:
        if text is not label and text.get_text():
            yield _within(text.get_window_extent(), scale)


def _of_line(line: Line2D, scale: float) -> Iterator[np.ndarray]:
    """A line and its markers; nothing of one that is not seen."""
    if line.get_alpha() == 0:
        return
    points = line.get_transform().transform(line.get_xydata())
    if line.get_linestyle() not in ("None", "none", ""):
        yield _along(points, scale)
    if line.get_marker() not in ("None", "none", "", None):
        size = (line.get_markersize() + line.get_markeredgewidth()) * scale
        for x, y in points:
            yield _within(Bbox.from_bounds(x - size / 2, y - size / 2, size, size), scale)


def _along(points: np.ndarray, scale: float) -> np.ndarray:
    parts = [points[:1]]
    for one, other in pairwise(points):
        count = max(2, int(np.hypot(*(other - one)) / (STEP * scale)) + 2)
        parts.append(np.linspace(one, other, count))
    return np.concatenate(parts)


def _within(box: Bbox, scale: float) -> np.ndarray:
    xs, ys = (
        np.linspace(low, high, max(2, int((high - low) / (STEP * scale)) + 2))
        for low, high in ((box.x0, box.x1), (box.y0, box.y1))
    )
    return np.array([[x, y] for x in xs for y in ys])
