"""Countdown's generator: puzzles over distinct numbers, in splits that share no set of numbers.

A set of numbers belongs to one split by its hash, so no draw and no target can carry it into another: `base`, on which
a model trained from scratch learns to search, and the puzzles' own `train`, `validation` and `test`. Item `index` of a
split is drawn from the key (seed, split, index); only a pair of set and target that a lower index took is passed over.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from itertools import combinations
from typing import Any

from asyncthink.errors import InputError
from asyncthink.randomness import keyed
from asyncthink.settings import Puzzles
from asyncthink.tasks.countdown_search import Numbers, solution_counts
from asyncthink.tasks.splits import split_of

SHARES = {"base": 55, "validation": 8, "test": 8, "train": 29}  # of the sets of numbers, in this order of their hashes
SPLITS = ("train", "validation", "test")
TELL_EVERY = 1000  # items

Item = dict[str, Any]


def number_sets(puzzles: Puzzles) -> dict[str, list[Numbers]]:
    """The sets of numbers of each split, up to base_largest; a puzzle's own have none above `largest`."""
    return _number_sets(puzzles.smallest, puzzles.base_largest, puzzles.numbers)


@cache  # by what is read: who takes these three would else depend on the sizes of the splits
def _number_sets(smallest: int, largest: int, count: int) -> dict[str, list[Numbers]]:
    sets: dict[str, list[Numbers]] = {split: [] for split in SHARES}
    for numbers in combinations(range(largest, smallest - 1, -1), count):
        sets[split_of(f"countdown/{numbers}", SHARES)].append(numbers)
    return sets


def solvable_targets(numbers: Numbers, puzzles: Puzzles) -> list[int]:
    """The targets with as many solutions as a puzzle has."""
    return _solvable_targets(numbers, puzzles.required, puzzles.most_solutions or math.inf, puzzles.largest_target)


@cache
def _solvable_targets(numbers: Numbers, required: int, most: float, largest: int) -> list[int]:
    counts = solution_counts(numbers)
    return [target for target in range(1, largest + 1) if required <= counts[target] <= most]


def generate(puzzles: Puzzles, seed: int, tell: Callable[[str], None] = lambda _: None) -> dict[str, list[Item]]:
    """The three splits, in the sizes that `puzzles` asks for; InputError if its world does not hold so many.

    An item: {"id", "numbers", "target", "required", "solutions": how many the search has}. `tell` gets a line of
    progress now and then.
    """
    return {split: drawn(puzzles, seed, split, getattr(puzzles, split), tell=tell) for split in SPLITS}


def drawn(
    puzzles: Puzzles,
    seed: int,
    split: str,
    size: int,
    largest: range | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Item]:
    """`size` items of a split; the largest number of each lies in `largest`, by default up to that of `puzzles`."""
    allowed = range(puzzles.largest + 1) if largest is None else largest
    asked, wider = f"puzzles.{split}", "largest"
    if largest is not None:
        asked, wider = f"a test set with numbers beyond puzzles.largest = {puzzles.largest}", "base_largest"
    sets = [numbers for numbers in number_sets(puzzles)[split] if numbers[0] in allowed]
    left = [(numbers, list(targets)) for numbers in sets if (targets := solvable_targets(numbers, puzzles))]
    if (most := sum(len(targets) for _, targets in left)) < size:
        raise InputError(
            f"{asked}: {size} items are asked for, but the world has {most} with {puzzles.required} solutions "
            f"or more; ask for fewer, or widen it ({wider}, largest_target, most_solutions)"
        )
    items: list[Item] = []
    for index in range(size):
        rng = keyed(seed, "countdown", split, index)
        place = rng.randrange(len(left))
        numbers, targets = left[place]
        target = targets.pop(rng.randrange(len(targets)))
        if not targets:
            del left[place]
        solutions = solution_counts(numbers)[target]
        shown = {"numbers": list(numbers), "target": target, "required": puzzles.required}
        items.append({"id": f"countdown-{split}-{index}", **shown, "solutions": solutions})
        if len(items) % TELL_EVERY == 0 or len(items) == size:
            tell(f"{split}: {len(items)} of {size} items")
    return items


def leak_check(splits: Mapping[str, Sequence[Item]]) -> None:
    """Raise InputError if two splits share a set of numbers, or one split holds a puzzle twice."""
    owner: dict[Numbers, tuple[str, str]] = {}
    for split, items in splits.items():
        puzzles: dict[tuple[Numbers, int], str] = {}
        for item in items:
            numbers = tuple(sorted(item["numbers"]))
            first, name = owner.setdefault(numbers, (split, item["id"]))
            if first != split:
                raise InputError(f"leak: {first} ({name}) and {split} ({item['id']}) share the numbers {numbers}")
            twin = puzzles.setdefault((numbers, item["target"]), item["id"])
            if twin != item["id"]:
                raise InputError(f"{split} holds a puzzle twice: {twin} and {item['id']}")


def manifest(splits: Mapping[str, Sequence[Item]], puzzles: Puzzles, seed: int) -> dict[str, Any]:
    """What was generated: the rules, and for each split its size, content hash and numbers of solutions."""
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
        "number_sets": len({tuple(sorted(item["numbers"])) for item in items}),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "solutions": {str(count): solutions[count] for count in sorted(solutions)},
    }
