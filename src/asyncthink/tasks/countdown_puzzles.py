"""Countdown's generator: three splits that share no numbers.

A multiset of numbers belongs to one split by its hash, in proportion to the sizes of the splits, so no draw and no
target can carry it from training to test. Item `index` of a split is drawn from the key (seed, split, index); only a
pair of multiset and target that a lower index took is passed over.
"""

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from asyncthink.errors import InputError
from asyncthink.settings import Puzzles
from asyncthink.tasks.splits import split_of

SPLITS = ("train", "validation", "test")
TELL_EVERY = 1000  # items
MOST_DRAWS = 20_000  # without a new item, before the world is called too small

Multiset = tuple[int, ...]  # sorted
Item = dict[str, Any]


def generate(puzzles: Puzzles, seed: int, tell: Callable[[str], None] = lambda _: None) -> dict[str, list[Item]]:
    """The three splits, in the sizes that `puzzles` asks for; InputError if its world does not hold so many.

    An item: {"id", "numbers" in drawn order, "target", "required", "uses", "operations", "solutions": how many}.
    `tell` gets a line of progress now and then.
    """
    world = _World(puzzles, seed)
    splits: dict[str, list[Item]] = {}
    for split in SPLITS:
        size, items = getattr(puzzles, split), splits.setdefault(split, [])
        for index in range(size):
            items.append(world.item(split, index))
            if len(items) % TELL_EVERY == 0 or len(items) == size:
                tell(f"{split}: {len(items)} of {size} items")
    return splits


class _World:
    """The multisets that were drawn so far, and what is left of each."""

    def __init__(self, puzzles: Puzzles, seed: int) -> None:
        self.puzzles, self.seed = puzzles, seed
        self.sizes = {split: getattr(puzzles, split) for split in SPLITS}
        self.drawn: dict[Multiset, str] = {}  # its split
        self.left: dict[str, dict[Multiset, dict[int, int]]] = {split: {} for split in SPLITS}
        values = puzzles.largest - puzzles.smallest + 1
        self.multisets = math.comb(values if puzzles.distinct else values + puzzles.numbers - 1, puzzles.numbers)

    def item(self, split: str, index: int) -> Item:
        rng = random.Random(f"countdown/{self.seed}/{split}/{index}")
        for draw in range(MOST_DRAWS):
            numbers = self._draw(rng)
            targets = self._targets(tuple(sorted(numbers)), split)
            if targets:
                target = rng.choice(sorted(targets))
                return self._item(f"countdown-{split}-{index}", numbers, target, targets.pop(target))
            if draw % 100 == 99 and self._exhausted(split):
                break
        raise InputError(self._too_small(split, index))

    def _draw(self, rng: random.Random) -> list[int]:
        values = range(self.puzzles.smallest, self.puzzles.largest + 1)
        count = self.puzzles.numbers
        return rng.sample(values, count) if self.puzzles.distinct else rng.choices(values, k=count)

    def _targets(self, multiset: Multiset, split: str) -> dict[int, int]:
        """The targets that are left of a multiset, with their numbers of solutions; none where it is another split's.

        Taking one out takes it out for good.
        """
        if multiset not in self.drawn:
            self.drawn[multiset] = split_of(f"countdown/{multiset}", self.sizes)
        if self.drawn[multiset] != split:
            return {}
        if multiset not in self.left[split]:
            from asyncthink.tasks.solver import counts  # numpy, which grading does without

            puzzles = self.puzzles
            reached = counts(multiset, puzzles.operations, puzzles.largest_result, puzzles.uses)
            self.left[split][multiset] = {
                target: times for target, times in reached.items() if self._asked_for(target, times)
            }
        return self.left[split][multiset]

    def _asked_for(self, target: int, solutions: int) -> bool:
        puzzles = self.puzzles
        most = solutions if puzzles.most_solutions is None else puzzles.most_solutions
        return 1 <= target <= puzzles.largest_result and puzzles.required <= solutions <= most

    def _item(self, name: str, numbers: list[int], target: int, solutions: int) -> Item:
        puzzles = self.puzzles
        rules = {"required": puzzles.required, "uses": puzzles.uses, "operations": puzzles.operations}
        return {"id": name, "numbers": numbers, "target": target, **rules, "solutions": solutions}

    def _exhausted(self, split: str) -> bool:
        return len(self.drawn) == self.multisets and not any(self.left[split].values())

    def _too_small(self, split: str, found: int) -> str:
        puzzles = self.puzzles
        why = "there are no more" if self._exhausted(split) else f"no further one in {MOST_DRAWS} draws"
        most = "or more" if puzzles.most_solutions is None else f"to {puzzles.most_solutions}"
        return (
            f"puzzles.{split}: {found} items of {self.sizes[split]} with {puzzles.required} {most} solutions found, "
            f"{why}; ask for fewer items or widen the world (largest, largest_result, most_solutions)"
        )


def leak_check(splits: Mapping[str, Sequence[Item]]) -> None:
    """Raise InputError if two splits share a multiset of numbers, or one split holds a puzzle twice."""
    owner: dict[Multiset, tuple[str, str]] = {}
    for split, items in splits.items():
        puzzles: dict[tuple[Multiset, int], str] = {}
        for item in items:
            multiset = tuple(sorted(item["numbers"]))
            first, name = owner.setdefault(multiset, (split, item["id"]))
            if first != split:
                raise InputError(f"leak: {first} ({name}) and {split} ({item['id']}) share the numbers {multiset}")
            twin = puzzles.setdefault((multiset, item["target"]), item["id"])
            if twin != item["id"]:
                raise InputError(f"{split} holds a puzzle twice: {twin} and {item['id']}")


def manifest(splits: Mapping[str, Sequence[Item]], puzzles: Puzzles, seed: int) -> dict[str, Any]:
    """What was generated: the rules, and for each split its size, content hash and the solver's statistics."""
    leak_check(splits)
    return {
        "task": "countdown",
        "seed": seed,
        "puzzles": asdict(puzzles),
        "splits": {split: _statistics(items) for split, items in splits.items()},
    }


def _statistics(items: Sequence[Item]) -> dict[str, Any]:
    lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    solutions = Counter(item["solutions"] for item in items)
    return {
        "items": len(items),
        "multisets": len({tuple(sorted(item["numbers"])) for item in items}),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "solutions": {str(count): solutions[count] for count in sorted(solutions)},
    }
