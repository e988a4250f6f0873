"""The teacher without a network: it writes the search of countdown along a random structure.

Like the paper's teacher it gives the form and not the policy. Structures are drawn at random, and the good branches
come no earlier than the others: every form takes them in a random order, or round the circle from a random one. In a
share of the asynchronous demonstrations (all but `systematic_share`) each sub-query and each thought draws its branches
anew, so that some are searched twice. How many branches they take at most is drawn for each demonstration: those of
single branches fork as often as a model can, which it must have seen to count so far.

`ordered_share` shows what giving a good order away would do: that share of the asynchronous demonstrations takes first
the branches that a regression on the numbers finds the likeliest (tasks/branch_predictor.py).

To answer once as many solutions are in hand as the item asks for belongs to every form. Every text keeps its budget,
answer included; an answer lists the distinct solutions of the organizer's own search and of the joined workers, in the
order in which they came into its context.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncthink import protocol
from asyncthink.errors import InputError
from asyncthink.randomness import keyed
from asyncthink.settings import Synthesize, Thinking
from asyncthink.synthesis import structures
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.pieces import Desk, Piece
from asyncthink.tasks import branch_predictor, countdown_search


def demonstrate(assignment: Assignment, items: Sequence[dict[str, Any]]) -> Iterator[Demonstration]:
    """The demonstrations of an assignment, over all the items in turn."""
    write = FORMS[assignment.form]
    ordered = assignment.synthesize.ordered_share > 0  # by a regression on four numbers
    for item in items:
        countdown_search.check(item, countdown_search.COUNTS["word" if ordered else assignment.thinking.prompts])
    for index in range(assignment.synthesize.demonstrations):
        rng = keyed(assignment.seed, "synthesize", assignment.form, index)
        item = items[index % len(items)]
        desk = Desk.of(item, assignment.thinking.prompts)
        structure, text, workers = write(rng, desk, assignment.thinking, assignment.synthesize)
        yield Demonstration("countdown", item, assignment.form, tuple(structure), text, workers)


Written = tuple[list[str], str, dict[int, str]]  # structure, the organizer's text, each worker's


Draw = Callable[[], list[int]]  # the branches of the next sub-query or thought; none where none is left


def asynchronous(rng: random.Random, desk: Desk, thinking: Thinking, settings: Synthesize) -> Written:
    """The organizer's own text and one text a worker, along a sampled structure as far as the budget goes."""
    draw = _draw(rng, desk, settings)
    organizer = _Organizer(desk, thinking, thinking.organizer_budget - _longest_answer(desk, thinking))
    *actions, _ = structures.sample(rng, settings, thinking.capacity)  # the last one answers
    for action in actions:
        if not organizer.follow(action, draw) or organizer.knows_enough:
            break
    texts = {number: piece.text for number, piece in organizer.workers.items()}
    return [*organizer.structure, "A"], organizer.answered(), texts


@dataclass
class _Organizer:
    """An organizer as it writes: the room that is left, its actions with their texts, its workers, what it knows."""

    desk: Desk
    thinking: Thinking
    room: int
    structure: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    workers: dict[int, Piece] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)

    @property
    def knows_enough(self) -> bool:
        """Whether as many solutions are in hand as are asked for."""
        return len(self.known) >= self.desk.required

    def follow(self, action: str, draw: Draw) -> bool:
        """Write an action of the structure, if it has branches and its Fork had; False where it has no room."""
        if action[0] == "J":
            return self._join(action)
        chosen = draw()
        if not chosen:
            return True
        return self._fork(action, chosen) if action[0] == "F" else self._think(action, chosen)

    def _think(self, action: str, chosen: Sequence[int]) -> bool:
        return self._write(action, self.desk.search(chosen, self.known, self.room))

    def _fork(self, action: str, chosen: Sequence[int]) -> bool:
        """The room of its Join is taken with it."""
        show, number = self.desk.surface, int(action[1:])
        text = show.fork(number, self.desk.query(chosen))
        fits = self._write(action, Piece(text, (), show.length(text, show.join(number))))
        if fits:
            self.workers[number] = self.desk.search(chosen, (), self.thinking.worker_budget, show.returned)
        return fits

    def _join(self, action: str) -> bool:
        number = int(action[1:])
        if number not in self.workers:
            return True
        return self._write(action, Piece(self.desk.surface.join(number), self.workers[number].found, 0))

    def _write(self, action: str, piece: Piece) -> bool:
        if piece.tokens > self.room:
            return False
        if piece.text:  # a thought is empty where its first branch has no room
            self.structure.append(action)
            self.texts.append(piece.text)
            self.room -= piece.tokens
            self.known += [solution for solution in piece.found if solution not in self.known]
        return True

    def answered(self) -> str:
        """The whole text, with the answer."""
        answer = self.desk.surface.answer(self.known[: self.desk.required])
        return self.desk.surface.gap.join([*self.texts, answer])


def sequential(rng: random.Random, desk: Desk, thinking: Thinking, settings: Synthesize) -> Written:
    """One trace within its budget."""
    _longest_answer(desk, thinking)
    trace = desk.search(order(rng, len(desk.branches)), (), thinking.organizer_budget, desk.surface.answer)
    return ["A"] if trace.text.startswith(protocol.ANSWER_OPEN) else ["T", "A"], trace.text, {}


def order(rng: random.Random, count: int) -> list[int]:
    """All branches: in a random order, or round the circle from a random one; half each."""
    if rng.random() < 0.5:
        return rng.sample(range(count), count)
    start = rng.randrange(count)
    return [(start + step) % count for step in range(count)]


def _draw(rng: random.Random, desk: Desk, settings: Synthesize) -> Draw:
    """A function that draws the branches of the next sub-query or thought: at random, or none that came before; none
    where all have come.
    """
    everything = range(len(desk.branches))
    most = rng.randint(1, settings.most_branches)
    fresh = order(rng, len(everything)) if rng.random() < settings.systematic_share else None
    if rng.random() < settings.ordered_share:
        fresh = branch_predictor.of_the_game().order({"numbers": desk.numbers, "target": desk.target})

    def draw() -> list[int]:
        size = rng.randint(1, most)
        if fresh is None:
            return rng.sample(everything, size)
        taken, fresh[:size] = fresh[:size], []
        return taken

    return draw


def _longest_answer(desk: Desk, thinking: Thinking) -> int:
    """Tokens that are kept free for the answer, whatever is found."""
    solutions = [solution for branch in desk.branches for solution in branch.hits(desk.target)]
    longest = sorted(solutions, key=desk.surface.count)[-desk.required :]
    tokens = max(desk.surface.length(desk.surface.answer(told)) for told in (longest, ()))
    if tokens > thinking.organizer_budget:
        raise InputError(
            f"thinking.organizer_budget is {thinking.organizer_budget}, but an answer of "
            f"{desk.required} solutions alone takes {tokens} tokens"
        )
    return tokens


FORMS = {"asynchronous": asynchronous, "sequential": sequential}
