"""Search written down: branches as far as they fit, up to the last solution that is asked for."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from asyncthink.synthesis.surfaces import SURFACES, Step, Surface
from asyncthink.tasks.countdown_search import Branch, branches, sorted_numbers

Closing = Callable[[Iterable[str]], str]


@dataclass(frozen=True)
class Piece:
    """A stretch of search as text, the solutions that it found and the tokens that it takes."""

    text: str
    found: tuple[str, ...]
    tokens: int


@lru_cache(maxsize=256)
def _steps(style: str, branch: Branch, target: int) -> tuple[tuple[Step, int], ...]:
    surface = SURFACES[style]
    return tuple((step, surface.length(step[0])) for step in surface.steps(branch, target))


@dataclass(frozen=True)
class Desk:
    """A puzzle before its writer: search ends once `required` solutions are in hand. style: a name in SURFACES."""

    numbers: tuple[int, ...]
    target: int
    required: int
    style: str

    @classmethod
    def of(cls, item: dict[str, Any], style: str) -> "Desk":
        """The desk of an item."""
        return cls(sorted_numbers(item), item["target"], item["required"], style)

    @property
    def surface(self) -> Surface:
        """How it writes."""
        return SURFACES[self.style]

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        """All first steps."""
        return branches(self.numbers)

    def query(self, chosen: Sequence[int]) -> str:
        """The sub-query that asks for some branches, by their places."""
        return self.surface.query(self.numbers, self.target, [self.branches[place] for place in chosen])

    def search(
        self,
        chosen: Iterable[int],
        known: Collection[str] = (),
        room: float = float("inf"),
        closing: Closing | None = None,
    ) -> Piece:
        """Whole branches, one after another, until one has no room or enough solutions are in hand.

        room: tokens at most. closing: what tells the solutions that were found, an answer or a return, within the room.
        """
        texts: list[str] = []
        found: list[str] = []
        used = 0
        for place in chosen:
            steps, new, tokens = self._branch(place, {*known, *found})
            end = self.surface.length(closing([*found, *new])) if closing else 0
            if used + tokens + end > room:
                break
            texts += steps
            found += new
            used += tokens
            if len({*known, *found}) >= self.required:
                break
        if closing:
            texts.append(closing(found))
            used += self.surface.length(texts[-1])
        return Piece(self.surface.gap.join(texts), tuple(found), used)

    def _branch(self, place: int, known: set[str]) -> tuple[list[str], list[str], int]:
        """A branch's steps up to the last solution that is asked for, those that are new, and its tokens."""
        texts, new, used = [], [], 0
        for (text, solution), tokens in _steps(self.style, self.branches[place], self.target):
            texts.append(text)
            used += tokens
            if solution and solution not in known:
                new.append(solution)
                if len(known) + len(new) >= self.required:
                    break
        return texts, new, used
