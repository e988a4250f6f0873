"""A timeline as a standalone SVG card, for a README or a paper; it follows the reader's light or dark system."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from asyncthink.reporting.timeline import Scene

STYLE = Path(__file__).parent / "page/timeline.css"

GUTTER, MARGIN, LETTER, ASIDE = 74, 16, 6.2, 5  # as in page/timeline.js
PADDING = 16
KEY = {  # the class of what is painted, and what it says
    "think": "organizer decodes",
    "fork": "its fork, join, answer",
    "wait": "organizer waits",
    "work": "worker decodes",
    "critical": "critical path",
}
SWATCH, KEY_HEIGHT = 18, 20
WIDTH, LARGER = 420, 1.5  # narrow, so that its letters are read on a phone, and shown larger where there is room


def svg(scene: Scene, title: str, description: str) -> str:
    """One scene. It loads nothing, and every text in it is escaped."""
    brush = Brush((WIDTH - 2 * PADDING - GUTTER - MARGIN) / max(scene["span"], 1))
    paint: dict[str, Callable[..., str]] = {
        "bar": brush.bar,
        "line": brush.line,
        "path": brush.path,
        "arrow": brush.arrow,
    }
    paint |= {"name": brush.name, "text": brush.text}
    body = "\n".join(filter(None, (paint[kind](*rest) for kind, *rest in scene["marks"])))
    key, below = _key(scene["height"])
    height = below + 2 * PADDING
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img" aria-labelledby="title description" '
        f'viewBox="0 0 {WIDTH} {height}" width="{LARGER * WIDTH:.0f}" height="{LARGER * height:.0f}" '
        f'font-family="system-ui, sans-serif">\n'
        f'<title id="title">{escape(_printable(title))}</title>\n<desc id="description">{escape(description)}</desc>\n'
        f"<style>\n{_rules(0)}\n@media (prefers-color-scheme: dark) {{\n{_rules(1)}\n}}\n</style>\n"
        f'<rect class="card" width="{WIDTH}" height="{height}" rx="8"/>\n'
        f'<g transform="translate({PADDING} {PADDING})">\n{body}\n{key}\n</g>\n</svg>\n'
    )


def _key(y: int) -> tuple[str, int]:
    """Lines that say what the colours mean, and where they end."""
    x, y, painted = 0.0, y + KEY_HEIGHT, []
    for name, said in KEY.items():
        if x + SWATCH + ASIDE + len(said) * LETTER > WIDTH - 2 * PADDING:
            x, y = 0.0, y + KEY_HEIGHT
        if name == "critical":
            painted.append(_element("polyline", class_=name, points=f"{x},{y - 4} {x + SWATCH},{y - 4}"))
        else:
            painted.append(_element("rect", class_=name, x=x, y=y - 9, width=SWATCH, height=10))
        painted.append(_element("text", said, class_="soft", x=x + SWATCH + ASIDE, y=y))
        x = round(x + SWATCH + 4 * ASIDE + len(said) * LETTER, 1)
    return "\n".join(painted), y


@dataclass(frozen=True)
class Brush:
    """Paints each kind of mark; `step` is the width of a decoding step in pixels."""

    step: float

    def x(self, clock: float) -> float:
        """Where a clock stands."""
        return round(GUTTER + clock * self.step, 1)

    def bar(self, name: str, start: float, end: float, y: float, height: float) -> str:
        width = round(self.x(end) - self.x(start), 1)
        return _element("rect", class_=name, x=self.x(start), y=y, width=width, height=height)

    def line(self, name: str, start: float, y1: float, end: float, y2: float) -> str:
        return _element("line", class_=name, x1=self.x(start), y1=y1, x2=self.x(end), y2=y2)

    def path(self, name: str, points: Iterable[Sequence[float]]) -> str:
        return _element("polyline", class_=name, points=" ".join(f"{self.x(clock)},{y}" for clock, y in points))

    def arrow(self, name: str, clock: float, y: float, rise: int) -> str:
        return _element("path", class_=name, d=f"M{self.x(clock)} {y}l-4 {7 * rise}h8z")

    def name(self, name: str, y: float, text: str) -> str:
        return _element("text", text, class_=name, x=0, y=y)

    def text(self, name: str, clock: float, y: float, anchor: str, room: float, *texts: str) -> str:
        fits = next((text for text in texts if len(text) * LETTER <= room * self.step), None)
        aside = ASIDE * name.endswith(" aside") * (1 if anchor == "start" else -1)
        return _element("text", fits, class_=name, x=self.x(clock) + aside, y=y, text_anchor=anchor) if fits else ""


def _rules(scheme: int) -> str:
    """The style sheet with every colour written out (0 light, 1 dark), for viewers that know no CSS variables."""
    css = re.sub(r"/\*.*?\*/\n?", "", STYLE.read_text(encoding="utf-8"), flags=re.S)
    css = re.sub(r"light-dark\(([^,]+), ([^)]+)\)", lambda pair: pair[scheme + 1], css)
    colours = dict(re.findall(r"(--[a-z]+): ([^;]+);", css))
    rules = re.sub(r":root \{.*?\}\n", "", css, flags=re.S).strip()
    return re.sub(r"var\((--[a-z]+)\)", lambda name: colours[name[1]], rules)


def _element(name: str, text: str | None = None, **attributes: Any) -> str:
    names = {key: key.rstrip("_").replace("_", "-") for key in attributes}
    inside = "".join(f' {names[key]}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<{name}{inside}/>" if text is None else f"<{name}{inside}>{escape(_printable(text))}</{name}>"


def _printable(text: str) -> str:
    """Characters that XML has no way to hold become a sign for them."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
