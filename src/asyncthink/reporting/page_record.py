"""What the page shows of one episode, as plain data: its timeline, the explanation, its texts on the clock, numbers.

Everything is computed here, from the same schedule that measures latency; the page itself only shows. Token ids and
log-probabilities are left out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from asyncthink import protocol
from asyncthink.episode import Episode, Segment, Trace
from asyncthink.reporting import explanation, timeline
from asyncthink.schedule import Interval, Lane, plans, simulate

KEY_ORDER = ("split", "index", "variant", "sample", "step", "seed")
BARE = KEY_ORDER[:3]  # said without their name
GAME = ("numbers", "target", "required", "uses", "operations")  # the keys of countdown
LONGEST = 70  # letters of what a row says was asked
STOPS = {
    "answer": "answered",
    "return": "returned a result",
    "eos": "ended by itself",
    "budget": "cut at its budget",
    "error": "stopped at a format error",
}


def identify(episode: Episode) -> str:
    """The fragment under which the page shows an episode: task, arm and key, in letters that an address may hold."""
    words = [episode.task, episode.arm or episode.mode, *(f"{name}-{value}" for name, value in ordered_key(episode))]
    return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", word) for word in words)


def title(key: Sequence[tuple[str, Any]]) -> str:
    """An episode's key for people: `test 12, sample 0, seed 1`."""
    item = " ".join(str(value) for name, value in key if name in BARE[:2])
    others = [str(value) if name in BARE else f"{name} {value}" for name, value in key if name not in BARE[:2]]
    return ", ".join(filter(None, [item, *others]))


class TraceRecord(TypedDict):
    """One agent's text; a segment is [text, tokens, 1 if injected, the clock after which it begins]."""

    name: str
    role: str
    note: str
    prompt: str
    segments: list[list[str | int]]


class PageRecord(TypedDict):
    """One episode as the page's scripts read it."""

    id: str
    key: list[tuple[str, Any]]
    task: str
    arm: str
    mode: str
    variant: str
    asked: str
    item: list[list[str]]
    verdict: str
    errors: list[str]
    latency: int | None
    forks: int | None
    numbers: list[list[str]]
    sentence: str
    timeline: timeline.Scene
    events: list[explanation.Event]
    traces: list[TraceRecord]
    title: NotRequired[str]


def record(episode: Episode) -> PageRecord:
    """One episode for the page. Its numbers are the recorded ones; its timeline is drawn from its plan."""
    shown = Shown(episode)
    return {
        "id": identify(episode),
        "key": ordered_key(episode),
        "task": episode.task,
        "arm": episode.arm,
        "mode": episode.mode,
        "variant": str(episode.key.get("variant", "")),
        "asked": asked(episode.item),
        "item": _question_and_answer(episode),
        "verdict": _verdict(episode.score),
        "errors": _errors(episode, shown.schedule),
        "latency": shown.schedule.get("latency"),
        "forks": shown.schedule.get("forks"),
        "numbers": _numbers(episode, shown.schedule),
        "sentence": shown.sentence(),
        "timeline": shown.scene(),
        "events": shown.events(),
        "traces": [shown.trace(index) for index in range(len(episode.traces))],
    }


class Shown:
    """An episode with the schedules of its plans run again, for what a recording does not hold: times."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self.plans = plans(episode.plan, episode.mode, len(episode.traces))
        self.schedules = [simulate(plan) for plan in self.plans]
        self.schedule = episode.schedule or (vars(self.schedules[0]) if len(self.plans) == 1 else {})
        arrows = self.schedules[0].arrows if len(self.plans) == 1 else ()
        self.joins = [arrow for arrow in arrows if arrow.kind == "join"]
        actions = episode.traces[0].actions if episode.mode == "asynchronous" else []
        forks = [action for action in actions if isinstance(action, protocol.Fork)]
        self.queries = {fork.id: fork.query for fork in reversed(forks)}  # an id forked twice keeps its first query

    def scene(self, in_sequence: bool = False) -> timeline.Scene:
        """The timeline, laid out; with a lane of the same tokens one after another."""
        error = self.schedule.get("format_error")
        return timeline.scene(self.episode.mode, self.schedules, self.plans, error, self.queries, in_sequence)

    def sentence(self) -> str:
        """Why the latency is what it is."""
        return explanation.sentence(self.episode.mode, self.schedules, self.plans[0])

    def events(self) -> list[explanation.Event]:
        """What happened, in the order of the clock."""
        if len(self.plans) > 1:
            return explanation.side_by_side(self.schedules)
        injected = [segment.text for segment in self.episode.traces[0].segments if segment.injected]
        results = {
            join.fork: text.removesuffix(protocol.join_close(join.fork)).strip()
            for join, text in zip(self.joins, injected, strict=False)
        }
        answer = self.episode.answer or ""
        return explanation.events(self.schedules[0], self.plans[0], self.queries, results, answer)

    def trace(self, index: int) -> TraceRecord:
        """One trace; each segment of its text with the clock after which it begins."""
        trace = self.episode.traces[index]
        lane = self._lane(index, trace)
        decodes = [interval for interval in lane.intervals if interval.kind != "wait"]
        resumes = iter([join.end for join in self.joins] if index == 0 else [])
        segments, decoded = [], 0
        for number, segment in enumerate(trace.segments):
            begins = _clock(decodes, decoded)
            begins = next(resumes, begins) if segment.injected else begins
            segments.append(_segment(segment, begins, first=number == 0))
            decoded += 0 if segment.injected else segment.tokens
        steps = f"steps {decodes[0].start + 1:,} to {decodes[-1].end:,}" if decodes else "never ran"
        own = decoded if trace.segments else sum(interval.end - interval.start for interval in decodes)  # of a plan
        note = f"{explanation.tokens(own)}, {steps}, {STOPS.get(trace.stop, trace.stop)}"
        name = self._name(index, trace)
        return {"name": name, "role": trace.role, "note": note, "prompt": trace.prompt, "segments": segments}

    def _lane(self, index: int, trace: Trace) -> Lane:
        if len(self.schedules) > 1:
            return self.schedules[index].lanes[0]
        fork = None if index == 0 else trace.fork
        return next((lane for lane in self.schedules[0].lanes if lane.fork == fork), Lane(fork, ()))

    def _name(self, index: int, trace: Trace) -> str:
        names = {"worker": f"Worker {trace.fork}", "sequential": "One trace"}
        return f"Trace {index + 1}" if self.episode.mode == "parallel" else names.get(trace.role, "Organizer")


def _segment(segment: Segment, begins: int, first: bool) -> list[str | int]:
    return [segment.text.lstrip(" ") if first else segment.text, segment.tokens, int(segment.injected), begins]


def _clock(decodes: Sequence[Interval], decoded: int) -> int:
    """The clock after which an agent that has decoded so many tokens decodes its next one."""
    for interval in decodes:
        length = interval.end - interval.start
        if decoded < length:
            return interval.start + decoded
        decoded -= length
    return decodes[-1].end if decodes else 0


def ordered_key(episode: Episode) -> list[tuple[str, Any]]:
    """What makes an episode unique, in the order in which a person would say it."""
    order = {name: rank for rank, name in enumerate(KEY_ORDER)}
    return sorted(episode.key.items(), key=lambda pair: (order.get(pair[0], len(order)), pair[0]))


def _verdict(score: Mapping[str, Any]) -> str:
    if "accuracy" not in score:
        return "unscored"
    return {0.0: "wrong", 1.0: "right"}.get(float(score["accuracy"]), "partly")


def _errors(episode: Episode, schedule: Mapping[str, Any]) -> list[str]:
    """The format error, and two things that are none: a worker cut at its budget, a result that nobody took."""
    error = schedule.get("format_error")
    cut = any(trace.role == "worker" and trace.stop == "budget" for trace in episode.traces)
    unjoined = not error and (schedule.get("forks") or 0) > (schedule.get("joins") or 0)
    errors = [error or "", "cut_worker" if cut else "", "unjoined_worker" if unjoined else ""]
    return list(filter(None, errors)) or ["none"]


def asked(item: Mapping[str, Any]) -> str:
    """What was asked, in a few letters: `13 11 6 2 → 24`, the rows of a puzzle, the beginning of a question."""
    if "numbers" in item and "target" in item:
        return f"{_plain(item['numbers'])} → {_plain(item['target'])}"
    text = _plain(item.get("puzzle") or item.get("problem") or item.get("question") or "")
    line = " / ".join(text.splitlines()) if "puzzle" in item else " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _question_and_answer(episode: Episode) -> list[list[str]]:
    item, game = episode.item, "numbers" in episode.item and "target" in episode.item
    question = [["asked", game_asked(item), ""]] if game else []
    left = [name for name in item if name != "id" and not (game and name in GAME)]
    answer = "none" if episode.answer is None else episode.answer
    rest = [[name, _plain(item[name]), ""] for name in left]
    return [*question, *rest, ["answered", answer, _verdict(episode.score)]]


def game_asked(item: Mapping[str, Any]) -> str:
    """`Make 24 out of 13 11 6 2 in 4 different ways.`"""
    ways = f" in {_plain(item['required'])} different ways" if item.get("required", 1) != 1 else ""
    each = f", each time with {_plain(item['uses'])} of the numbers" if "uses" in item else ""
    only = f", by {' '.join(_plain(item['operations']))} alone" if "operations" in item else ""
    return f"Make {_plain(item['target'])} out of {_plain(item['numbers'])}{ways}{each}{only}."


def _numbers(episode: Episode, schedule: Mapping[str, Any]) -> list[list[str]]:
    """[term, value, remark] of what an episode cost and earned."""
    score = episode.score
    counts = ", ".join(f"{value} {name}" for name, value in score.items() if type(value) is int)
    eta, ratio = schedule.get("concurrency"), schedule.get("concurrency_ratio")
    busy = "" if eta is None else f"η = {eta:.2f} agents busy of c = {episode.capacity}"
    parts = [(name, value) for name, value in episode.reward.items() if name != "total" and value]
    earned = " + ".join(f"{_number(value)} {name.replace('_', ' ')}" for name, value in parts)
    return [
        ["Accuracy", _share(score.get("accuracy")), counts],
        ["Latency T", _number(schedule.get("latency")), "decoding steps"],
        ["Work", _number(schedule.get("work")), "tokens decoded"],
        ["Concurrency η/c", _share(ratio), busy],
        ["Forks", _number(schedule.get("forks")), f"{_number(schedule.get('joins'))} joined"],
        ["Reward R", _number(episode.reward.get("total")), earned],
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _plain(value: Any) -> str:
    """A value of an item as a person would write it: lists without brackets, a table row by row."""
    if isinstance(value, list):
        rows = any(isinstance(entry, list) for entry in value)
        return ("\n" if rows else " ").join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
