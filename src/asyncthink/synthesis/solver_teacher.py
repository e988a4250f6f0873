"""The teacher without a network: it writes the search of Countdown along a random structure.

Like the paper's teacher it gives the form and not the policy. A share of the demonstrations (`window_share`) covers
the branches in order and without doubles; in the rest every sub-query and every thought is drawn at random, with
repetition. That mixture, unfiltered for correctness, is what reinforcement learning could start from. The sequential
form searches branches in order, from the first (`first_branch_share`) or, for the rest, from a random one.

Every text keeps its budget, answer included: thoughts that do not fit are taken out of the structure. An answer lists
the distinct solutions of the organizer's own search and of the joined workers, in the order in which they came into
its context, at most as many as the item asks for.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from asyncthink.errors import InputError
from asyncthink.randomness import keyed
from asyncthink.settings import Synthesize, Thinking
from asyncthink.synthesis import structures
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.pieces import Piece, Writer
from asyncthink.synthesis.search import World, branches, steps
from asyncthink.synthesis.surfaces import surface


class Desk:
    """What the teacher has before it while it writes about one item. Lengths are tokens."""

    def __init__(self, item: dict[str, Any], thinking: Thinking, largest_result: int):
        uses = item.get("uses", len(item["numbers"]))
        world = World(uses, item.get("operations", "+-*/"), largest_result)
        self.item, self.thinking = item, thinking
        self.surface = surface(thinking.prompts, uses)
        self.writer = Writer(self.surface, item["required"])
        self.branches = branches(item["numbers"])
        self.searches = [list(steps(branch, item["target"], world)) for branch in self.branches]

    def query(self, branch: int) -> str:
        """The sub-query that asks for one branch."""
        return self.surface.query(self.branches[branch], self.item["target"])

    @cached_property
    def lengths(self) -> list[int]:
        """Length of each branch's search."""
        return [self.surface.length(*map(self.surface.line, search)) for search in self.searches]

    @cached_property
    def longest_line(self) -> int:
        """Length of the longest line of search."""
        return max(self.surface.length(self.surface.line(step)) for step in chain(*self.searches))

    @cached_property
    def longest_answer(self) -> int:
        """Length that is kept free for the answer, whatever is found."""
        hits = self.writer.distinct(step.expression for step in chain(*self.searches) if step.hit)
        return max(self.surface.length(self.surface.answer(told)) for told in (hits, ()))

    @cached_property
    def fork_cost(self) -> int:
        """Length of the longest Fork and its Join, which the organizer writes."""
        forks = [self.surface.fork(structures.MOST_IDS, self.query(at)) for at in range(len(self.branches))]
        return max(map(self.surface.length, forks)) + self.surface.length(self.surface.join(structures.MOST_IDS))


def demonstrate(
    assignment: Assignment, largest_result: int, items: Sequence[dict[str, Any]]
) -> Iterator[Demonstration]:
    """The demonstrations of an assignment, over all the items in turn, numbers in random order.

    largest_result is that of `puzzles`, beyond which a result is not part of the game.
    """
    settings, write = assignment.synthesize, FORMS[assignment.form]
    for index in range(settings.demonstrations):
        rng = keyed(assignment.seed, "synthesize", assignment.form, index)
        item = items[index % len(items)]
        numbers = rng.sample(item["numbers"], len(item["numbers"]))
        yield write(rng, Desk({**item, "numbers": numbers}, assignment.thinking, largest_result), settings)


def asynchronous(rng: random.Random, desk: Desk, settings: Synthesize) -> Demonstration:
    """The organizer's own text and one text a worker, along a sampled structure."""
    systematic = rng.random() < settings.window_share
    dealt = _dealt(rng, desk, settings, systematic)
    structure = [action for action, _ in dealt]
    parts: list[str] = []
    known: list[str] = []
    workers: dict[int, Piece] = {}
    for action, branch in dealt:
        if action == "T":
            thought = desk.writer.thought(desk.searches[branch], _room(desk, structure))
            parts.append(thought.text)
            known += thought.found
        elif action == "A":
            parts.append(desk.surface.answer(_told(rng, desk, known, settings.correct_share)))
        elif action[0] == "F":
            parts.append(desk.surface.fork(int(action[1:]), desk.query(branch)))
            workers[int(action[1:])] = worker(desk, branch)
        else:
            parts.append(desk.surface.join(int(action[1:])))
            known += workers[int(action[1:])].found
    texts = {number: piece.text for number, piece in workers.items()}
    return _demonstration(desk, "asynchronous", structure, desk.surface.gap.join(parts), texts)


def sequential(rng: random.Random, desk: Desk, settings: Synthesize) -> Demonstration:
    """One trace: branches in circular order until the budget, or up to one branch less of it, is used."""
    budget = desk.thinking.organizer_budget
    start = 0 if rng.random() < settings.first_branch_share else rng.randrange(len(desk.branches))
    search = chain(*desk.searches[start:], *desk.searches[:start])
    unused = rng.randrange(min(max(desk.lengths), budget // 2) + 1)
    trace = desk.writer.answered(search, budget - unused)
    answer = desk.surface.answer(trace.found)
    told = desk.surface.answer(_told(rng, desk, trace.found, settings.correct_share))
    return _demonstration(desk, "sequential", ["T", "A"], trace.text.removesuffix(answer) + told, {})


def worker(desk: Desk, branch: int) -> Piece:
    """A worker's trace: the branch, as far as its budget goes, and what it returns."""
    return desk.writer.returned(desk.searches[branch], desk.thinking.worker_budget)


def _structure(rng: random.Random, desk: Desk, settings: Synthesize, systematic: bool) -> list[str]:
    """A sampled structure with no more Forks than the budget and, where none may come twice, the branches allow."""
    thinking = desk.thinking
    most = len(desk.branches) if systematic else structures.MOST_IDS
    affordable = (thinking.organizer_budget - desk.longest_answer) // desk.fork_cost
    if affordable < 0:
        raise InputError(
            f"thinking.organizer_budget is {thinking.organizer_budget}, but an answer of "
            f"{desk.item['required']} solutions alone takes {desk.longest_answer} tokens"
        )
    return structures.sample(rng, settings, thinking.capacity, min(most, affordable))


def _room(desk: Desk, structure: Sequence[str]) -> int:
    """Tokens that the organizer can think."""
    return desk.thinking.organizer_budget - desk.longest_answer - desk.fork_cost * _forks(structure)


def _dealt(rng: random.Random, desk: Desk, settings: Synthesize, systematic: bool) -> list[tuple[str, int | None]]:
    """A structure with the branch that each T and F searches: one after the other, or drawn with repetition.

    As many Ts stay as fit whole; where not even one does, a single one that is cut.
    """
    structure = _structure(rng, desk, settings, systematic)
    room, count = _room(desk, structure), len(desk.branches)
    thoughts = room // min(desk.lengths) or int(room >= desk.longest_line)
    if systematic:
        thoughts = min(thoughts, count - _forks(structure))
    while True:
        thinned = structures.thinned(rng, structure, thoughts)
        order = iter(range(count) if systematic else [rng.randrange(count) for _ in thinned])
        dealt = [(action, next(order) if action[0] in "TF" else None) for action in thinned]
        if thoughts <= 1 or sum(desk.lengths[branch] for action, branch in dealt if action == "T") <= room:
            return dealt
        thoughts -= 1


def _forks(structure: Sequence[str]) -> int:
    return sum(action[0] == "F" for action in structure)


def _told(rng: random.Random, desk: Desk, known: Iterable[str], correct_share: float) -> list[str]:
    """What the answer says: all distinct solutions known; in a share of the demonstrations it is wrong."""
    solutions = list(desk.writer.distinct(known))
    if rng.random() < correct_share or not solutions:
        return solutions
    place = rng.randrange(len(solutions))
    length = desk.surface.count(solutions[place])
    misses = (step.expression for step in rng.choice(desk.searches) if not step.hit)
    wrong = [text for text in misses if desk.surface.count(text) == length]
    solutions[place : place + 1] = rng.choice([[], [rng.choice(wrong)] if wrong else []])
    return solutions


def _demonstration(
    desk: Desk, form: str, structure: Sequence[str], text: str, workers: dict[int, str]
) -> Demonstration:
    return Demonstration("countdown", desk.item, form, tuple(structure), text, workers)


FORMS = {"asynchronous": asynchronous, "sequential": sequential}
