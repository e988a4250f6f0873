"""How processor time grows from 1× to 32×: items, episodes, workers, the length of a trace.

The exponent is the slope of the logarithms, fitted to six sizes that double: 1 is linear. Workers are c - 1 at once, up
to a pool of 1,024, on the token clock.
"""

from collections.abc import Callable
from itertools import count

import numpy as np

from asyncthink import protocol, schedule
from asyncthink.evaluation.measures import measures
from asyncthink.tasks import countdown
from benchmarks import record, solver, synthetic, timing

SIZES = (1, 2, 4, 8, 16, 32)
REPEATS = 3
NUMBERED = count()
NUMBERS = [(a, b, c, d) for a in range(1, 5) for b in range(5, 8) for c in range(8, 11) for d in range(11, 14)]


def measure() -> list[record.Row]:
    """One row for each thing that grows."""
    return [_row(name, prepare) for name, prepare in GROWING]


def items(size: int) -> Callable[[], object]:
    """Solve, count and grade."""
    chosen = [NUMBERS[place % len(NUMBERS)] for place in range(20 * size)]
    answer = "(9 + 3) * (7 - 5) ; 9 * 5 - 7 * 3"

    def run() -> None:
        for numbers in chosen:
            solver.counts(numbers)
            countdown.score({"numbers": list(numbers), "target": 24, "required": 4}, answer)

    return run


def episodes(size: int) -> Callable[[], object]:
    """Measure recorded episodes, each for the first time."""
    recorded = [synthetic.episode(next(NUMBERED), 50) for _ in range(8 * size)]
    return lambda: [measures(one) for one in recorded]


def workers(size: int) -> Callable[[], object]:
    """A pool of 32 × size: fork c - 1 workers, join them all; read the text, and run the plan."""
    ids = range(1, 32 * size)
    forks = [{"fork": i, "tokens": 6} for i in ids]
    plan = {
        "capacity": 32 * size,
        "organizer": [*forks, {"think": 9}, *({"join": i, "tokens": 1} for i in ids), {"answer": 5}],
        "workers": {str(i): 10 + i % 50 for i in ids},
    }
    calls = [f"{protocol.fork_open(i)} 3 5 =24 {protocol.fork_close(i)}" for i in ids]
    text = " ".join([*calls, *map(protocol.join_open, ids), "<ANSWER> 3 * 8 </ANSWER>"])

    def run() -> None:
        assert schedule.simulate(plan).format_error is None
        assert len(protocol.parse(text)) == 2 * len(ids) + 1

    return run


def length(size: int) -> Callable[[], object]:
    """Read one trace of 2,000 × size words, in one piece and token by token."""
    words = ["3 + 5 8 ."] * (400 * size)
    text = " ".join([*words, "<FORK-1> 3 5 =24 </FORK-1>", *words, "<JOIN-1> <ANSWER> 3 * 8 </ANSWER>"])

    def run() -> None:
        parser = protocol.Parser()
        actions = [action for word in text.split(" ") for action in parser.feed(f"{word} ")] + parser.finish()
        assert len(actions) == len(protocol.parse(text)) == 5

    return run


GROWING = (
    ("items, 20 to 640", items),
    ("episodes of 50 events, 8 to 256", episodes),
    ("workers, a pool of 32 to 1,024", workers),
    ("the length of a trace, 4,000 to 128,000 words", length),
)


def _row(name: str, prepare: Callable[[int], Callable[[], object]]) -> record.Row:
    prepare(SIZES[0])()
    seconds = [min(timing.cpu(prepare(size)) for _ in range(REPEATS)) for size in SIZES]
    slope = float(np.polyfit(np.log(SIZES), np.log(seconds), 1)[0])
    return {
        "what": f"growth with {name}: the exponent",
        "against": "",
        "goal": "≤ 1.1",
        "ratio": None,
        "unit": "",
        "ours": [slope],
        "theirs": [],
        "checked": f"CPU s at 1× to 32×: {', '.join(f'{each:.3g}' for each in seconds)}",
    }


if __name__ == "__main__":
    record.main(measure)
