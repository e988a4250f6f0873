"""`asyncthink compare A B`: two evaluations, or the records of two runs: B less A, with intervals."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncthink import terminal
from asyncthink.errors import InputError

if TYPE_CHECKING:
    from asyncthink.evaluation.differences import Difference
    from asyncthink.evaluation.recordings import Evaluation

NAMES = {"all_correct": "all correct", "concurrency_ratio": "η/c", "elapsed": "latency"}  # for people
EXAMPLE = r"""asyncthink compare metrics/evaluate/countdown/parallel/1.json \
    metrics/evaluate/countdown/asyncthink/1.json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("A", "B"):
        parser.add_argument(name, type=Path, help="metrics of one evaluation, JSON, or a folder laid out as metrics/")
    parser.add_argument("--arm", help="of two folders, only this arm")
    terminal.argument(parser)
    parser.epilog = (
        "Of folders, each arm that both have is compared, over all seeds, in its headline. An interval is of 95 %; on\n"
        "the same items and seeds differences are taken item by item. With one seed it speaks of these training runs\n"
        "only. Whether they agree is an equivalence test within 5 points or 10 tokens, over training seeds; of two\n"
        "single runs it is over items, and says 'agrees in these runs' or 'differs in these runs'."
    )


class Pair(NamedTuple):
    """Two evaluations on one test set, and whether their items are the same."""

    test_set: str
    one: "Evaluation"
    other: "Evaluation"
    same_items: bool


def run(args: argparse.Namespace) -> None:
    from asyncthink.evaluation import differences

    pairs = list(_pairs(args.A, args.B, args.arm))
    for number, pair in enumerate(pairs):
        found = list(differences.between(pair.one, pair.other, same_items=pair.same_items))
        if terminal.for_people(args):
            print("\n" * (number > 0) + _for_people(pair, found))
            continue
        for row in found:
            whose = {"test_set": pair.test_set, "arms": [pair.one.arm, pair.other.arm]}
            print(json.dumps(whose | _in_its_unit(row)))


def _pairs(one: Path, other: Path, arm: str | None) -> Iterator[Pair]:
    from asyncthink.evaluation import recordings

    mine, theirs = (recordings.read_all(_files(path)) for path in (one, other))
    if one.is_file() and other.is_file():
        arms = [(test_set, own.arms[0]) for test_set, own in mine.items() if test_set in theirs]
    else:
        arms = [(name, each) for name, own in mine.items() if name in theirs for each in own.arms]
    found = False
    for test_set, name in arms:
        named = theirs[test_set].arms[0] if other.is_file() else name
        pair = mine[test_set].find(name), theirs[test_set].find(named)
        if pair[0] and pair[1] and arm in (None, name):
            found = True
            yield Pair(test_set, pair[0], pair[1], mine[test_set].items_hash == theirs[test_set].items_hash)
    if not found:
        have = ["; ".join(f"{name}: {', '.join(own.arms)}" for name, own in each.items()) for each in (mine, theirs)]
        raise InputError(f"nothing to compare: {one} has {have[0] or 'none'}, {other} has {have[1] or 'none'}")


def _files(path: Path) -> list[Path]:
    from asyncthink.workflow import records

    if not path.is_dir():
        return [path]
    if not (found := records.lying_in(path).evaluations):
        raise InputError(f"{path}: holds no evaluations (evaluate/TEST_SET/ARM/SEED.json)")
    return list(found)


def _in_its_unit(row: "Difference") -> dict[str, Any]:
    """A row for programs: shares in % and differences in points, as on a terminal; null is what was not measured."""
    from asyncthink.evaluation.differences import FACTORS

    found = row.difference
    numbers = (row.one, row.other, found.value, found.low, found.high)
    one, other, value, *interval = (None if number != number else FACTORS[row.unit] * number for number in numbers)
    told = {"one": one, "other": other, "difference": value, "agrees": row.agrees, "interval": interval}
    return {"measure": row.measure, "unit": row.unit, **told}


def _for_people(pair: Pair, found: "list[Difference]") -> str:
    from asyncthink.evaluation.differences import FACTORS, UNITS, common
    from asyncthink.evaluation.verdicts import text

    alike = "the same items" if pair.same_items else "other items"
    names = [f"{each.arm} (seeds {', '.join(map(str, each.seeds))})" for each in (pair.one, pair.other)]
    paired = pair.same_items and common(pair.one, pair.other)
    how = f"paired over seeds {', '.join(map(str, paired))}" if paired else "not paired"
    rows = []
    for row in found:
        known = (None if value != value else FACTORS[row.unit] * value for value in (row.one, row.other))
        values = [None if value is None else f"{value:,.1f}" for value in known]
        name = NAMES.get(row.measure, row.measure)
        rows.append([f"{name}, {row.unit}", *values, text(row.difference, UNITS[row.unit]), row.agrees])
    titles = (pair.test_set, "A", "B", "B less A [95 %]", "agree?")
    return f"A {names[0]}, B {names[1]}: {alike}, {how}\n" + terminal.aligned(titles, rows)
