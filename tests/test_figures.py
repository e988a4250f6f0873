"""Every text of every figure can be read: of the reference, of an experiment of two seeds, of one, and of nothing."""

from itertools import combinations, pairwise
from pathlib import Path

import drawn_experiment
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from asyncthink.cli.report import of_reference
from asyncthink.reporting import plots, report

REFERENCE = Path(__file__).parents[1] / "metrics/reference/nano"
KINDS = ["reference", *drawn_experiment.SCALES]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """All that a report shows, by kind. It is made before a browser is there, which keeps an event loop open."""
    made = {kind: drawn_experiment.results(kind, tmp_path_factory.mktemp("run")) for kind in drawn_experiment.SCALES}
    return made | {"reference": of_reference(REFERENCE)}


def texts_of(figure: Figure) -> list[Text]:
    """Texts that are drawn: of a tick that lies beyond its axis there is none."""
    unseen: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if not (axes.axison and low <= tick.get_loc() <= high)]
            unseen |= {label for tick in ticks for label in (tick.label1, tick.label2)}
            unseen |= set() if axes.axison else {axis.label}
    texts = figure.findobj(Text)
    return [text for text in texts if text.get_visible() and text.get_text().strip() and text not in unseen]


def lines_of(figure: Figure):
    """(artist, dots on the canvas a pixel apart) of every line that is seen: bars hide the grid below them."""
    for axes in figure.axes:
        inner = axes.get_window_extent().padded(0.5)
        grid = {line: axis.zorder for axis in (axes.xaxis, axes.yaxis) for line in axis.get_gridlines()}
        drawn = [(line, [line.get_xydata()]) for line in axes.findobj(Line2D) if line.get_visible()]
        drawn += [(bars, bars.get_segments()) for bars in axes.collections if isinstance(bars, LineCollection)]
        for artist, paths in drawn:
            if artist.get_alpha() == 0 or artist.get_linestyle() in ("None", "none", ""):
                continue
            height = grid.get(artist, artist.zorder)
            above = [bar.get_window_extent() for bar in axes.patches if bar.zorder > height]
            for ends in (ends for path in paths for ends in pairwise(artist.get_transform().transform(path))):
                dots = np.linspace(*ends, int(np.hypot(*(ends[1] - ends[0]))) + 2) if np.isfinite(ends).all() else []
                yield (
                    artist,
                    [dot for dot in dots if inner.contains(*dot) and not any(bar.contains(*dot) for bar in above)],
                )


def meets(one: Bbox, other: Bbox) -> bool:
    """More than half a pixel in common."""
    return bool((np.minimum(one.p1, other.p1) - np.maximum(one.p0, other.p0) > 0.5).all())


def unreadable(figure: Figure) -> list[str]:
    """Texts that stick out of the canvas, lie on another text or, without a halo, are struck by a line."""
    figure.draw_without_rendering()
    boxes = [(text, text.get_window_extent()) for text in texts_of(figure)]
    canvas = figure.bbox.padded(0.5)
    faults = [f"{text.get_text()}: cut" for text, box in boxes if not all(map(canvas.contains, *box.get_points().T))]
    for (text, box), (other, theirs) in combinations(boxes, 2):
        if meets(box, theirs):
            faults.append(f"{text.get_text()}: on {other.get_text()}")
    bare = [(text, box.padded(-0.5)) for text, box in boxes if not text.get_path_effects()]
    for artist, dots in lines_of(figure):
        struck = [text.get_text() for text, box in bare if any(box.contains(*dot) for dot in dots)]
        faults += [f"{said}: struck by {artist}" for said in struck]
    return faults


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", plots.FIGURES)
def test_no_text_is_cut_lies_on_another_or_is_struck_by_a_line(shown, kind, name):
    figure = plots.FIGURES[name](shown[kind].tables[name])
    assert texts_of(figure)
    assert unreadable(figure) == []


# WCAG's contrast ratio of every text of a figure, whose letters are outlines, against its halo, the bar that it lies on
# or the card; below 4.5 it is weak.
WEAK = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  };
  const card = getComputedStyle(document.documentElement).getPropertyValue("--card");
  return [...document.querySelectorAll("figure svg")].flatMap((picture) => {
    const bars = [...picture.querySelectorAll("g[id*='-patch_'] > path, g[role=img] > path")]
      .map((bar) => ({ bar, fill: getComputedStyle(bar).fill, box: bar.getBoundingClientRect() }))
      .filter(({ fill, bar }) => fill !== "none" && !bar.closest("g[id*='-legend_']"));
    return [...picture.querySelectorAll("g[id*='-text_']")].map((text) => {
      const { left, right, top, bottom } = text.getBoundingClientRect();
      const under = bars.filter(({ box }) =>
        box.left <= left && box.right >= right && box.top <= top && box.bottom >= bottom);
      const strokes = [...text.querySelectorAll("*")].map((node) => getComputedStyle(node).stroke);
      const halo = strokes.find((colour) => colour !== "none");
      const letters = getComputedStyle([...text.querySelectorAll("use, path")].pop()).fill;
      const ground = halo ?? under.pop()?.fill ?? card;
      const [a, b] = [light(letters), light(ground)].sort((x, y) => y - x);
      const words = document.createNodeIterator(text, NodeFilter.SHOW_COMMENT).nextNode()?.data;
      return { words, letters, ground, ratio: (a + 0.05) / (b + 0.05) };
    });
  });
}"""


@pytest.fixture(scope="module")
def pages(shown, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    for kind, results in shown.items():
        (folder / f"{kind}.html").write_text(report.html(results, {}, []), encoding="utf-8")
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["reference", "two seeds"])
def test_every_text_stands_out_from_its_ground_in_light_and_dark(pages, browser, kind, scheme):
    page = browser.new_page(color_scheme=scheme)
    page.goto((pages / f"{kind}.html").as_uri())
    texts = page.evaluate(WEAK)
    assert len(texts) > 200
    assert [text for text in texts if text["ratio"] < 4.5] == []
    page.close()
