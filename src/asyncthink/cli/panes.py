"""Watching an episode while it runs: agents side by side on a terminal, or line by line anywhere else.

`Observed` stands between thinking and an engine and tells a spectator what each agent is given and what it says; it
changes nothing. What an agent is given is whatever its context holds that it did not say: first the prompt, then what
its Joins bring in.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

from asyncthink.engines import Completion, Engine, Identity, Request
from asyncthink.protocol import TAG

STATES = {"decodes": "green", "waits": "yellow", "has ended": "dim"}
REFRESHES = 15  # a second


class Spectator(Protocol):
    """Told about every agent, by name, as it happens."""

    def given(self, agent: str, text: str) -> None:
        """The prompt, or text that a Join brought in."""

    def begins(self, agent: str) -> None:
        """The agent decodes."""

    def says(self, agent: str, text: str) -> None:
        """One token."""

    def pauses(self, agent: str) -> None:
        """The agent's call has come back."""

    def ends(self, agent: str) -> None:
        """The agent's trace has ended."""


class Observed(Engine):
    """An engine that reports to a spectator, token by token."""

    def __init__(self, engine: Engine, spectator: Spectator) -> None:
        self.engine, self.spectator = engine, spectator
        self.vocabulary, engine.watch = engine.vocabulary, self.heard
        self._known: dict[tuple[Any, ...], int] = {}

    def identity(self) -> Identity:
        return self.engine.identity()

    async def __aenter__(self) -> Self:
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.engine.__aexit__(*error)

    def heard(self, trace: tuple[Any, ...], token: int) -> None:
        """One decoded token."""
        self.spectator.says(trace[-1], self.decode([token]))

    async def complete(self, request: Request) -> Completion:
        """Pass the request on."""
        agent = request.trace[-1]
        known = self._known.get(request.trace, 0)
        if known < len(request.ids):
            self.spectator.given(agent, self.decode(request.ids[known:]))
        self.spectator.begins(agent)
        completion = await self.engine.complete(request)
        self._known[request.trace] = len(request.ids) + len(completion.ids)
        self.spectator.pauses(agent)
        return completion

    def release(self, trace: tuple[Any, ...]) -> None:
        """Pass it on."""
        self.spectator.ends(trace[-1])
        self.engine.release(trace)


class Lines:
    """One line each time that an agent is given something or comes to a stop; on standard output unless told."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        self._said: dict[str, str] = {}

    def given(self, agent: str, text: str) -> None:
        self._line(agent, ">", text)

    def begins(self, agent: str) -> None:
        self._said[agent] = ""

    def says(self, agent: str, text: str) -> None:
        self._said[agent] += text

    def pauses(self, agent: str) -> None:
        self._line(agent, " ", self._said[agent])

    def ends(self, agent: str) -> None:
        """Its last line has been told."""

    def _line(self, agent: str, mark: str, text: str) -> None:
        print(f"{agent:<10} {mark} {' '.join(text.split())}", file=self._out, flush=True)


@dataclass
class Pane:
    """What is seen of one agent."""

    state: str = "decodes"
    tokens: int = 0
    text: Text = field(default_factory=Text)


class Panes:
    """The organizer on the left, its workers on the right; use as a context. pace is steps a second, 0: unlimited.

    A small model takes a few milliseconds a step, too quick to follow, so steps are held back to the pace.
    """

    def __init__(self, console: Console, pace: float, steps: Callable[[], int]) -> None:
        self._panes: dict[str, Pane] = {}
        self._live = Live(self, console=console, refresh_per_second=REFRESHES)
        self._pace, self._steps, self._step = pace, steps, 0
        self._next = time.monotonic()

    def __enter__(self) -> "Panes":
        self._live.start(refresh=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def given(self, agent: str, text: str) -> None:
        if agent in self._panes:
            self._pane(agent).text.append(text, "italic magenta")
        else:
            self._pane(agent).text.append(f"{text.strip()}\n", "italic dim")

    def begins(self, agent: str) -> None:
        self._pane(agent).state = "decodes"

    def says(self, agent: str, text: str) -> None:
        if self._steps() != self._step and self._pace:
            self._step = self._steps()
            time.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + 1 / self._pace
        pane = self._pane(agent)
        pane.tokens += 1
        pane.text.append(text)

    def pauses(self, agent: str) -> None:
        self._pane(agent).state = "waits"

    def ends(self, agent: str) -> None:
        self._pane(agent).state = "has ended"

    def _pane(self, agent: str) -> Pane:
        return self._panes.setdefault(agent, Pane())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = list(self._panes)
        if not names:
            return
        height = min(console.height - 2, options.height or console.height)
        left = [name for name in names if not name.startswith("worker")]
        columns = [column for column in (left, [name for name in names if name not in left]) if column]
        layout = Layout()
        layout.split_row(*(_column([(name, self._panes[name]) for name in column], height) for column in columns))
        yield from _cropped(console, options.update(height=height), layout)


def _column(panes: list[tuple[str, Pane]], height: int) -> Layout:
    column = Layout()
    rows = max(1, height // len(panes) - 2)
    column.split_column(*(Layout(_panel(name, pane, rows)) for name, pane in panes))
    return column


def _panel(name: str, pane: Pane, rows: int) -> Panel:
    """The end of what an agent said, as much as `rows` lines hold."""
    title = f"{name.replace('-', ' ')}, {pane.tokens} tokens, {pane.state}"
    return Panel(Tail(pane.text, rows), title=title, title_align="left", border_style=STATES[pane.state])


@dataclass
class Tail:
    """The last lines of a text, with the protocol's tags in bold."""

    text: Text
    rows: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text.copy()
        text.highlight_regex(TAG, "bold cyan")
        yield from text.wrap(console, options.max_width)[-self.rows :]


def _cropped(console: Console, options: ConsoleOptions, layout: Layout) -> Iterator[Segment]:
    for line in console.render_lines(layout, options):
        yield from line
        yield Segment.line()
