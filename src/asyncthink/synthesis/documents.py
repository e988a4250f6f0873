"""The corpus of the base model: what a model trained from scratch knows before it learns to organize.

A base stands in for a pretrained language model, so its documents teach skills: the arithmetic of a search, telling
hits from misses, spelling a solution out, copying what was found into an answer. All are in the word language:

* search in any order, over any number of branches, answer included, under the prompt of a solver or of an organizer
  (the base has to make something of an organizer's prompt, as a language model does);
* search of the branches that its prompt names (`pretrain.asked_share`), mostly of one or two;
* search that says first which branches come next, as it would ask another (`pretrain.announced_share`): the question,
  the branches, their search, again and again;
* lists of all branches, those that hold a solution first, half of them in small groups under the question
  (`pretrain.listed_share`): to see what is promising and to name nothing twice are skills; who is to search what, and
  when, they do not say;
* notes, then an answer from them (`pretrain.notes_share`): branches in any order, again and again, of some only what
  they hold, so that an answer is copied from wherever it stands;
* snippets in which the tags occur (`pretrain.protocol_share`), without prompt and answer;
* Sudoku, solved likewise (`pretrain.sudoku_share`; synthesis.sudoku_documents).

No organization policy is shown, and no worker's prompt. The numbers are of the base's own sets, which no puzzle has.
Targets are of a puzzle, within reach of the search, or any number. Lengths are free of the budgets of thinking.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from asyncthink import protocol
from asyncthink.randomness import keyed
from asyncthink.settings import Pretrain, Puzzles
from asyncthink.synthesis import sudoku_documents
from asyncthink.synthesis.pieces import Desk
from asyncthink.synthesis.solver_teacher import order
from asyncthink.synthesis.structures import MOST_IDS
from asyncthink.synthesis.surfaces import listed
from asyncthink.tasks.countdown_puzzles import number_sets, solvable_targets
from asyncthink.tasks.countdown_search import COUNT, VERDICTS, branches
from asyncthink.tasks.expressions import OPERATIONS

MOST_IN_A_ROW = 9  # branches of a search that does not go on to its end
TO_THE_END = 0.12  # of the searches
PUZZLES_OWN, WITHIN_REACH = 0.4, 0.35  # of the targets; the rest is any number
MARKS = ("!", ".")  # of Sudoku


@dataclass(frozen=True)
class Settings:
    """What the corpus is made by: the world, and the share of each kind."""

    puzzles: Puzzles
    pretrain: Pretrain


class Document(NamedTuple):
    """A text of the word language, and the loss weight of each of its words."""

    text: str
    weights: list[float]


def documents(settings: Settings, seed: int, start: int = 0) -> Iterator[Document]:
    """The endless corpus from its document number `start` on; each depends only on the seed and its number."""
    for index in count(start):
        yield document(settings, keyed(seed, "pretrain", index))


def document(settings: Settings, rng: random.Random) -> Document:
    """One document of a drawn kind: no loss on its prompt, `pretrain.hit_weight` on what tells hits from misses."""
    shares = settings.pretrain
    kinds = [
        (shares.sudoku_share, lambda rng, _: sudoku_documents.text(rng)),
        (shares.asked_share, _asked),
        (shares.announced_share, _announced),
        (shares.listed_share, _listed),
        (shares.protocol_share, _snippet),
        (shares.notes_share, _notes),
    ]
    draw = rng.random()
    while kinds and draw >= kinds[0][0]:
        draw -= kinds.pop(0)[0]
    write = kinds[0][1] if kinds else _search
    prompt, text = write(rng, settings.puzzles)
    whole = f"{prompt} {text}".strip()
    return Document(whole, [0.0] * len(prompt.split()) + weights(text, shares.hit_weight))


def weights(text: str, hit_weight: float) -> list[float]:
    """The loss weight of each word. Heavy are the words in which a hit or a miss shows: the one after a result, the
    solution that follows a verdict, a mark; and all that an answer or a return tells. Others weigh 1.
    """
    result, spelling = [], 0
    words = text.split()
    passed_on = protocol.inside(words, protocol.TELLING)
    for before, last, word, told in zip(["", "", *words], ["", *words], words, passed_on, strict=False):
        after_result = last.isdigit() and before in OPERATIONS
        spelling = 2 * COUNT if after_result and word in VERDICTS else spelling - 1
        result.append(hit_weight if told or after_result or spelling > 0 or word in MARKS else 1.0)
    return result


def _search(rng: random.Random, puzzles: Puzzles) -> tuple[str, str]:
    def some(count: int) -> list[int]:
        return order(rng, count)[: count if rng.random() < TO_THE_END else rng.randint(1, MOST_IN_A_ROW)]

    desk, chosen = _desk(rng, puzzles, some)
    role = rng.choice(("<solve>", "<organizer>"))
    return f"{role} {desk.query(())}", desk.search(chosen, closing=desk.surface.answer).text


def _asked(rng: random.Random, puzzles: Puzzles) -> tuple[str, str]:
    desk, chosen = _desk(rng, puzzles, lambda count: rng.sample(range(count), rng.choice((1, 1, 1, 2, 2, 3))))
    return f"<solve> {desk.query(chosen)}", desk.search(chosen, closing=desk.surface.answer).text


def _announced(rng: random.Random, puzzles: Puzzles) -> tuple[str, str]:
    desk, chosen = _desk(rng, puzzles, lambda count: rng.sample(range(count), rng.randint(2, MOST_IN_A_ROW)))
    parts: list[str] = []
    known: dict[str, None] = {}
    for part in _groups(rng, chosen):
        if len(known) >= desk.required:
            break
        piece = desk.search(part, known)
        parts += [desk.query(part), piece.text]
        known |= dict.fromkeys(piece.found)
    return f"<solve> {desk.query(())}", f"{' '.join(parts)} {desk.surface.answer(list(known)[: desk.required])}"


def _listed(rng: random.Random, puzzles: Puzzles) -> tuple[str, str]:
    desk, chosen = _desk(rng, puzzles, lambda count: rng.sample(range(count), count))
    chosen.sort(key=lambda place: not desk.branches[place].hits(desk.target))
    role = rng.choice(("<solve>", "<organizer>"))
    names = [desk.branches[place].name for place in chosen]
    parts = names if rng.random() < 0.5 else map(desk.query, _groups(rng, chosen))
    return f"{role} {desk.query(())}", " ".join(parts)


def _groups(rng: random.Random, chosen: Sequence[int]) -> Iterator[Sequence[int]]:
    """One to three at a time."""
    while chosen:
        size = rng.randint(1, 3)
        yield chosen[:size]
        chosen = chosen[size:]


def _notes(rng: random.Random, puzzles: Puzzles) -> tuple[str, str]:
    desk, chosen = _desk(rng, puzzles, lambda count: rng.choices(range(count), k=rng.randint(1, MOST_IN_A_ROW)))
    parts: list[str] = []
    known: dict[str, None] = {}
    for place in chosen:
        piece = desk.search([place])
        parts.append(piece.text if rng.random() < 0.5 else listed(piece.found))
        known |= dict.fromkeys(piece.found)
    told = desk.surface.answer(list(known)[: desk.required])
    return f"<solve> {desk.query(())}", f"{' '.join(parts)} {told}"


def _snippet(rng: random.Random, puzzles: Puzzles) -> tuple[str, str]:
    """A Fork's and a Join's tags with what belongs between them, away from any episode."""
    desk, chosen = _desk(rng, puzzles, lambda count: [rng.randrange(count)])
    number, show = rng.randint(1, MOST_IDS), desk.surface
    told = listed(desk.search(chosen).found)
    return "", f"{show.fork(number, desk.query(chosen))} {show.join(number)} {told} {protocol.join_close(number)}"


def _desk(rng: random.Random, puzzles: Puzzles, choose: Callable[[int], list[int]]) -> tuple[Desk, list[int]]:
    """A puzzle on one of the base's own sets, and the branches that `choose` takes of so many.

    The target is a puzzle's, within reach of these branches, or any number.
    """
    numbers = rng.choice(number_sets(puzzles)["base"])
    places = branches(numbers)
    chosen, draw = choose(len(places)), rng.random()
    pool: Sequence[int] = range(1, puzzles.largest_target + 1)
    if draw < PUZZLES_OWN:
        pool = solvable_targets(numbers, puzzles) or pool
    elif draw < PUZZLES_OWN + WITHIN_REACH:
        reached = {value for place in chosen for value in places[place].values}
        pool = sorted(reached.intersection(pool)) or pool
    return Desk(numbers, rng.choice(pool), puzzles.required, "word"), chosen
