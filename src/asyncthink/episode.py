"""The record that everything reads: training, latency, rewards, tables, figures and the episode page.

An Episode is one run of thinking on one item: the organizer's trace first, then one trace for each worker in the order
of the forks (for sequential thinking one trace, for parallel thinking all of them side by side). Nothing in it is
encoded again or looked up by text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from asyncthink import protocol
from asyncthink.errors import InputError
from asyncthink.files import json_lines, write_lines

T = TypeVar("T", "Segment", "Trace", "Episode")


@dataclass
class Segment:
    """A run of tokens of one trace with one origin: decoded by the model, or injected at a Join."""

    text: str
    tokens: int
    injected: bool = False


@dataclass
class Trace:
    """One context of one agent.

    prompt_ids are not part of the trace's own tokens. ids, logprobs and policy have one entry a token after the
    prompt; policy is 1 where the model sampled the token and 0 where it was injected (its logprob is 0.0).
    stop: "answer", "return", "eos", "budget" or "error" (the runtime ended it on a format error).
    """

    role: str  # organizer | worker | sequential
    fork: int | None  # the id of the Fork that started a worker; the index of a parallel trace; else None
    prompt: str
    prompt_ids: list[int]
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    policy: list[int] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    stop: str = "budget"

    @property
    def decoded(self) -> int:
        """Tokens that the model decoded; injected ones cost no decoding step."""
        return sum(self.policy)

    @property
    def own_text(self) -> str:
        """What the model wrote, injected text cut out."""
        return "".join([segment.text for segment in self.segments if not segment.injected])

    @property
    def actions(self) -> list[protocol.Action]:
        """What the model wrote as actions, in order, up to and with the first Answer or Return."""
        return list(self._read())

    @property
    def returned(self) -> str | None:
        """What a worker hands back, None where it never did."""
        *_, last = None, *self._read()
        return last.text if isinstance(last, protocol.Return) else None

    def _read(self) -> tuple[protocol.Action, ...]:
        return _parsed(self.own_text, cast(protocol.Role, self.role), protocol.reasons(self.prompt))

    def extend(self, ids: Iterable[int], logprobs: Iterable[float], text: str, *, injected: bool = False) -> None:
        """Append one segment."""
        ids = list(ids)
        self.ids += ids
        self.logprobs += [0.0] * len(ids) if injected else list(logprobs)
        self.policy += [0 if injected else 1] * len(ids)
        self.segments.append(Segment(text, len(ids), injected))


@lru_cache(maxsize=256)  # whoever measures an episode asks for the actions of its traces again and again
def _parsed(text: str, role: protocol.Role, reasoning: bool) -> tuple[protocol.Action, ...]:
    return tuple(protocol.parse(text, role, reasoning))


@dataclass
class Episode:
    """One run of thinking on one item, and all that was measured of it.

    key       what makes it unique and repeatable: split, index, sample, and seed or step
    plan      the schedule's plan (see schedule.py); for parallel thinking one sequential plan a trace, in `plans`
    schedule  format_error, latency, work, concurrency, concurrency_ratio, forks, joins, elapsed
    score     what the task's grader said: accuracy in [0, 1] and its parts
    reward    total and its parts
    """

    key: dict[str, Any]
    task: str
    item: dict[str, Any]
    mode: str  # asynchronous | sequential | parallel
    capacity: int
    traces: list[Trace]
    plan: Mapping[str, Any]
    answer: str | None
    arm: str = ""
    schedule: dict[str, Any] = field(default_factory=dict)
    score: dict[str, Any] = field(default_factory=dict)
    reward: dict[str, Any] = field(default_factory=dict)


# What a field of a type may hold in JSON, and in words.
_HOLDS: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a text"),
    str | None: ((str, type(None)), "a text or null"),
    int: ((int,), "an integer of at least 0"),
    int | None: ((int, type(None)), "an integer of at least 0, or null"),
    bool: ((bool,), "true or false"),
    dict[str, Any]: ((dict,), "an object"),
    Mapping[str, Any]: ((dict,), "an object"),
}
_HOLD_ALL: dict[Any, tuple[tuple[type, ...], str]] = {
    list[int]: ((int,), "a list of integers"),
    list[float]: ((int, float), "a list of numbers"),
    list[Segment]: ((dict,), "a list of objects"),
    list[Trace]: ((dict,), "a list of objects"),
}


def to_json(episode: Episode) -> str:
    """One line of JSON, keys sorted, log-probabilities rounded to 6 digits so that files are byte-stable."""
    record = asdict(episode)
    for trace in record["traces"]:
        trace["logprobs"] = [round(value, 6) for value in trace["logprobs"]]
    return json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_mapping(record: dict[str, Any]) -> Episode:
    """The inverse of `to_json`, for one parsed line; InputError, naming the key, where a part of it is none."""
    _check(Episode, record, "")
    if not record["traces"]:
        raise InputError("traces is []; wanted: at least one trace")
    for name, value in record["key"].items():
        if type(value) not in (str, int, type(None)):
            raise InputError(f"key.{name} is {_shown(value)}; wanted: a text, an integer or null")
    for name in {"index", "sample"} & record["key"].keys():
        if type(record["key"][name]) is not int:
            raise InputError(f"key.{name} is {_shown(record['key'][name])}; wanted: an integer")
    traces = [_trace(trace, f"traces[{number}].") for number, trace in enumerate(record["traces"])]
    return Episode(**{**record, "traces": traces})


def _trace(record: dict[str, Any], where: str) -> Trace:
    _check(Trace, record, where)
    segments = [
        _plain_segment(segment) or _segment(segment, f"{where}segments[{number}].")
        for number, segment in enumerate(record.get("segments", ()))
    ]
    return Trace(**{**record, "segments": segments})


def _segment(record: dict[str, Any], where: str) -> Segment:
    _check(Segment, record, where)
    return Segment(**record)


def _plain_segment(record: dict[str, Any]) -> Segment | None:
    """A segment that is whole at first sight, as nearly all are, and most of what a file holds; None for any other."""
    text, tokens, injected = record.get("text"), record.get("tokens"), record.get("injected")
    if type(text) is str and type(tokens) is int and tokens >= 0 and type(injected) is bool and len(record) == 3:
        return Segment(text, tokens, injected)
    return None


@dataclass(frozen=True)
class _Part:
    """What a field may hold: values of `allowed`, or a list of them; `wanted` says it in words."""

    allowed: frozenset[type]
    listed: bool
    wanted: str
    needed: bool


def _parts(kind: type[Segment | Trace | Episode]) -> dict[str, _Part]:
    table = {}
    for part in fields(kind):
        allowed, wanted = _HOLDS.get(part.type) or _HOLD_ALL[part.type]
        needed = part.default is MISSING and part.default_factory is MISSING
        table[part.name] = _Part(frozenset(allowed), part.type in _HOLD_ALL, wanted, needed)
    return table


_PARTS: dict[type, dict[str, _Part]] = {kind: _parts(kind) for kind in (Segment, Trace, Episode)}


def _check(kind: type[T], record: dict[str, Any], where: str) -> None:
    """InputError unless the record has the fields of a part, each of its type; `where` stands in front of a key."""
    known = _PARTS[kind]
    if not record.keys() <= known.keys():
        name = next(name for name in record if name not in known)
        raise InputError(f"{where}{ascii(name)[:60]} is an unknown key; allowed: {', '.join(known)}")
    for name, part in known.items():
        value = record.get(name, MISSING)
        if part.listed:
            holds = type(value) is list and part.allowed.issuperset(map(type, value))
        else:
            holds = type(value) in part.allowed and not (type(value) is int and value < 0)
        if not holds and value is not MISSING:
            raise InputError(f"{where}{name} is {_shown(value)}; wanted: {part.wanted}")
        if not holds and part.needed:
            raise InputError(f"{where}{name} is missing; wanted: {part.wanted}")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def write(path: str | Path, episodes: Iterable[Episode]) -> None:
    """Write JSON Lines (gzip where the name ends in .gz, without a time stamp), atomically."""
    write_lines(path, (to_json(episode) for episode in episodes))


def read(path: str | Path) -> Iterator[Episode]:
    """Read JSON Lines of episodes; a line that is not one is an InputError that names file and line."""
    return (episode for _, episode in read_lines(path))


def read_lines(path: str | Path) -> Iterator[tuple[str, Episode]]:
    """(where, episode) for each line; `where` names file and line. "-" is standard input."""
    for where, record in json_lines(path):
        try:
            episode = from_mapping(record)
        except InputError as error:
            raise InputError(f"{where} is not an episode: {error}") from None
        yield where, episode
