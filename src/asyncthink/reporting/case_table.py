"""The chosen case studies as a table: one row for each stretch of an agent's time, with what it said in it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pandas as pd

from asyncthink.episode import Episode
from asyncthink.evaluation.case_studies import chosen
from asyncthink.evaluation.measure import recorded_once
from asyncthink.evaluation.recordings import note
from asyncthink.reporting.page_record import Shown, game_asked, identify
from asyncthink.reporting.source import Row, Rows
from asyncthink.schedule import Interval, Lane, Schedule
from asyncthink.settings import COUNTDOWN, HEADLINE
from asyncthink.tasks.countdown_puzzles import SPLITS

COLUMNS = (
    *("test_set", "case", "why", "episode", "question", "sentence"),
    *("agent", "kind", "start", "end", "critical", "text", "scale"),
)
ASKED = ("problem", "question", "puzzle")  # of an item, for readers


def frame(paths: Iterable[Path], scale: str) -> pd.DataFrame:
    """The table from recordings; the row of a rule that fits no episode names none."""
    test_sets: dict[str, list[Episode]] = {}
    for _, recorded, again in recorded_once(paths):
        if recorded.key.get("variant", HEADLINE) == HEADLINE:
            test_sets.setdefault(test_set_of(recorded), []).append(
                replace(recorded, schedule=again.schedule, score=recorded.score or again.score)
            )
    every = chain.from_iterable(rows(name, episodes) for name, episodes in test_sets.items())
    return pd.DataFrame([{**row, "scale": note(scale) or scale} for row in every], columns=list(COLUMNS))


def test_set_of(recorded: Episode) -> str:
    """The test set that an episode is of: countdown's items are keyed by their split, others by their test set."""
    name = str(recorded.key.get("split", ""))
    return COUNTDOWN if name in SPLITS else name


def rows(test_set: str, episodes: list[Episode]) -> Rows:
    """The rows of one test set's cases."""
    for case, choice in chosen(test_set, episodes):
        about: Row = {"test_set": test_set, "case": case.title, "why": case.why}
        if choice is None:
            yield about
            continue
        shown = Shown(choice)
        about |= {"episode": identify(choice), "question": _question(choice), "sentence": shown.sentence()}
        (schedule,) = shown.schedules
        for lane in schedule.lanes:
            agent = "organizer" if lane.fork is None else f"worker {lane.fork}"
            for interval, text in zip(lane.intervals, _texts(shown, lane), strict=True):
                yield {**about, "agent": agent, **_times(schedule, lane, interval), "text": text}


def slots(rows: pd.DataFrame) -> dict[str, str]:
    """Where each agent of one case is drawn: the organizer, or a slot of the pool, which a worker holds up to its Join.

    The slots' numbers are ours: each worker takes the first that is free. One that is never joined keeps its slot.
    """
    joins = dict(zip(rows.text[rows.kind == "join"], rows.end[rows.kind == "join"], strict=True))
    drawn, free = {"organizer": "organizer"}, list[float]()
    work = rows[rows.kind == "work"].sort_values("start")
    for agent, start, end in zip(work.agent, work.start, work.end, strict=True):
        slot = next((i for i, clock in enumerate(free) if clock <= start), len(free))
        free[slot : slot + 1] = [max(end, joins.get(f"joins {agent}", rows.end.max()))]
        drawn[agent] = f"slot {slot + 1}"
    return drawn


def _question(choice: Episode) -> str:
    """What was asked, in one line: countdown's as a sentence; a puzzle's grid stands without its name."""
    if "numbers" in choice.item:
        return game_asked(choice.item)
    asked = {name: _plain(value) for name, value in choice.item.items() if name in ASKED}
    return "; ".join(text if name == "puzzle" else f"{name} {text}" for name, text in asked.items())


def _plain(value: object) -> str:
    return " ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _times(schedule: Schedule, lane: Lane, interval: Interval) -> Row:
    on_path = any(s.fork == lane.fork and s.start < interval.end and interval.start < s.end for s in schedule.critical)
    return {"kind": interval.kind, "start": interval.start, "end": interval.end, "critical": on_path}


def _texts(shown: Shown, lane: Lane) -> Iterator[str]:
    """What was asked at a Fork, came back at a Join, was returned by a worker and answered; a Think is left out."""
    choice = shown.episode
    if lane.fork is not None:
        trace = next(trace for trace in choice.traces[1:] if trace.fork == lane.fork)
        yield (trace.returned or "(no result)").strip()
        return
    actions = iter(choice.plan["organizer"])
    for interval in lane.intervals:
        action = next(actions) if interval.kind != "wait" else {}
        if "fork" in action:
            yield shown.queries.get(action["fork"], "")
        elif "join" in action:
            yield f"joins worker {action['join']}"
        else:
            yield (choice.answer or "") if "answer" in action else ""
