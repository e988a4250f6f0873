"""An episode's schedule in words: one sentence on why the latency is what it is, and what happened, step by step."""

from collections.abc import Mapping, Sequence
from typing import Any

from asyncthink.schedule import Arrow, Interval, Schedule

Event = list[Any]  # [clock, text, quotation of the model or "", on the critical path: 0 or 1]

LISTED = 5  # stretches of a critical path that a sentence can hold


def sentence(mode: str, schedules: Sequence[Schedule], plan: Mapping[str, Any]) -> str:
    """Why the latency is what it is, for a reader who does not know the paper. mode: asynchronous | sequential | ..."""
    if mode == "parallel":
        return _parallel(schedules)
    (schedule,) = schedules
    if schedule.format_error:
        return f"There is no latency, because of a format error: at step {schedule.elapsed:,} {broken(schedule, plan)}."
    if not schedule.forks:
        asynchronous = mode == "asynchronous"
        alone = "Nothing was forked" if asynchronous else "One agent thinks alone, token after token"
        whose = "the organizer's own" if asynchronous else "its"
        return f"{alone}, so the latency of {steps(schedule.latency)} is {whose} {tokens(schedule.work)}."
    return _forked(schedule)


def _parallel(schedules: Sequence[Schedule]) -> str:
    work, slowest = sum(schedule.work for schedule in schedules), max(schedule.elapsed for schedule in schedules)
    last = next(place for place, schedule in enumerate(schedules, 1) if schedule.elapsed == slowest)
    unanswered = sum(schedule.format_error is not None for schedule in schedules)
    tail = f"; {unanswered} of the traces ended without an answer" if unanswered else ""
    return (
        f"{len(schedules)} traces of the same question run side by side: the slowest, trace {last}, sets the latency "
        f"of {steps(slowest)}, and together they decode {tokens(work)}{tail}."
    )


def _forked(schedule: Schedule) -> str:
    waited = sum(interval.end - interval.start for interval in schedule.lanes[0].intervals if interval.kind == "wait")
    alone = f"one after another, the same tokens would take {steps(schedule.work)}"
    through = [stretch.fork for stretch in schedule.critical if stretch.fork is not None]
    if not through:
        ready = "every result that it joined was ready" if schedule.joins else "it joined no result"
        return (
            f"The answer comes after {steps(schedule.latency)}, all of them the organizer's own tokens, because "
            f"{ready}; {alone}."
        )
    why = f"because the organizer has to wait {steps(waited)} for {_names(sorted(set(through)))}"
    return f"The answer comes after {steps(schedule.latency)}, {_parts(schedule)}, {why}; {alone}."


def _parts(schedule: Schedule) -> str:
    lengths = [(stretch.fork, stretch.end - stretch.start) for stretch in schedule.critical]
    if len(lengths) > LISTED:
        own = sum(length for fork, length in lengths if fork is None)
        lengths = [(None, own), (0, schedule.latency - own)]
    who = {None: "the organizer", 0: "workers"}
    return " + ".join(f"{length:,} of {who.get(fork, f'worker {fork}')}" for fork, length in lengths)


def _names(forks: Sequence[int]) -> str:
    if len(forks) == 1:
        return f"worker {forks[0]}"
    return f"workers {', '.join(map(str, forks[:-1]))} and {forks[-1]}"


def broken(schedule: Schedule, plan: Mapping[str, Any]) -> str:
    """What the organizer did wrong, without a full stop."""
    done = [interval for interval in schedule.lanes[0].intervals if interval.kind != "wait"]
    last = plan["organizer"][len(done) - 1] if done else {}
    slots = plan.get("capacity", 1) - 1
    return {
        "duplicate_fork": f"the organizer forked sub-query {last.get('fork')} a second time",
        "pool_overflow": f"the organizer forked sub-query {last.get('fork')} while all {slots} worker slots were taken",
        "dangling_join": f"the organizer joined sub-query {last.get('join')}, which was not out with any worker",
        "no_answer": f"the trace stopped after {tokens(sum(i.end - i.start for i in done))}, without an answer",
    }[schedule.format_error]


def events(
    schedule: Schedule, plan: Mapping[str, Any], queries: Mapping[int, str], results: Mapping[int, str], answer: str
) -> list[Event]:
    """What happened, in the order of the clock.

    queries and results: what each worker was asked, and what was injected at its Join, by the id of its Fork.
    """
    waits = {interval.end: interval for interval in schedule.lanes[0].intervals if interval.kind == "wait"}
    critical = {stretch.fork for stretch in schedule.critical}
    found: list[tuple[int, Event]] = []  # events of one clock in the order: forked, done, joined, ended
    for arrow in schedule.arrows:
        make = _fork_events if arrow.kind == "fork" else _join_events
        found += make(arrow, waits.get(arrow.end), queries, results, arrow.fork in critical)
    for lane in schedule.lanes[1:]:
        work = lane.intervals[0]
        text = f"Worker {lane.fork} is done, after {tokens(work.end - work.start)}"
        found.append((1, [work.end, text, "", int(lane.fork in critical)]))
    found.append((3, _ending(schedule, plan, answer)))
    return [event for _, event in sorted(found, key=lambda entry: (entry[1][0], entry[0]))]


def _ending(schedule: Schedule, plan: Mapping[str, Any], answer: str) -> Event:
    if not schedule.format_error:
        return [schedule.elapsed, "The answer is complete", answer, 1]
    said = broken(schedule, plan)
    return [schedule.elapsed, f"{said[0].upper()}{said[1:]}: a format error, which ends the episode", "", 0]


def side_by_side(schedules: Sequence[Schedule]) -> list[Event]:
    """The ends of parallel traces."""
    slowest = max(schedule.elapsed for schedule in schedules)
    rows = [
        [schedule.elapsed, f"Trace {place} {'ends without an answer' if schedule.format_error else 'answers'}", "", 0]
        for place, schedule in enumerate(schedules, 1)
    ]
    return sorted(([*row[:3], int(row[0] == slowest)] for row in rows), key=lambda row: row[0])


def _fork_events(arrow: Arrow, wait: Interval | None, queries: Mapping, results: Mapping, critical: bool) -> list:
    text = f"The organizer forks sub-query {arrow.fork}; worker {arrow.fork} starts"
    return [(0, [arrow.end, text, queries.get(arrow.fork, ""), int(critical)])]


def _join_events(arrow: Arrow, wait: Interval | None, queries: Mapping, results: Mapping, critical: bool) -> list:
    result = results.get(arrow.fork, "")
    if wait is None:
        text = f"The organizer joins worker {arrow.fork}, ready since step {arrow.start:,}"
        return [(2, [arrow.end, text, result, 0])]
    asks = [wait.start, f"The organizer joins worker {arrow.fork}, which is still at work, and waits", "", 0]
    text = f"The result of worker {arrow.fork} comes in, {steps(wait.end - wait.start)} after it was asked for"
    return [(2, asks), (2, [arrow.end, text, result, int(critical)])]


def steps(count: int) -> str:
    """12 -> 12 steps."""
    return f"{count:,} step{'' if count == 1 else 's'}"


def tokens(count: int) -> str:
    """12 -> 12 tokens."""
    return f"{count:,} token{'' if count == 1 else 's'}"
