"""An episode's schedule in words: one sentence on why the latency is what it is, and what happened, step by step."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from asyncthink.schedule import Arrow, Interval, Schedule

LISTED = 5  # stretches of a critical path that a sentence can hold


class Event(NamedTuple):
    """What happened at a clock; a quotation of the model, or an empty one; 1 if it is on the critical path, else 0."""

    clock: int
    text: str
    quotation: str = ""
    critical: int = 0


def sentence(mode: str, schedules: Sequence[Schedule], plan: Mapping[str, Any]) -> str:
    """Why the latency is what it is, for a reader who does not know the paper. mode: asynchronous | sequential | ..."""
    if mode == "parallel":
        return _parallel(schedules)
    (schedule,) = schedules
    if schedule.format_error:
        said = broken(schedule.format_error, schedule, plan)
        return f"There is no latency, because of a format error: at step {schedule.elapsed:,} {said}."
    if not schedule.forks:
        asynchronous = mode == "asynchronous"
        alone = "Nothing was forked" if asynchronous else "One agent thinks alone, token after token"
        whose = "the organizer's own" if asynchronous else "its"
        return f"{alone}, so the latency of {steps(schedule.elapsed)} is {whose} {tokens(schedule.work)}."
    return _forked(schedule)


def _parallel(schedules: Sequence[Schedule]) -> str:
    work, slowest = sum(schedule.work for schedule in schedules), max(schedule.elapsed for schedule in schedules)
    last = next(number for number, schedule in enumerate(schedules, 1) if schedule.elapsed == slowest)
    unanswered = sum(schedule.format_error is not None for schedule in schedules)
    tail = f"; {unanswered} of the traces ended without an answer" if unanswered else ""
    return (
        f"{len(schedules)} traces of the same question run side by side: the slowest, trace {last}, sets the latency "
        f"of {steps(slowest)}, and together they decode {tokens(work)}{tail}."
    )


def _forked(schedule: Schedule) -> str:
    alone = f"one after another, the same tokens would take {steps(schedule.work)}"
    through = [stretch.fork for stretch in schedule.critical if stretch.fork is not None]
    if not through:
        ready = "every result that it joined was ready" if schedule.joins else "it joined no result"
        return (
            f"The answer comes after {steps(schedule.elapsed)}, all of them the organizer's own tokens, because "
            f"{ready}; {alone}."
        )
    late = {stretch.end for stretch in schedule.critical if stretch.fork is not None}  # other waits cost nothing
    waits = [each for each in schedule.lanes[0].intervals if each.kind == "wait" and each.end in late]
    waited = sum(wait.end - wait.start for wait in waits)
    why = f"because the organizer has to wait {steps(waited)} for {_names(sorted(set(through)))}"
    return f"The answer comes after {steps(schedule.elapsed)}, {_parts(schedule)}, {why}; {alone}."


def _parts(schedule: Schedule) -> str:
    lengths = [(stretch.fork, stretch.end - stretch.start) for stretch in schedule.critical]
    if len(lengths) > LISTED:
        own = sum(length for fork, length in lengths if fork is None)
        lengths = [(None, own), (0, schedule.elapsed - own)]
    who = {None: "the organizer", 0: "workers"}
    return " + ".join(f"{length:,} of {who.get(fork, f'worker {fork}')}" for fork, length in lengths)


def _names(forks: Sequence[int]) -> str:
    if len(forks) == 1:
        return f"worker {forks[0]}"
    return f"workers {', '.join(map(str, forks[:-1]))} and {forks[-1]}"


def broken(error: str, schedule: Schedule, plan: Mapping[str, Any]) -> str:
    """What the organizer did wrong, without a full stop."""
    done = [interval for interval in schedule.lanes[0].intervals if interval.kind != "wait"]
    last = plan["organizer"][len(done) - 1] if done else {}
    slots = plan.get("capacity", 1) - 1
    return {
        "duplicate_fork": f"the organizer forked sub-query {last.get('fork')} a second time",
        "pool_overflow": f"the organizer forked sub-query {last.get('fork')} while all {slots} worker slots were taken",
        "dangling_join": f"the organizer joined sub-query {last.get('join')}, which was not out with any worker",
        "no_answer": f"the trace stopped after {tokens(sum(i.end - i.start for i in done))}, without an answer",
    }[error]


def events(
    schedule: Schedule, plan: Mapping[str, Any], queries: Mapping[int, str], results: Mapping[int, str], answer: str
) -> list[Event]:
    """What happened, in the order of the clock.

    queries and results: what each worker was asked, and what was injected at its Join, by the id of its Fork.
    """
    waits = {interval.end: interval for interval in schedule.lanes[0].intervals if interval.kind == "wait"}
    critical = {stretch.fork for stretch in schedule.critical}
    ordered: list[tuple[int, Event]] = []  # events of one clock in the order: forked, done, joined, ended
    for arrow in schedule.arrows:
        on_path = int(arrow.fork in critical)
        if arrow.kind == "fork":
            text = f"The organizer forks sub-query {arrow.fork}; worker {arrow.fork} starts"
            ordered.append((0, Event(arrow.end, text, queries.get(arrow.fork, ""), on_path)))
        else:
            joined = _joined(arrow, waits.get(arrow.end), results.get(arrow.fork, ""), on_path)
            ordered += [(2, event) for event in joined]
    for lane in schedule.lanes[1:]:
        work = lane.intervals[0]
        text = f"Worker {lane.fork} is done, after {tokens(work.end - work.start)}"
        ordered.append((1, Event(work.end, text, critical=int(lane.fork in critical))))
    ordered.append((3, _ending(schedule, plan, answer)))
    return [event for _, event in sorted(ordered, key=lambda entry: (entry[1].clock, entry[0]))]


def _joined(arrow: Arrow, wait: Interval | None, result: str, critical: int) -> Iterator[Event]:
    if wait is None:
        yield Event(arrow.end, f"The organizer joins worker {arrow.fork}, ready since step {arrow.start:,}", result)
    else:
        yield Event(wait.start, f"The organizer joins worker {arrow.fork}, which is still at work, and waits")
        late = steps(wait.end - wait.start)
        text = f"The result of worker {arrow.fork} comes in, {late} after it was asked for"
        yield Event(arrow.end, text, result, critical)


def _ending(schedule: Schedule, plan: Mapping[str, Any], answer: str) -> Event:
    if not schedule.format_error:
        return Event(schedule.elapsed, "The answer is complete", answer, 1)
    said = broken(schedule.format_error, schedule, plan)
    return Event(schedule.elapsed, f"{said[0].upper()}{said[1:]}: a format error, which ends the episode")


def side_by_side(schedules: Sequence[Schedule]) -> list[Event]:
    """The ends of parallel traces."""
    slowest = max(schedule.elapsed for schedule in schedules)
    ends = []
    for number, schedule in enumerate(schedules, 1):
        text = f"Trace {number} {'ends without an answer' if schedule.format_error else 'answers'}"
        ends.append(Event(schedule.elapsed, text, critical=int(schedule.elapsed == slowest)))
    return sorted(ends, key=lambda event: event.clock)


def steps(count: int) -> str:
    """12 -> 12 steps."""
    return f"{count:,} step{'' if count == 1 else 's'}"


def tokens(count: int) -> str:
    """12 -> 12 tokens."""
    return f"{count:,} token{'' if count == 1 else 's'}"
