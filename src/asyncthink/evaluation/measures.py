"""What is measured on one episode, in one pass over it: numbers, nan where an episode has no such number.

All of it follows from the episode's own record: the plan gives the schedule, the answer gives the score, the traces
give the rest. A latency of a broken episode does not exist (paper: T is defined up to the Answer), so `latency` is nan
there; `elapsed`, the clock at which the episode ended, is there for every episode.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean
from typing import Any

from asyncthink import protocol
from asyncthink.episode import Episode, Trace
from asyncthink.errors import InputError
from asyncthink.evaluation.optimum import least_latency
from asyncthink.schedule import clocked, plans, side_by_side
from asyncthink.synthesis.structures import topology
from asyncthink.tasks import TASKS, branch_predictor
from asyncthink.tasks.countdown_search import Numbers, sorted_numbers
from asyncthink.thinking import organization

Words = tuple[str, ...]

NAN = float("nan")
NO_RESULT = frozenset({"", "none"})  # what a worker returns when its search was in vain
MOST_READ = 8  # expressions of an answer that are read
POSITIONS = 8  # branches handed out of which a hit rate is told by position


@dataclass(frozen=True)
class Measures:
    """The numbers of one episode by name, in a fixed order; how many answers its item asks for; where it stands.

    position: split and index of its item, then the sample. structure: the name of the organizer's, empty without a
    Fork; None for the ways of thinking without an organizer.
    """

    position: tuple[str, int, int]
    required: int
    values: dict[str, float]
    structure: str | None


def measures(episode: Episode) -> Measures:
    """Every measure of one scored episode."""
    asynchronous = episode.mode == "asynchronous"
    actions = organizer_actions(episode)
    values = {**_answer(episode), **_clock(episode), **_format(episode), **_queries(episode, actions)}
    if organization.is_readable(episode):
        values |= _organization(episode)
    if "solutions" in episode.item:
        values["solutions"] = float(episode.item["solutions"])
    structure = topology(moves(actions)) if asynchronous else None
    return Measures(position(episode), required(episode.item), values, structure)


def position(episode: Episode) -> tuple[str, int, int]:
    """Where an episode stands: split and index of its item, then the sample."""
    return str(episode.key.get("split", "")), int(episode.key.get("index", 0)), int(episode.key.get("sample", 0))


def scored(episode: Episode) -> Episode:
    """The episode with schedule and score computed again from its plan and its answer, whatever was recorded."""
    ran = plans(episode.plan, episode.mode, len(episode.traces))
    if episode.mode == "parallel":
        if episode.answer is not None and not any(plan["organizer"] for plan in ran):
            raise InputError("there is an answer, and no trace of the plan decoded a token")
        schedule = side_by_side(ran, episode.answer, episode.capacity)
    else:
        clock = clocked(ran[0])
        if without := set(clock.forked) - {trace.fork for trace in episode.traces[1:]}:
            raise InputError(f"worker {min(without)} of the plan has no trace")
        schedule = clock.numbers()
    return replace(episode, schedule=schedule, score=dict(organization.grader(episode)(episode.answer)))


def union_scored(episode: Episode) -> Episode:
    """A parallel episode scored by all that its traces found together, in place of their vote."""
    answers = [protocol.answer(trace.actions) for trace in episode.traces]
    return replace(episode, score=dict(TASKS[episode.task].union(episode.item, answers)))


def _answer(episode: Episode) -> dict[str, float]:
    score, wanted = episode.score, required(episode.item)
    return {
        "accuracy": float(score["accuracy"]),
        "correct": float(score["correct"]),
        "all_correct": float(score["correct"] >= wanted),
        "offered": float(score["offered"]),
        "string_distinct": float(string_distinct(episode)),
        **{name: float(score[name]) for name in ("out_of_time",) if name in score},
    }


def _clock(episode: Episode) -> dict[str, float]:
    schedule, right = episode.schedule, episode.score["accuracy"] == 1
    ratio = _number(schedule["concurrency_ratio"])
    return {
        "latency": _number(schedule["latency"]),
        "elapsed": _number(schedule["elapsed"]),
        "work": float(sum(decoded(trace) for trace in episode.traces)),
        "concurrency_ratio": ratio,
        "concurrency_ratio_right": ratio if right else NAN,
        "concurrency_ratio_wrong": NAN if right else ratio,
    }


def _format(episode: Episode) -> dict[str, float]:
    error = episode.schedule["format_error"]
    return {"valid": float(error is None)} | {name: float(error == name) for name in protocol.FORMAT_ERRORS}


def _queries(episode: Episode, actions: Sequence[protocol.Action]) -> dict[str, float]:
    """Counts over one episode's Forks: reward hacking shows itself in sub-queries that serve nothing."""
    forks = [action for action in actions if isinstance(action, protocol.Fork)]
    joined = {action.id for action in actions if isinstance(action, protocol.Join)}
    queries = [" ".join(fork.query.split()) for fork in forks]
    workers = {trace.fork: trace for trace in episode.traces[1:]}
    returns = {i: _parts(workers[i].returned) for i in joined & workers.keys()}
    answered = _parts(episode.answer) if "required" in episode.item else None
    used = [_serves(returns.get(fork.id, ()), answered) for fork in forks]
    return {
        "forks": float(len(forks)),
        "joins": float(sum(isinstance(action, protocol.Join) for action in actions)),
        "empty_queries": float(queries.count("")),
        "duplicate_queries": float(len(queries) - len(set(queries))),
        "unused_queries": float(used.count(False)),
        "unjoined_workers": float(sum(fork.id not in joined for fork in forks)),
        "cut_workers": float(sum(t.role == "worker" and t.stop != "return" for t in episode.traces)),
    }


def _organization(episode: Episode) -> dict[str, float]:
    """Which branches an organizer handed out, by position, beside chance and the best order that the numbers tell.

    tokens_after is the clock from the last solution that was asked for to the Answer; regret is T / T* where all are
    right, with T* the least latency of an organizer that knows where the hits are.
    """
    item, hit = episode.item, organization.hits(episode.item)
    best = [list(hit.values())[place] for place in _best_order(sorted_numbers(item), item["target"])]
    begun = organization.searches(episode)
    new = organization.first_times(begun)
    forked = [search for search in new if search.forked]
    valid = episode.schedule["format_error"] is None
    solved = valid and episode.score["accuracy"] == 1
    return {
        **organization.counted(begun, new, hit),
        "chance": fmean(hit.values()),
        **_by_position("hit", [hit.get(search.name, False) for search in forked]),
        **_by_position("predicted", best[: len(forked)]),
        "tokens_after": organization.tokens_after(episode) if valid else NAN,
        "regret": episode.schedule["elapsed"] / _least_latency(item, episode.capacity) if solved else NAN,
    }


def _by_position(name: str, found: Sequence[bool]) -> dict[str, float]:
    """Whether each of the first branches is a hit; once there is one, nan for those that follow none.

    So all seeds of an arm have the same measures, although not every one hands out as many branches.
    """
    padded = [*map(float, found), *[NAN] * POSITIONS]
    return {f"{name}_{k + 1}": padded[k] for k in range(POSITIONS if found else 0)}


@lru_cache(maxsize=organization.CACHED)
def _best_order(numbers: Numbers, target: int) -> list[int]:
    return branch_predictor.of_the_game().order({"numbers": numbers, "target": target})


def _least_latency(item: dict[str, Any], capacity: int) -> float:
    """T*; nan for an item whose solutions lie outside the search."""
    try:
        return least_latency(item, capacity)
    except ValueError:
        return NAN


def required(item: dict[str, Any]) -> int:
    """How many different answers an item asks for; one, where it does not say."""
    return int(item.get("required", 1))


def decoded(trace: Trace) -> int:
    """Tokens that the model decoded, from the segments: records without token ids have them too."""
    return sum(segment.tokens for segment in trace.segments if not segment.injected)


def organizer_actions(episode: Episode) -> list[protocol.Action]:
    """The organizer's actions up to the Answer; none for the ways of thinking without an organizer."""
    return episode.traces[0].actions if episode.mode == "asynchronous" else []


def moves(actions: Sequence[protocol.Action]) -> list[str]:
    """The organizer's Forks and Joins with ids renumbered in the order of the Forks: ["F1", "F2", "J1", "J2"]."""
    names: dict[int, int] = {}
    named = []
    for action in actions:
        if isinstance(action, protocol.Fork):
            names[action.id] = len(names) + 1
            named.append(f"F{names[action.id]}")
        elif isinstance(action, protocol.Join) and action.id in names:
            named.append(f"J{names[action.id]}")
    return named


def pieces(text: str | None) -> tuple[str, ...]:
    """The parts of an answer, without white space; none of a search in vain."""
    return tuple("".join(words) for words in _parts(text))


@lru_cache(maxsize=organization.CACHED)
def _parts(text: str | None) -> tuple[Words, ...]:
    """The parts of an answer or of what a worker returned, as numbers and signs; none of a search in vain."""
    parts = [tuple(re.findall(r"\d+|\S", part)) for part in (text or "").replace("\n", ";").split(";")]
    return tuple(words for words in parts if "".join(words) not in NO_RESULT)


def _serves(returned: Sequence[Words], answered: Sequence[Words] | None) -> bool:
    """Whether a part of what came back is in the answer, or begins as one there: a worker may return its whole line.

    Of a single answer (None) no text tells, so anything serves it.
    """
    if answered is None:
        return bool(returned)
    return any(words[: len(part)] == part for words in returned for part in answered)


def string_distinct(episode: Episode) -> int:
    """Correct expressions that differ as strings; the canonical count is `correct`. One answer counts as it scores."""
    if "required" not in episode.item:
        return int(episode.score["correct"])
    grade = organization.grader(episode)
    return sum(grade(expression)["correct"] > 0 for expression in set(pieces(episode.answer)[:MOST_READ]))


def _number(value: Any) -> float:
    return NAN if value is None else float(value)
