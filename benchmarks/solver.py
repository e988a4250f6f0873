"""All distinct solutions of four-number countdown items: `tasks.solver` beside a plain recursive solver."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from asyncthink.randomness import keyed
from asyncthink.tasks import expressions, solver
from benchmarks import record, timing

ITEMS = 10_000
SAMPLE = 100  # items that the plain solver gets a turn
REPEATS = 3

Item = tuple[tuple[int, ...], int]


def measure() -> list[record.Row]:
    """Milliseconds of the processor an item."""
    items = drawn(ITEMS)
    assert all(solver.solutions(*item) == plain(*item) for item in items[:SAMPLE])
    ours, theirs = timing.alternating(
        lambda: [solver.solutions(*item) for item in items], lambda: [plain(*item) for item in items[:SAMPLE]], REPEATS
    )
    ours, theirs = [1e3 * each / ITEMS for each in ours], [1e3 * each / SAMPLE for each in theirs]
    row: record.Row = {
        "what": "solver: all distinct solutions of 10,000 four-number items",
        "against": "a plain recursive solver",
        "goal": "≥ 20 times faster",
        "ratio": timing.ratio(theirs, ours),
        "unit": "CPU ms an item",
        "ours": ours,
        "theirs": theirs,
        "checked": f"the same solutions in the same canonical form on {SAMPLE} items",
        "note": f"the plain solver is timed on {SAMPLE} of the items a turn",
    }
    alone: record.Row = {**row, "what": "the same, by itself", "against": "", "goal": "≤ 1 ms", "ratio": None}
    return [row, {**alone, "theirs": [], "note": ""}]


def drawn(count: int) -> list[Item]:
    """Four different numbers of 1 to 13, and a target of 1 to 60 that at least four expressions reach."""
    reached = {numbers: counts(numbers) for numbers in combinations(range(1, 14), 4)}
    fitting = [
        (numbers, target)
        for numbers, own in reached.items()
        for target, solutions in sorted(own.items())
        if 1 <= target <= 60 and solutions >= 4
    ]
    return keyed("benchmarks", "solver").choices(fitting, k=count)


def counts(numbers: Sequence[int]) -> Counter[int]:
    """Every whole number that the solver's forms are worth -> how many of them are."""
    reached: Counter[int] = Counter()
    for _, _, values in solver.evaluated(numbers):
        up, down = values.numerators[values.valid], values.denominators[values.valid]
        reached.update((up[up % down == 0] // down[up % down == 0]).tolist())
    return reached


def plain(numbers: Sequence[int], target: int) -> list[str]:
    """Take any two, put an operation between them, go on with one number less."""
    texts = _reached([(Fraction(number), str(number)) for number in numbers], target)
    return sorted({expressions.read(text).text for text in texts})


def _reached(values: list[tuple[Fraction, str]], target: int) -> Iterator[str]:
    if len(values) == 1:
        if values[0][0] == target:
            yield values[0][1]
        return
    for i, j in combinations(range(len(values)), 2):
        others = [value for place, value in enumerate(values) if place not in (i, j)]
        for result in _results(values[i], values[j]):
            yield from _reached([*others, result], target)


def _results(one: tuple[Fraction, str], other: tuple[Fraction, str]) -> Iterator[tuple[Fraction, str]]:
    (a, x), (b, y) = one, other
    yield a + b, f"({x}+{y})"
    yield a * b, f"({x}*{y})"
    yield a - b, f"({x}-{y})"
    yield b - a, f"({y}-{x})"
    if b:
        yield a / b, f"({x}/{y})"
    if a:
        yield b / a, f"({y}/{x})"


if __name__ == "__main__":
    record.main(measure)
