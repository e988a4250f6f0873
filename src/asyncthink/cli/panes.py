"""Watching an episode while it runs: agents side by side on a terminal, or line by line anywhere else.

`Observed` stands between thinking and an engine and tells a spectator what each agent is given and what it says; it
changes nothing. What an agent is given is whatever its context holds that it did not say: first the prompt, then what
its Joins bring in.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, TextIO

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from asyncthink.engines import Completion, Engine, Identity, Request
from asyncthink.protocol import TAG

STATES = {"decodes": "green", "waits": "yellow", "has ended": "dim"}
REFRESHES = 15  # a second
LONGEST_CHARACTER = 4  # tokens, of a byte each
LINE = 100  # characters


class Spectator:
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
        self._begun: dict[tuple[Any, ...], list[int]] = {}  # tokens of a character that is not whole yet

    def identity(self) -> Identity:
        return self.engine.identity()

    async def __aenter__(self) -> Self:
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.engine.__aexit__(*error)

    def heard(self, trace: tuple[Any, ...], token: int) -> None:
        """One decoded token; a character that takes several comes with the last of them."""
        ids = [*self._begun.pop(trace, ()), token]
        text = self.decode(ids)
        if text.endswith("\ufffd") and len(ids) < LONGEST_CHARACTER:
            self._begun[trace], text = ids, ""
        self.spectator.says(trace[-1], text)

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


class Lines(Spectator):
    """A line each time that an agent is given something or comes to a stop, and before that as soon as it is long."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        self._said: dict[str, str] = {}

    def given(self, agent: str, text: str) -> None:
        self._line(agent, ">", text)

    def begins(self, agent: str) -> None:
        self._said[agent] = ""

    def says(self, agent: str, text: str) -> None:
        self._said[agent] += text
        if len(self._said[agent]) > LINE and " " in self._said[agent].strip():
            line, _, self._said[agent] = self._said[agent].rpartition(" ")
            self._line(agent, " ", line)

    def pauses(self, agent: str) -> None:
        self._line(agent, " ", self._said[agent])

    def _line(self, agent: str, mark: str, text: str) -> None:
        print(f"{agent:<10} {mark} {' '.join(text.split())}", file=self._out, flush=True)


@dataclass
class Pane:
    """What is seen of one agent."""

    state: str = "decodes"
    tokens: int = 0
    text: Text = field(default_factory=Text)


class Panes(Live, Spectator):
    """The organizer on the left, its workers on the right; use as a context. pace is steps a second, 0: unlimited.

    A small model takes a few milliseconds a step, too quick to follow, so steps are held back to the pace.
    """

    def __init__(self, console: Console, pace: float, steps: Callable[[], int]) -> None:
        self._panes: dict[str, Pane] = {}
        super().__init__(console=console, refresh_per_second=REFRESHES, get_renderable=self._drawn)
        self._pace, self._steps, self._step = pace, steps, 0
        self._next = time.monotonic()

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

    def _drawn(self) -> Table:
        organizers = {name: pane for name, pane in self._panes.items() if not name.startswith("worker")}
        workers = {name: pane for name, pane in self._panes.items() if name not in organizers}
        table, columns = Table.grid(expand=True), [agents for agents in (organizers, workers) if agents]
        for _ in columns:
            table.add_column(ratio=1)
        table.add_row(*(_column(agents, self.console.height - 2) for agents in columns))
        return table


def _column(agents: dict[str, Pane], height: int) -> Group:
    return Group(*(_panel(name, pane, max(3, height // len(agents))) for name, pane in agents.items()))


def _panel(name: str, pane: Pane, height: int) -> Panel:
    """The end of what an agent said, as much as there is room for between the two lines of the frame."""
    title = f"{name.replace('-', ' ')}, {pane.tokens} tokens, {pane.state}"
    text = Tail(pane.text, height - 2)
    return Panel(text, title=title, title_align="left", border_style=STATES[pane.state], height=height)


@dataclass
class Tail:
    """The last lines of a text, with the protocol's tags in bold."""

    text: Text
    rows: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = self.text.copy()
        text.highlight_regex(TAG, "bold cyan")
        yield from text.wrap(console, options.max_width)[-self.rows :]
