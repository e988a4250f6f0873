"""Critical-path latency: what an episode costs in decoding steps, whatever the hardware.

The organizer adds 1 to the clock with each of its tokens; a worker forked when the clock reads t runs in steps t+1 to
t+q; at a Join the clock becomes max(clock, t+q); injected text costs nothing. `Clock` is the one place where the clock
and the slots of the pool are kept: the runtime drives it while an episode is decoded, and `simulate` from a plan, which
says how many tokens each action of the organizer and each worker decoded. The paper's own formula for the same latency
(section on critical-path latency) stands in the tests, where random plans hold the two equal.

    T  the clock at the Answer
    a_t  agents that decode in step t, the organizer included (not while it waits)
    eta = sum(a_t for t = 1..T) / T,  between 1 and c

Nothing here knows models or tokens; the episode page draws `lanes`, `arrows` and `critical` as they are.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import permutations, starmap
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from asyncthink.errors import InputError
from asyncthink.protocol import Action, Answer, Fork, Join

Kind = Literal["think", "fork", "join", "answer"]
PlannedAction = dict[str, int]  # {"think": 12}, {"fork": 1, "tokens": 6}, {"join": 1, "tokens": 3} or {"answer": 4}

_ACTIONS = (("think",), ("fork", "tokens"), ("join", "tokens"), ("answer",))
_SHAPES = {order for keys in _ACTIONS for order in permutations(keys)}  # the keys of an action, in any order
_PLAN_KEYS = ("capacity", "organizer", "slot_release", "workers")
_PUBLIC = ("format_error", "latency", "work", "concurrency", "concurrency_ratio", "forks", "joins")


class Plan(TypedDict):
    """How many tokens each action of the organizer and each worker decoded, in the words of the public contract."""

    capacity: int
    organizer: list[PlannedAction]
    workers: NotRequired[dict[str, int]]
    slot_release: NotRequired[str]


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


NUMBERS = tuple(field.name for field in fields(Schedule) if field.name not in ("lanes", "arrows", "critical"))


def numbers(schedule: Schedule) -> dict[str, Any]:
    """What an episode records of its schedule."""
    return {name: getattr(schedule, name) for name in NUMBERS}


def side_by_side(plans: Sequence[Plan], answer: str | None, capacity: int) -> dict[str, Any]:
    """The numbers of parallel thinking: all traces start at 0, and the slowest decides (paper, section on latency).

    A trace that was cut takes part with the tokens that it decoded. No aggregated answer is the format error no_answer.
    """
    tokens = [simulate(plan).elapsed for plan in plans]
    elapsed, work = max(tokens), sum(tokens)
    nothing = dict.fromkeys(NUMBERS, 0) | {"work": work, "elapsed": elapsed}
    if answer is None:
        return nothing | {"format_error": "no_answer", "latency": None, "concurrency": None, "concurrency_ratio": None}
    return nothing | {
        "format_error": None,
        "latency": elapsed,
        "concurrency": work / elapsed,
        "concurrency_ratio": work / (elapsed * capacity),
    }


def plans(plan: Mapping[str, Any], mode: str, traces: int) -> list[Plan]:
    """The plans of a recorded episode, each checked: one, or of parallel thinking one for each trace."""
    each = plan.get("plans", [plan])
    if not isinstance(each, list) or not each:
        raise InputError(f"plan.plans is {_shown(each)}; wanted: a list of at least one plan")
    held = len(each) if "plans" in plan else 0
    if held != (traces if mode == "parallel" else 0):
        raise InputError(f"plan.plans holds {held:,}; wanted: {traces:,}, one a trace, if mode is parallel, else none")
    try:
        return list(map(validate, each))
    except InputError as error:
        raise InputError(f"plan: {error}") from None


def contract(plan: Any) -> dict[str, Any]:
    """The public schedule of a plan from outside: checked, run, and null in every number on a format error."""
    told = clocked(validate(plan)).numbers()
    if told["format_error"]:
        return dict.fromkeys(_PUBLIC) | {"format_error": told["format_error"]}
    return {key: told[key] for key in _PUBLIC}


def simulate(plan: Plan) -> Schedule:
    """What comes of a valid plan."""
    return clocked(plan).schedule()


def clocked(plan: Plan) -> "Clock":
    """Run a valid plan, event by event."""
    tokens = {int(i): count for i, count in plan.get("workers", {}).items()}
    clock = Clock(plan["capacity"], plan.get("slot_release", "join"), tokens)
    for action in plan["organizer"]:
        clock.act(*_read(action))
        if clock.over:
            break
    return clock


def format_error(actions: Iterable[Action], capacity: int | None) -> str | None:
    """The first format error in the organizer's order, or None (paper: the four cases of the format error reward).

    capacity is c, the organizer included; None is a pool without a limit. A slot is taken from Fork to Join, which is
    all that a text without token counts can tell. At a Fork a repeated id is looked at before the pool.
    """
    clock = Clock(math.inf if capacity is None else capacity, "join", defaultdict(int))
    for action in actions:
        match action:
            case Fork(id=i):
                clock.act("fork", 0, i)
            case Join(id=i):
                clock.act("join", 0, i)
            case Answer():
                clock.act("answer", 0)
        if clock.over:
            break
    return clock.format_error


def planned(kind: Kind, tokens: int, worker: int = 0) -> PlannedAction:
    """An action of the organizer as a plan says it."""
    return {kind: worker, "tokens": tokens} if kind in ("fork", "join") else {kind: tokens}


def _read(action: PlannedAction) -> tuple[Kind, int, int]:
    """The inverse of `planned`."""
    kind: Kind
    if "tokens" in action:
        kind = "fork" if "fork" in action else "join"
        return kind, action["tokens"], action[kind]
    kind = "answer" if "answer" in action else "think"
    return kind, action[kind], 0


class Clock:
    """The token clock of one episode and the slots of its pool, action by action, and what the page will draw.

    capacity is c, the organizer included. `workers` gives the tokens of each worker; one that still decodes may be
    missing there until its Join, until the end, or until `counts_ends` says that a Fork depends on it.
    """

    def __init__(self, capacity: float, slot_release: str, workers: Mapping[int, int]) -> None:
        self.now = 0
        self._capacity, self._until_join, self._workers = capacity, slot_release == "join", workers
        self._answered = False
        self._error: str | None = None
        self._own = self._late_forks = 0
        self._starts: dict[int, int] = {}  # the clock at each Fork
        self._open: set[int] = set()  # forked and not joined
        self._uncounted: list[int] = []  # forked since slots were counted last
        self._ends: list[int] = []  # a heap: when the workers that were counted and still decode are done
        self._intervals: list[tuple[str, int, int]] = []  # as they stand in Interval and Arrow, which take longer
        self._arrows: list[tuple[str, int, int, int]] = []

    @property
    def format_error(self) -> str | None:
        """The first format error; no_answer until the Answer."""
        return self._error or (None if self._answered else "no_answer")

    @property
    def forked(self) -> Iterable[int]:
        """The workers that have run."""
        return self._starts

    @property
    def over(self) -> bool:
        """Whether the organizer has come to its Answer or to an error."""
        return self._answered or self._error is not None

    @property
    def counts_ends(self) -> bool:
        """Whether the next Fork finds a slot depends on when the workers so far end."""
        return not self._until_join and len(self._starts) >= self._capacity - 1

    def act(self, kind: Kind, tokens: int, worker: int = 0) -> None:
        """The organizer's next action, decoded in so many tokens; of a Fork or a Join also the id."""
        end = self.now + tokens
        self._intervals.append((kind, self.now, end))
        self.now = end
        self._own += tokens
        match kind:
            case "fork":
                self._error = self._fork(worker)
            case "join":
                self._error = self._join(worker)
            case "answer":
                self._answered = True

    def _fork(self, i: int) -> str | None:
        if i in self._starts:
            return "duplicate_fork"
        if self._taken() >= self._capacity - 1:
            return "pool_overflow"
        self._late_forks += len(self._open) < len(self._starts)
        self._starts[i] = self.now
        self._open.add(i)
        self._uncounted.append(i)
        self._arrows.append(("fork", i, self.now, self.now))
        return None

    def _taken(self) -> int:
        """Slots that are taken at this clock, or as many as could be where that is fewer than there are."""
        if not self.counts_ends:
            return len(self._open) if self._until_join else len(self._starts)
        for i in self._uncounted:
            heapq.heappush(self._ends, self._end(i))
        self._uncounted.clear()
        while self._ends and self._ends[0] <= self.now:
            heapq.heappop(self._ends)
        return len(self._ends)

    def _join(self, i: int) -> str | None:
        if i not in self._open:
            return "dangling_join"
        self._open.remove(i)
        end = self._end(i)
        if end > self.now:
            self._intervals.append(("wait", self.now, end))
            self.now = end
        self._arrows.append(("join", i, end, self.now))
        return None

    def _end(self, i: int) -> int:
        """The clock when worker i is done."""
        return self._starts[i] + self._workers[i]

    def numbers(self) -> dict[str, Any]:
        """What an episode records of its schedule; by now `workers` knows all that were forked."""
        latency = None if self.format_error else self.now
        concurrency = ratio = None
        if latency is not None:
            busy = self._own + sum(min(self._end(i), latency) - start for i, start in self._starts.items())
            concurrency, ratio = busy / latency, busy / (latency * self._capacity)
        return {
            "format_error": self.format_error,
            "latency": latency,
            "work": self._own + sum(self._workers[i] for i in self._starts),
            "concurrency": concurrency,
            "concurrency_ratio": ratio,
            "forks": len(self._starts),
            "forks_behind_joins": self._late_forks,
            "joins": len(self._starts) - len(self._open),
            "elapsed": self.now,
            "unjoined": len(self._open),
        }

    def schedule(self) -> Schedule:
        """The same, with what the page draws."""
        workers = [Lane(i, (Interval("work", start, self._end(i)),)) for i, start in self._starts.items()]
        return Schedule(
            **self.numbers(),
            lanes=(Lane(None, tuple(starmap(Interval, self._intervals))), *workers),
            arrows=tuple(starmap(Arrow, self._arrows)),
            critical=() if self.format_error else self._critical_path(),
        )

    def _critical_path(self) -> tuple[Stretch, ...]:
        """From the Answer back: where the organizer waited at a Join, the path runs through the worker to its Fork."""
        joined_at = {clock: i for kind, i, _, clock in self._arrows if kind == "join"}
        path: list[Stretch] = []
        end = self.now
        for wait in reversed([clock for kind, _, clock in self._intervals if kind == "wait"]):
            if wait <= end:
                if wait < end:
                    path.append(Stretch(None, wait, end))
                worker = joined_at[wait]
                end = self._starts[worker]
                path.append(Stretch(worker, end, wait))
        if end > 0:
            path.append(Stretch(None, 0, end))
        return tuple(reversed(path))


def validate(plan: Any) -> Plan:
    """A value as the plan that it is, or InputError; a format error is not bad input."""
    if not isinstance(plan, dict):
        raise InputError(f"a plan is an object, not {_shown(plan)}")
    for key in plan:
        if key not in _PLAN_KEYS:
            raise InputError(f"the plan: unknown key {_shown(key)}; allowed: {', '.join(_PLAN_KEYS)}")
    for key in ("capacity", "organizer"):
        if key not in plan:
            raise InputError(f"the plan has no {key}")
    workers, release = plan.get("workers", {}), plan.get("slot_release", "join")
    _count(plan["capacity"], "capacity")
    if release not in ("join", "completion"):
        raise InputError(f"slot_release is {_shown(release)}; allowed: join, completion")
    if not isinstance(plan["organizer"], list):
        raise InputError(f"organizer is a list of actions, not {_shown(plan['organizer'])}")
    _validate_workers(workers)
    answered = False
    for number, action in enumerate(plan["organizer"], 1):
        if not _plain(action):
            _validate_action(action, f"action {number} of the organizer")
        answered = answered or "answer" in action
        if "fork" in action and not answered and str(action["fork"]) not in workers:
            raise InputError(f"action {number} of the organizer: worker {action['fork']} is not in workers")
    return Plan(capacity=plan["capacity"], organizer=plan["organizer"], workers=workers, slot_release=release)


def _validate_workers(workers: Any) -> None:
    if not isinstance(workers, dict):
        raise InputError(f'workers is an object like {{"1": 25}}, not {_shown(workers)}')
    for key, count in workers.items():
        if not (key.isascii() and key.isdigit() and key[0] != "0" and len(key) <= 4300):
            raise InputError(f"workers: {_shown(key)} is not an id; ids are positive integers without leading zeros")
        _count(count, f"workers: {_shown(key)}")


def _plain(action: Any) -> bool:
    """Whether an action is one at first sight, as nearly all are."""
    if type(action) is not dict or tuple(action) not in _SHAPES:
        return False
    for count in action.values():  # noqa: SIM110 - `all` takes twice the time, and this is most of a plan's check
        if type(count) is not int or count < 1:
            return False
    return True


def _validate_action(action: Any, where: str) -> None:
    if not isinstance(action, dict) or set(action) not in map(set, _ACTIONS):
        allowed = ", ".join(" and ".join(keys) for keys in _ACTIONS)
        raise InputError(f"{where} is {_shown(action)}; it has one of: {allowed}")
    for key, count in action.items():
        _count(count, f"{where}: {key}")


def _count(value: Any, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{where} must be an integer of at least 1, not {_shown(value)}")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
