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
from collections.abc import Iterator, Sequence
from typing import Any

from asyncthink import protocol
from asyncthink.errors import InputError
from asyncthink.randomness import keyed
from asyncthink.settings import Synthesize, Thinking
from asyncthink.synthesis import structures
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.pieces import Desk, Piece
from asyncthink.tasks import branch_predictor


def demonstrate(assignment: Assignment, items: Sequence[dict[str, Any]]) -> Iterator[Demonstration]:
    """The demonstrations of an assignment, over all the items in turn."""
    write = FORMS[assignment.form]
    for index in range(assignment.synthesize.demonstrations):
        rng = keyed(assignment.seed, "synthesize", assignment.form, index)
        item = items[index % len(items)]
        desk = Desk.of(item, assignment.thinking.prompts)
        structure, text, workers = write(rng, desk, assignment.thinking, assignment.synthesize)
        yield Demonstration("countdown", item, assignment.form, tuple(structure), text, workers)


Written = tuple[list[str], str, dict[int, str]]  # structure, the organizer's text, each worker's


def asynchronous(rng: random.Random, desk: Desk, thinking: Thinking, settings: Synthesize) -> Written:
    """The organizer's own text and one text a worker, along a sampled structure as far as the budget goes."""
    show, draw = desk.surface, _draw(rng, desk, settings)
    structure: list[str] = []
    parts: list[str] = []
    known: list[str] = []
    workers: dict[int, Piece] = {}
    left = thinking.organizer_budget - _longest_answer(desk, thinking)
    for action in structures.sample(rng, settings, thinking.capacity)[:-1]:
        number, chosen = int(action[1:] or 0), draw() if action[0] in "TF" else []
        if action[0] == "J" and number in workers:
            text = show.join(number)
            piece = Piece(text, workers[number].found, 0)  # a Join's room was taken with its Fork
        elif action == "T" and chosen:
            piece = desk.search(chosen, known, left)
        elif action[0] == "F" and chosen:
            text = show.fork(number, desk.query(chosen))
            workers[number] = worker(desk, chosen, thinking)
            piece = Piece(text, (), show.length(text, show.join(number)))
        else:
            continue  # no branch is left for it
        if piece.tokens > left:
            break
        if piece.text:
            structure.append(action)
            parts.append(piece.text)
            left -= piece.tokens
            known += [solution for solution in piece.found if solution not in known]
        if len(known) >= desk.required:
            break
    parts.append(show.answer(known[: desk.required]))
    forked = {action for action in structure if action[0] == "F"}
    texts = {number: piece.text for number, piece in workers.items() if f"F{number}" in forked}
    return [*structure, "A"], show.gap.join(parts), texts


def worker(desk: Desk, chosen: Sequence[int], thinking: Thinking) -> Piece:
    """A worker's trace: the branches that it was asked for, as far as its budget goes, and what it returns."""
    return desk.told(chosen, desk.surface.returned, thinking.worker_budget)


def sequential(rng: random.Random, desk: Desk, thinking: Thinking, settings: Synthesize) -> Written:
    """One trace within its budget."""
    _longest_answer(desk, thinking)
    trace = desk.told(order(rng, len(desk.branches)), desk.surface.answer, thinking.organizer_budget)
    return ["A"] if trace.text.startswith(protocol.ANSWER_OPEN) else ["T", "A"], trace.text, {}


def order(rng: random.Random, count: int) -> list[int]:
    """All branches: in a random order, or round the circle from a random one; half each."""
    if rng.random() < 0.5:
        return rng.sample(range(count), count)
    start = rng.randrange(count)
    return [(start + step) % count for step in range(count)]


def _draw(rng: random.Random, desk: Desk, settings: Synthesize) -> Any:
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
