"""Search written down: lines up to a budget, and a closing that tells what they found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from asyncthink.synthesis.search import Step
from asyncthink.synthesis.surfaces import Surface
from asyncthink.tasks import expressions


@dataclass(frozen=True)
class Piece:
    """A stretch of search as text, the distinct solutions that it found, and how its closing tells each of them."""

    text: str
    found: tuple[str, ...]
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Writer:
    """Writes on one surface for a puzzle that asks for `required` solutions."""

    surface: Surface
    required: int

    def distinct(self, found: Iterable[str]) -> tuple[str, ...]:
        """The first `required` solutions that differ."""
        first: dict[object, str] = {}
        for text in found:
            first.setdefault(expressions.read(text).text, text)
        return tuple(first.values())[: self.required]

    def thought(self, search: Iterable[Step], budget: int) -> Piece:
        """As many steps as fit into `budget` tokens."""
        return self._written(search, budget, None)

    def answered(self, search: Iterable[Step], budget: int) -> Piece:
        """The same with an answer, which the budget includes."""
        return self._written(search, budget, self.surface.answer)

    def returned(self, search: Iterable[Step], budget: int) -> Piece:
        """The same with a worker's return, which the budget includes."""
        return self._written(search, budget, self.surface.returned, self.surface.told)

    def _written(
        self,
        search: Iterable[Step],
        budget: int,
        closing: Callable[[Sequence[str]], str] | None,
        telling: Callable[[Step], str] = attrgetter("expression"),
    ) -> Piece:
        lines: list[str] = []
        hits: dict[str, str] = {}
        found: tuple[str, ...] = ()
        used, end = 0, self.surface.length(closing(())) if closing else 0
        for step in search:
            if step.hit:
                hits.setdefault(step.expression, telling(step))
            now = self.distinct((*found, step.expression)) if step.hit else found
            line = self.surface.line(step)
            used += self.surface.length(line)
            if closing and step.hit:
                end = self.surface.length(closing([hits[text] for text in now]))
            if used + end > budget:
                break
            lines.append(line)
            found = now
        told = tuple(hits[text] for text in found)
        return Piece(self.surface.gap.join([*lines, closing(told)] if closing else lines), found, told)
