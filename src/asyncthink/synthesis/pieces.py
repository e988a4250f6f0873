"""Search written down: lines up to a budget, and a closing that tells what they found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from asyncthink.synthesis.search import Step
from asyncthink.synthesis.surfaces import Surface
from asyncthink.tasks import expressions


@dataclass(frozen=True)
class Piece:
    """A stretch of search as text, and the distinct solutions that it found."""

    text: str
    found: tuple[str, ...]


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
        return self._written(search, budget, self.surface.returned)

    def _written(self, search: Iterable[Step], budget: int, closing: Callable[[tuple[str, ...]], str] | None) -> Piece:
        lines: list[str] = []
        found: tuple[str, ...] = ()
        used, end = 0, self.surface.length(closing(())) if closing else 0
        for step in search:
            now = self.distinct((*found, step.expression)) if step.hit else found
            line = self.surface.line(step)
            used += self.surface.length(line)
            if closing and step.hit:
                end = self.surface.length(closing(now))
            if used + end > budget:
                break
            lines.append(line)
            found = now
        return Piece(self.surface.gap.join([*lines, closing(found)] if closing else lines), found)
