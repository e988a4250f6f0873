"""Episodes without a model: random legal plans of a given number of events, and records that say the same in words."""

import random
from typing import Any

from asyncthink import protocol, schedule
from asyncthink.episode import Episode, Segment, Trace
from asyncthink.evaluation.measures import scored
from asyncthink.randomness import keyed

ITEM = {"numbers": [3, 5, 7, 9], "target": 24, "required": 4}
ANSWER = "(9 + 3) * (7 - 5) ; 9 * 5 - 7 * 3 ; 9 + 7 + 5 + 3"
QUERY, RETURNED = "3 5 =24", "9 + 7 + 5 + 3"
LONGEST = 20  # words of a thought


def plan(index: int, events: int, capacity: int) -> dict[str, Any]:
    """A plan whose organizer acts `events` times, the Answer included, and joins every worker."""
    rng = keyed("benchmarks", "plan", index, events, capacity)
    organizer: list[dict[str, int]] = []
    workers: dict[str, int] = {}
    running: list[int] = []
    for left in range(events - 1, 0, -1):
        draw = rng.random()
        if running and (left == len(running) or 0.35 < draw < 0.7):
            organizer.append({"join": running.pop(rng.randrange(len(running))), "tokens": 1})
        elif draw < 0.35 and len(running) < capacity - 1 and left > len(running) + 1:
            i = len(workers) + 1
            running.append(i)
            workers[str(i)] = rng.randint(8, 60)
            organizer.append({"fork": i, "tokens": 2 + len(QUERY.split())})
        else:
            organizer.append({"think": rng.randint(1, LONGEST)})
    organizer.append({"answer": 2 + len(ANSWER.split())})
    return {"capacity": capacity, "organizer": organizer, "workers": workers, "slot_release": "join"}


def episode(index: int, events: int, capacity: int = 4) -> Episode:
    """A scored record of such a plan."""
    drawn = plan(index, events, capacity)
    rng = keyed("benchmarks", "words", index)
    segments: list[Segment] = []
    for action in drawn["organizer"]:
        text = _text(action, rng)
        segments.append(Segment(f"{text} ", len(text.split())))
        if "join" in action:
            segments.append(Segment(f"{RETURNED} {protocol.join_close(action['join'])} ", 8, injected=True))
    traces = [_trace("organizer", None, "answer", segments)]
    traces += [_worker(int(i), count, rng) for i, count in drawn["workers"].items()]
    key = {"split": "test", "index": index, "sample": 0, "seed": 1}
    return scored(Episode(key, "countdown", ITEM, "asynchronous", capacity, traces, drawn, ANSWER, arm="asyncthink"))


def _text(action: dict[str, int], rng: random.Random) -> str:
    match action:
        case {"fork": i}:
            return f"{protocol.fork_open(i)} {QUERY} {protocol.fork_close(i)}"
        case {"join": i}:
            return protocol.join_open(i)
        case {"answer": _}:
            return f"{protocol.ANSWER_OPEN} {ANSWER} {protocol.ANSWER_CLOSE}"
    return _words(action["think"], rng)


def _worker(i: int, count: int, rng: random.Random) -> Trace:
    closing = f"{protocol.RETURN_OPEN} {RETURNED} {protocol.RETURN_CLOSE}"
    text = f"{_words(max(count - len(closing.split()), 1), rng)} {closing}"
    return _trace("worker", i, "return", [Segment(text, count)])


def _words(count: int, rng: random.Random) -> str:
    return " ".join(str(rng.randint(1, 60)) for _ in range(count))


def _trace(role: str, fork: int | None, stop: str, segments: list[Segment]) -> Trace:
    return Trace(role=role, fork=fork, prompt=f"<{role}> 3 5 7 9 =24", prompt_ids=[], segments=segments, stop=stop)


def simulated(index: int, events: int, capacity: int) -> schedule.Schedule:
    """The schedule of one plan."""
    return schedule.simulate(plan(index, events, capacity))
