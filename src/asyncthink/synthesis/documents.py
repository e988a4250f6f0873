"""The corpus of the base model: what a model trained from scratch knows before it learns to organize.

A base stands in for a pretrained language model, so its documents teach skills: the arithmetic of a search line,
telling hits from misses, copying what was found into an answer. Five kinds, all in the word language:

* sequential search from any branch on, over any number of branches, answer included, under the prompt of a solver or
  of an organizer (the base has to make something of an organizer's prompt, as a language model does);
* notes, then an answer from them (`pretrain.notes_share`): branches in any order, again and again, of some only what
  they hold, so that an answer is copied from wherever it stands;
* a worker's search of one branch (`pretrain.worker_share`);
* snippets in which the tags occur (`pretrain.protocol_share`), without prompt and answer: no organization policy is
  shown;
* Sudoku, solved likewise (`pretrain.sudoku_share`; synthesis.sudoku_documents), never with a Fork or a Join.

Numbers come from the training items only, in any order. Targets are the item's own, a result of the search, or any
number, a third each; so most documents have more or fewer solutions than a puzzle has. Lengths are free of the budgets
of thinking: an agent's budget is learned later.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, NamedTuple

from asyncthink import protocol
from asyncthink.randomness import keyed
from asyncthink.settings import Pretrain, Puzzles, Thinking
from asyncthink.synthesis import sudoku_documents
from asyncthink.synthesis.pieces import Piece, Writer
from asyncthink.synthesis.search import Step, World, branches, steps
from asyncthink.synthesis.structures import MOST_IDS
from asyncthink.synthesis.surfaces import surface

LONGEST = 256  # words of a document behind its prompt, unless thinking's own budgets are longer
MARKS = (".", "!")


@dataclass(frozen=True)
class Settings:
    """What the corpus is made by: the world, the budgets that a document may need, the share of each kind."""

    puzzles: Puzzles
    thinking: Thinking
    pretrain: Pretrain


class Document(NamedTuple):
    """A text of the word language, and the loss weight of each of its words."""

    text: str
    weights: list[float]


class Page:
    """A training item's numbers in a drawn order with a drawn target, and the search over them."""

    def __init__(self, rng: random.Random, puzzles: Puzzles, thinking: Thinking, item: dict[str, Any]):
        self.world = World(puzzles.uses, puzzles.operations, puzzles.largest_result)
        self.writer = Writer(surface("word", puzzles.uses), puzzles.required)
        self.longest = max(LONGEST, thinking.organizer_budget, thinking.worker_budget)
        self.numbers = rng.sample(item["numbers"], len(item["numbers"]))
        self.branches = branches(self.numbers)
        self.target = _target(rng, self, item["target"])

    def search(self, place: int, target: int | None = None) -> Iterator[Step]:
        """The steps of one branch; places go round in a circle."""
        branch = self.branches[place % len(self.branches)]
        return steps(branch, self.target if target is None else target, self.world)

    def query(self, place: int) -> str:
        """The sub-query that asks for one branch."""
        return self.writer.surface.query(self.branches[place], self.target)


def documents(settings: Settings, items: Sequence[dict[str, Any]], seed: int, start: int = 0) -> Iterator[Document]:
    """The endless corpus from its document number `start` on; each depends only on the seed and its number."""
    for index in count(start):
        yield document(settings, items, keyed(seed, "pretrain", index))


def document(settings: Settings, items: Sequence[dict[str, Any]], rng: random.Random) -> Document:
    """One document of a drawn kind; what tells hits from misses weighs `pretrain.hit_weight`, other words 1."""
    shares = settings.pretrain
    draw = rng.random()
    if draw >= 1 - shares.sudoku_share:
        text = sudoku_documents.text(rng, shares.worker_share)
        return Document(text, weights(text, shares.hit_weight))
    if draw < shares.worker_share:
        write = _worker
    elif draw < shares.worker_share + shares.protocol_share:
        write = _snippet
    elif draw < shares.worker_share + shares.protocol_share + shares.notes_share:
        write = _notes
    else:
        write = _sequential
    text = write(rng, Page(rng, settings.puzzles, settings.thinking, rng.choice(items)))
    return Document(text, weights(text, shares.hit_weight))


def weights(text: str, hit_weight: float) -> list[float]:
    """The loss weight of each word: heavy are the marks of a line, and all that an answer or a return tells."""
    words = text.split()
    told = protocol.inside(words, protocol.TELLING)
    return [hit_weight if flag or word in MARKS else 1.0 for word, flag in zip(words, told, strict=True)]


def _sequential(rng: random.Random, page: Page) -> str:
    start, size = rng.randrange(len(page.branches)), rng.randint(1, len(page.branches))
    search = chain.from_iterable(page.search(start + place) for place in range(size))
    role = rng.choice(("<solve>", "<organizer>"))
    numbers = " ".join(map(str, page.numbers))
    return f"{role} {numbers} ={page.target} {page.writer.answered(search, page.longest).text}"


def _notes(rng: random.Random, page: Page) -> str:
    show, parts = page.writer.surface, []
    known: list[str] = []
    for place in rng.choices(range(len(page.branches)), k=rng.randint(1, len(page.branches))):
        whole = page.writer.thought(page.search(place), page.longest)
        parts.append(whole.text if rng.random() < 0.5 else show.listing(_branch(page, place).told))
        known += whole.found
    numbers = " ".join(map(str, page.numbers))
    return f"<solve> {numbers} ={page.target} {' '.join(parts)} {show.answer(page.writer.distinct(known))}"


def _worker(rng: random.Random, page: Page) -> str:
    place = rng.randrange(len(page.branches))
    return f"<worker> {page.query(place)} {_branch(page, place).text}"


def _snippet(rng: random.Random, page: Page) -> str:
    """A Fork's and a Join's tags with what belongs between them, away from any episode."""
    place, number = rng.randrange(len(page.branches)), rng.randint(1, MOST_IDS)
    show = page.writer.surface
    told = show.listing(_branch(page, place).told)
    return f"{show.fork(number, page.query(place))} {show.join(number)} {told} {protocol.join_close(number)}"


def _branch(page: Page, place: int) -> Piece:
    return page.writer.returned(page.search(place), page.longest)


def _target(rng: random.Random, page: Page, target: int) -> int:
    """The item's own target, the result of some complete expression, or any number; a third each."""
    anything = rng.randint(1, page.world.largest_result)
    search = page.search(rng.randrange(len(page.branches)), anything)
    results = [step.result for step in search if step.complete and step.result]
    return rng.choice((target, rng.choice(results or [target]), anything))
