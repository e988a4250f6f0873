"""The fork-join timeline of one episode, laid out once and painted twice: on the episode page and as an SVG file.

`scene` turns schedules into marks, `[kind, class, ...numbers]`, with x in decoding steps and y in pixels, because only
a painter knows how wide a step is. A text mark carries the steps that it has room for and its variants, longest first;
a painter takes the first that fits, or none. The two painters, timeline_picture.py and page/timeline.js, know nothing
of thinking, and the rules of page/timeline.css dress both.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from itertools import count as naturals
from typing import Any, TypedDict

from asyncthink.schedule import Arrow, Interval, Lane, Schedule

Mark = list[Any]


class Scene(TypedDict):
    """The marks of a timeline, which is so many decoding steps wide and so many pixels high."""

    span: int
    height: int
    marks: list[Mark]


TOP, BAR, PITCH = 64, 20, 58  # pixels: the first lane's upper edge, a lane's thickness, from lane to lane
UNDERLINE = BAR + 5  # the critical path, below a lane's upper edge
STRIP, AXIS = 30, 22  # pixels of the strip that counts active agents, and of the axis below it
ANY = 10**9  # room without a limit
CROWDED = 0.08  # of the span: labels that are nearer to each other stand in different rows
LABEL_ROWS = (6, 19, 32)  # pixels above a lane

TAGS = {"fork": ("fork {0}", "↓{0}"), "join": ("join {0}", "↑{0}"), "answer": ("answer",)}


def scene(
    mode: str,
    schedules: Sequence[Schedule],
    plans: Sequence[Mapping[str, Any]],
    error: str | None,
    queries: Mapping[int, str],
    in_sequence: bool = False,
) -> Scene:
    """Lay out one schedule with its organizer and workers, or those of parallel traces one below another.

    mode: asynchronous | sequential | parallel. error: the episode's format error. queries: what each worker was asked,
    by the id of its Fork. in_sequence: one lane more, of the same tokens one after another.
    """
    lanes, names = _lanes(mode, schedules)
    stop = max(schedule.elapsed for schedule in schedules)
    sequence = _sequence(len(lanes), lanes) if in_sequence else []
    span = max(
        [stop, *(interval.end for lane in lanes for interval in lane.intervals), *(bar[3] for bar in sequence[:-1])]
    )
    names += ["sequence"] * in_sequence
    floor = TOP + len(names) * PITCH
    marks: list[Mark] = [["line", "lane", 0, TOP - 4, 0, floor + STRIP]]
    for row, name in enumerate(names):
        marks += [["line", "lane", 0, _y(row) + BAR // 2, span, _y(row) + BAR // 2]]
        marks += [["name", "strong", _y(row) + BAR - 6, name]]
    marks += _path(_stretches(schedules))
    marks += _arrows(schedules[0])
    marks += _end(error, stop, span, floor)
    for row, lane in enumerate(lanes):
        marks += _bars(row, lane, stop, _joined(schedules[0]))
        marks += _heading(row, lane, queries, span)
    marks += sequence
    for row, (schedule, plan) in enumerate(zip(schedules, plans, strict=True)):
        marks += _tag_labels(row, schedule, plan)
    marks += _active(lanes, max(plan["capacity"] for plan in plans), stop, floor) + _axis(span, floor + STRIP)
    return {"span": span, "height": floor + STRIP + AXIS, "marks": marks}


def _lanes(mode: str, schedules: Sequence[Schedule]) -> tuple[list[Lane], list[str]]:
    if mode == "parallel":
        return [schedule.lanes[0] for schedule in schedules], [f"trace {i + 1}" for i in range(len(schedules))]
    first = {"asynchronous": "organizer"}.get(mode, "one trace")
    lanes = list(schedules[0].lanes)
    return lanes, [first if lane.fork is None else f"worker {lane.fork}" for lane in lanes]


def _sequence(row: int, lanes: Sequence[Lane]) -> list[Mark]:
    """What every agent decodes, agent after agent; the last mark says how much it is."""
    marks: list[Mark] = []
    clock = 0
    for number, lane in enumerate(lanes):
        decoded = sum(each.end - each.start for each in lane.intervals if each.kind != "wait")
        marks.append(["bar", "work" if number else "think", clock, clock + decoded, _y(row), BAR])
        clock += decoded
    words = [f"{clock:,} steps one after another", f"{clock:,} steps"]
    return [*marks, ["text", "within", clock / 2, _y(row) + BAR - 6, "middle", clock, *words]]


def _y(row: int) -> int:
    return TOP + row * PITCH


def _joined(schedule: Schedule) -> dict[int, Arrow]:
    """The Join that ends at each clock; there is at most one, because a Join's own tag takes a step."""
    return {arrow.end: arrow for arrow in schedule.arrows if arrow.kind == "join"}


def _stretches(schedules: Sequence[Schedule]) -> list[tuple[int, int, int]]:
    """The critical path as (row, start, end); of parallel traces it is the slowest."""
    if len(schedules) > 1:
        slowest = max(range(len(schedules)), key=lambda index: schedules[index].elapsed)
        return [(slowest, 0, schedules[slowest].elapsed)]
    rows = {lane.fork: row for row, lane in enumerate(schedules[0].lanes)}
    return [(rows[stretch.fork], stretch.start, stretch.end) for stretch in schedules[0].critical]


def _path(stretches: Sequence[tuple[int, int, int]]) -> list[Mark]:
    """One line from step 0 to the Answer under all that the latency is made of, each stretch with its length."""
    if not stretches:
        return []
    points = [[clock, _y(row) + UNDERLINE] for row, start, end in stretches for clock in (start, end)]
    labels = [
        ["text", "critical", (start + end) / 2, _y(row) + UNDERLINE + 13, "middle", end - start, f"{end - start:,}"]
        for row, start, end in stretches
    ]
    sums = " + ".join(f"{end - start:,}" for _, start, end in stretches)
    stop = stretches[-1][2]
    whole = [f"critical path: {sums} = {stop:,}"] if len(stretches) > 1 else []
    total = ["text", "critical", 0, 14, "start", 0.6 * stop, *whole, "critical path"]
    return [["path", "critical", points], total, *labels]


def _arrows(schedule: Schedule) -> list[Mark]:
    """Forks go down where the worker starts; a result waits in the worker's lane for its Join, then goes up."""
    rows = {lane.fork: row for row, lane in enumerate(schedule.lanes)}
    turns = {stretch.start for stretch in schedule.critical}
    marks: list[Mark] = []
    for arrow in schedule.arrows:
        y, name = _y(rows[arrow.fork]), "critical" if arrow.end in turns else "link"
        foot, tip, rise = (y, y, -1) if arrow.kind == "fork" else (y + BAR // 2, _y(0) + BAR, 1)
        if name == "link":  # the critical path draws its own
            marks.append(["line", name, arrow.end, _y(0) + BAR, arrow.end, foot])
        if arrow.kind == "join" and arrow.end > arrow.start:
            marks += _ready(arrow, y)
        marks.append(["arrow", name, arrow.end, tip, rise])
    return marks


def _ready(join: Arrow, y: int) -> list[Mark]:
    length, middle = join.end - join.start, (join.start + join.end) / 2
    words = ["text", "soft", middle, y + BAR + 6, "middle", length, f"ready {length:,} steps before its join", "ready"]
    return [["line", "ready", join.start, y + BAR // 2, join.end, y + BAR // 2], words]


def _bars(row: int, lane: Lane, stop: int, joined: Mapping[int, Arrow]) -> list[Mark]:
    """The intervals of one lane; steps after the end of the episode are paler, because nothing waits for them."""
    marks: list[Mark] = []
    for interval in lane.intervals:
        start, end = interval.start, interval.end
        if start < stop:
            marks.append(["bar", interval.kind, start, min(end, stop), _y(row), BAR])
        if end > stop:
            marks.append(["bar", "late", max(start, stop), end, _y(row), BAR])
        label = _bar_label(interval, joined)
        if label:
            name = "waiting" if interval.kind == "wait" else "within"
            marks.append(["text", name, (start + end) / 2, _y(row) + BAR - 6, "middle", end - start, *label])
    return marks


def _bar_label(interval: Interval, joined: Mapping[int, Arrow]) -> list[str]:
    count = interval.end - interval.start
    plural = "" if count == 1 else "s"
    if interval.kind == "wait":
        waits = f"waits {count:,} step{plural}"
        return [f"{waits} for worker {joined[interval.end].fork}", waits, f"waits {count:,}", f"{count:,}"]
    return [f"{count:,} token{plural}", f"{count:,}"] if interval.kind in ("think", "work") else []


def _heading(row: int, lane: Lane, queries: Mapping[int, str], span: int) -> list[Mark]:
    """What a worker was asked, in one line above its lane."""
    line = " ".join(queries.get(lane.fork, "").split()) if lane.fork is not None else ""
    if not line or not lane.intervals:
        return []
    start = lane.intervals[0].start
    variants = [line if len(line) <= length else line[:length] + "…" for length in (60, 40, 24, 12)]
    return [["text", "soft aside", start, _y(row) - 6, "start", span - start, *dict.fromkeys(variants)]]


def _tag_labels(row: int, schedule: Schedule, plan: Mapping[str, Any]) -> list[Mark]:
    """Above the lane: each tag where it begins, crowded ones in different rows, with room up to the next of its row."""
    done = [interval for interval in schedule.lanes[0].intervals if interval.kind != "wait"]
    tags = [(done[i], action) for i, action in enumerate(plan["organizer"][: len(done)]) if "think" not in action]
    nearest, marks = CROWDED * schedule.elapsed, []
    heights = _heights([tag.start for tag, _ in tags], nearest)
    for number, (tag, action) in enumerate(tags):
        ahead = [other.start for (other, _), height in zip(tags, heights, strict=True) if height == heights[number]]
        following = [start for start in ahead if start > tag.start]
        room = (following[0] if following else max(schedule.elapsed, tag.start + nearest)) - tag.start
        y = _y(row) - heights[number]
        last = schedule.elapsed - tag.start < nearest
        variants = [variant.format(action.get(tag.kind)) for variant in TAGS[tag.kind]]
        marks.append(["text", "tagged", *((tag.end, y, "end") if last else (tag.start, y, "start")), room, *variants])
    return marks


def _heights(starts: Sequence[int], nearest: float) -> list[int]:
    """A row for each label: the lowest in which the last one is far enough back, else where it is farthest."""
    last = dict.fromkeys(LABEL_ROWS, -math.inf)
    heights = []
    for start in starts:
        free = [height for height in LABEL_ROWS if start - last[height] >= nearest]
        heights.append(free[0] if free else min(LABEL_ROWS, key=last.__getitem__))
        last[heights[-1]] = start
    return heights


def _end(error: str | None, stop: int, span: int, floor: int) -> list[Mark]:
    name = "error" if error else "end"
    said = [f"{error.replace('_', ' ')} at step {stop:,}"] if error else [f"latency T = {stop:,}", f"T = {stop:,}"]
    side, room = ("end", ANY) if 4 * stop >= 3 * span else ("start", span - stop)
    words = ["text", f"{name} aside", stop, 14, side, room, *said]
    return [["line", name, stop, 4, stop, floor + STRIP], words]


def _active(lanes: Sequence[Lane], capacity: int, stop: int, floor: int) -> list[Mark]:
    """A strip that counts the agents which decode in each step, up to the end."""
    changes: dict[int, int] = {0: 0, stop: 0}
    for interval in (interval for lane in lanes for interval in lane.intervals if interval.kind != "wait"):
        start, end = min(interval.start, stop), min(interval.end, stop)
        changes[start] = changes.get(start, 0) + 1
        changes[end] = changes.get(end, 0) - 1
    turns = [clock for clock in sorted(changes) if changes[clock] or clock in (0, stop)]
    agents = list(accumulate(changes[clock] for clock in turns))
    unit = (STRIP - 4) / max(capacity, *agents)
    marks: list[Mark] = [["name", "soft", floor + STRIP - 6, "agents busy"]]
    for (start, end), count in zip(pairwise(turns), agents, strict=False):
        height = round(count * unit, 1)
        marks.append(["bar", "active", start, end, floor + STRIP - height, height])
        marks.append(["text", "count", (start + end) / 2, floor + STRIP - 4, "middle", end - start, f"{count}"])
    return marks


def _axis(span: int, y: int) -> list[Mark]:
    step = next(size * 10**power for power in naturals() for size in (1, 2, 5) if span <= 10 * size * 10**power)
    marks: list[Mark] = [["line", "axis", 0, y, span, y], ["name", "soft", y + 15, "step"]]
    for clock in range(0, span + 1, step):
        marks.append(["line", "axis", clock, y, clock, y + 4])
        marks.append(["text", "soft", clock, y + 15, "middle", step, f"{clock:,}"])
    return marks
