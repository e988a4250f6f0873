"""Critical-path latency: what an episode costs in decoding steps, whatever the hardware.

A plan says how many tokens each action of the organizer and each worker decoded. `simulate` runs it on the token clock:
the organizer adds 1 to the clock with each of its tokens; a worker forked when the clock reads t runs in steps t+1 to
t+q; at a Join the clock becomes max(clock, t+q); injected text costs nothing. `recursion` is the paper's own formula
for the same latency, written apart from it; a property test holds the two equal.

    T  the clock at the Answer
    a_t  agents that decode in step t, the organizer included (not while it waits)
    eta = sum(a_t for t = 1..T) / T,  between 1 and c

Nothing here knows text or models; the episode page draws `lanes`, `arrows` and `critical` as they are.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, NamedTuple

from asyncthink.errors import InputError

_KINDS = {"think": {"think"}, "fork": {"fork", "tokens"}, "join": {"join", "tokens"}, "answer": {"answer"}}
_SHAPES = {order for keys in _KINDS.values() for order in permutations(keys)}  # the keys of an action, in any order
_PLAN_KEYS = {"capacity", "organizer", "workers", "slot_release"}
_PUBLIC = ("format_error", "latency", "work", "concurrency", "concurrency_ratio", "forks", "joins")


class Interval(NamedTuple):
    """Steps start+1 to end of one agent: `kind` is think, fork, join, answer, work (a worker decodes) or wait."""

    kind: str
    start: int
    end: int


class Lane(NamedTuple):
    """What one agent did, in time order: the organizer has fork None, a worker the id of its Fork."""

    fork: int | None
    intervals: tuple[Interval, ...]


class Arrow(NamedTuple):
    """A sub-query on its way down (kind fork) or a result on its way up (kind join), from one clock to another."""

    kind: str
    fork: int
    start: int
    end: int


class Stretch(NamedTuple):
    """Steps start+1 to end of the critical path, in the lane of `fork` (None: the organizer's)."""

    fork: int | None
    start: int
    end: int


@dataclass(frozen=True)
class Schedule:
    """A plan that was run.

    On a format error latency, concurrency, concurrency_ratio are None, critical is empty, and the rest counts what ran
    up to and with the action in error; `elapsed` is always the organizer's clock at its end. Unjoined workers run on:
    their tokens all count in `work`, their steps up to the latency in `concurrency`.
    """

    format_error: str | None
    latency: int | None
    work: int
    concurrency: float | None
    concurrency_ratio: float | None
    forks: int
    forks_behind_joins: int
    joins: int
    elapsed: int
    unjoined: int
    lanes: tuple[Lane, ...]
    arrows: tuple[Arrow, ...]
    critical: tuple[Stretch, ...]


def contract(plan: Any) -> dict[str, Any]:
    """The public schedule of a plan from outside: checked, run, and null in every number on a format error."""
    validate(plan)
    schedule = simulate(plan)
    if schedule.format_error:
        return dict.fromkeys(_PUBLIC) | {"format_error": schedule.format_error}
    return {key: getattr(schedule, key) for key in _PUBLIC}


def simulate(plan: Mapping[str, Any]) -> Schedule:
    """Run a valid plan, event by event."""
    run = _Run(plan)
    for action in plan["organizer"]:
        if "answer" in action:
            run.decode("answer", action["answer"])
            return run.schedule(None)
        kind = "fork" if "fork" in action else "join" if "join" in action else "think"
        run.decode(kind, action["think" if kind == "think" else "tokens"])
        if error := getattr(run, kind)(action[kind]):
            return run.schedule(error)
    return run.schedule("no_answer")


class _Run:
    """The state of a simulation: the clock, the workers' spans, and what the page will draw."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.capacity = plan["capacity"]
        self.until_join = plan.get("slot_release", "join") == "join"
        self.tokens = {int(i): count for i, count in plan.get("workers", {}).items()}
        self.clock = self.own = self.late_forks = 0
        self.spans: dict[int, tuple[int, int]] = {}  # fork id: (clock at the Fork, clock when the worker is done)
        self.open: set[int] = set()  # forked and not joined
        self.ends: list[int] = []  # a heap: when the workers that still decode are done
        self.intervals: list[Interval] = []
        self.arrows: list[Arrow] = []

    def decode(self, kind: str, count: int) -> None:
        self.intervals.append(Interval(kind, self.clock, self.clock + count))
        self.clock += count
        self.own += count

    def think(self, _: int) -> None:
        """Thinking cannot go wrong."""

    def fork(self, i: int) -> str | None:
        if i in self.spans:
            return "duplicate_fork"
        while self.ends and self.ends[0] <= self.clock:
            heapq.heappop(self.ends)
        taken = self.open if self.until_join else self.ends
        if len(taken) >= self.capacity - 1:
            return "pool_overflow"
        end = self.clock + self.tokens[i]
        self.late_forks += len(self.open) < len(self.spans)
        self.spans[i] = (self.clock, end)
        self.open.add(i)
        heapq.heappush(self.ends, end)
        self.arrows.append(Arrow("fork", i, self.clock, self.clock))
        return None

    def join(self, i: int) -> str | None:
        if i not in self.open:
            return "dangling_join"
        self.open.remove(i)
        end = self.spans[i][1]
        if end > self.clock:
            self.intervals.append(Interval("wait", self.clock, end))
            self.clock = end
        self.arrows.append(Arrow("join", i, end, self.clock))
        return None

    def schedule(self, error: str | None) -> Schedule:
        latency = None if error else self.clock
        concurrency = ratio = None
        if latency is not None:
            busy = self.own + sum(min(end, latency) - start for start, end in self.spans.values())
            concurrency, ratio = busy / latency, busy / (latency * self.capacity)
        workers = [Lane(i, (Interval("work", start, end),)) for i, (start, end) in self.spans.items()]
        return Schedule(
            format_error=error,
            latency=latency,
            work=self.own + sum(end - start for start, end in self.spans.values()),
            concurrency=concurrency,
            concurrency_ratio=ratio,
            forks=len(self.spans),
            forks_behind_joins=self.late_forks,
            joins=len(self.spans) - len(self.open),
            elapsed=self.clock,
            unjoined=len(self.open),
            lanes=(Lane(None, tuple(self.intervals)), *workers),
            arrows=tuple(self.arrows),
            critical=() if error else self.critical_path(),
        )

    def critical_path(self) -> tuple[Stretch, ...]:
        """From the Answer back: where the organizer waited at a Join, the path runs through the worker to its Fork."""
        joined_at = {arrow.end: arrow.fork for arrow in self.arrows if arrow.kind == "join"}
        path: list[Stretch] = []
        end = self.clock
        for wait in reversed([interval.end for interval in self.intervals if interval.kind == "wait"]):
            if wait <= end:
                if wait < end:
                    path.append(Stretch(None, wait, end))
                worker = joined_at[wait]
                end = self.spans[worker][0]
                path.append(Stretch(worker, end, wait))
        if end > 0:
            path.append(Stretch(None, 0, end))
        return tuple(reversed(path))


def recursion(plan: Mapping[str, Any]) -> int:
    """Latency of a valid plan without a format error, by the formula of the paper (section on critical-path latency).

    The organizer's trace is cut at its Joins into fragments of f_1 ... f_{m+1} tokens. Fragment i ends with the Join of
    worker k, which was forked in fragment j <= i behind f_j^before of that fragment's tokens and decodes q_k tokens:

        l_0 = 0,   l_i = max(l_{i-1} + f_i,  l_{j-1} + f_j^before + q_k),   T = l_m + f_{m+1}
    """
    latencies = [0]
    fragment = 0
    forked: dict[int, tuple[int, int]] = {}  # worker: (j - 1, f_j^before)
    for action in plan["organizer"]:
        fragment += action.get("tokens") or action.get("think") or action["answer"]
        if "answer" in action:
            break
        if "fork" in action:
            forked[action["fork"]] = (len(latencies) - 1, fragment)
        elif "join" in action:
            before, offset = forked[action["join"]]
            returned = latencies[before] + offset + plan["workers"][str(action["join"])]
            latencies.append(max(latencies[-1] + fragment, returned))
            fragment = 0
    return latencies[-1] + fragment


def validate(plan: Any) -> None:
    """Raise InputError unless `plan` is one; a format error is not bad input."""
    if not isinstance(plan, dict):
        raise InputError(f"a plan is an object, not {_shown(plan)}")
    _known(plan, _PLAN_KEYS, "the plan")
    for key in ("capacity", "organizer"):
        if key not in plan:
            raise InputError(f"the plan has no {key}")
    _count(plan["capacity"], "capacity")
    if plan.get("slot_release", "join") not in ("join", "completion"):
        raise InputError(f"slot_release is {_shown(plan['slot_release'])}; allowed: join, completion")
    if not isinstance(plan["organizer"], list):
        raise InputError(f"organizer is a list of actions, not {_shown(plan['organizer'])}")
    workers = plan.get("workers", {})
    if not isinstance(workers, dict):
        raise InputError(f'workers is an object like {{"1": 25}}, not {_shown(workers)}')
    for key, count in workers.items():
        if not (key.isascii() and key.isdigit() and key[0] != "0" and len(key) <= 4300):
            raise InputError(f"workers: {_shown(key)} is not an id; ids are positive integers without leading zeros")
        _count(count, f"workers: {_shown(key)}")
    answered = False
    for place, action in enumerate(plan["organizer"], 1):
        if not _plain(action):
            _validate_action(action, f"action {place} of the organizer")
        answered = answered or "answer" in action
        if "fork" in action and not answered and str(action["fork"]) not in workers:
            raise InputError(f"action {place} of the organizer: worker {action['fork']} is not in workers")


def _plain(action: Any) -> bool:
    """Whether an action is one at first sight, as nearly all are."""
    if type(action) is not dict or tuple(action) not in _SHAPES:
        return False
    for count in action.values():  # noqa: SIM110 - `all` takes twice the time, and this is most of a plan's check
        if type(count) is not int or count < 1:
            return False
    return True


def _validate_action(action: Any, where: str) -> None:
    kinds = [kind for kind in _KINDS if isinstance(action, dict) and kind in action]
    if isinstance(action, dict):
        _known(action, {"think", "fork", "join", "answer", "tokens"}, where)
    if len(kinds) != 1:
        raise InputError(f"{where} is {_shown(action)}; it has exactly one of think, fork, join, answer")
    kind = kinds[0]
    _known(action, _KINDS[kind], where)
    if kind in ("fork", "join") and "tokens" not in action:
        raise InputError(f"{where}: {kind} has no tokens")
    for key, count in action.items():
        _count(count, f"{where}: {key}")


def _known(table: dict[str, Any], allowed: set[str], where: str) -> None:
    for key in table:
        if key not in allowed:
            raise InputError(f"{where}: unknown key {_shown(key)}; allowed: {', '.join(sorted(allowed))}")


def _count(value: Any, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{where} must be an integer of at least 1, not {_shown(value)}")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
