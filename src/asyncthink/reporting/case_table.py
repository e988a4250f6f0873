"""The chosen case studies as a table: one row for each stretch of an agent's time, with what it said in it."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from asyncthink import episode, protocol
from asyncthink.episode import Episode
from asyncthink.evaluation.case_studies import chosen
from asyncthink.evaluation.recordings import note
from asyncthink.reporting.page_record import Shown, identify
from asyncthink.schedule import Interval, Lane, Schedule
from asyncthink.settings import COUNTDOWN, HEADLINE
from asyncthink.tasks.countdown import SPLITS

COLUMNS = (
    "test_set",
    "case",
    "why",
    "episode",
    "question",
    "sentence",
    "agent",
    "kind",
    "start",
    "end",
    "critical",
    "text",
    "scale",
)
ASKED = ("numbers", "target", "required", "puzzle", "problem", "question", "options")  # of an item, for readers


def frame(paths: Iterable[Path], scale: str) -> pd.DataFrame:
    """The table from recordings; the row of a rule that fits no episode names none."""
    test_sets: dict[str, list[Episode]] = {}
    for recorded in chain.from_iterable(map(episode.read, paths)):
        if recorded.key.get("variant", HEADLINE) == HEADLINE:
            test_sets.setdefault(test_set_of(recorded), []).append(recorded)
    found = [row for name, episodes in test_sets.items() for row in rows(name, episodes)]
    return pd.DataFrame([{**row, "scale": note(scale) or scale} for row in found], columns=list(COLUMNS))


def test_set_of(recorded: Episode) -> str:
    """The test set that an episode is of: countdown's items are keyed by their split, others by their test set."""
    name = str(recorded.key.get("split", ""))
    return COUNTDOWN if name in SPLITS else name


def rows(test_set: str, episodes: list[Episode]) -> Iterator[dict[str, Any]]:
    """The rows of one test set's cases."""
    for case, found in chosen(test_set, episodes):
        about = {"test_set": test_set, "case": case.title, "why": case.why}
        if found is None:
            yield about
            continue
        shown = Shown(found)
        about |= {"episode": identify(found), "question": _question(found), "sentence": shown.sentence()}
        (schedule,) = shown.schedules
        for lane in schedule.lanes:
            for interval, text in zip(lane.intervals, _texts(found, shown, lane), strict=True):
                yield {**about, "agent": _agent(lane), **_times(schedule, lane, interval), "text": text}


def _question(found: Episode) -> str:
    asked = {
        name: value
        for name, value in found.item.items()
        if name in ("numbers", "target", "required", "problem", "question")
    }
    lines = found.item.get("puzzle")
    return "; ".join(
        [*(f"{name} {_plain(value)}" for name, value in asked.items()), *([_plain(lines)] if lines else [])]
    )


def _plain(value: Any) -> str:
    return " ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _agent(lane: Lane) -> str:
    return "organizer" if lane.fork is None else f"worker {lane.fork}"


def _times(schedule: Schedule, lane: Lane, interval: Interval) -> dict[str, Any]:
    on_path = any(s.fork == lane.fork and s.start < interval.end and interval.start < s.end for s in schedule.critical)
    return {"kind": interval.kind, "start": interval.start, "end": interval.end, "critical": on_path}


def _texts(found: Episode, shown: Shown, lane: Lane) -> Iterator[str]:
    """What was asked at a Fork, came back at a Join, was returned by a worker and answered; a Think is left out."""
    if lane.fork is not None:
        trace = next(trace for trace in found.traces[1:] if trace.fork == lane.fork)
        yield (protocol.returned(trace.own_text) or "(no result)").strip()
        return
    actions = iter(found.plan["organizer"])
    for interval in lane.intervals:
        action = next(actions) if interval.kind != "wait" else {}
        if "fork" in action:
            yield shown.queries.get(action["fork"], "")
        elif "join" in action:
            yield f"joins worker {action['join']}"
        else:
            yield (found.answer or "") if "answer" in action else ""
