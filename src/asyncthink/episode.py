"""The record that everything reads: training, latency, rewards, tables, figures and the episode page.

An Episode is one run of thinking on one item: the organizer's trace first, then one trace for each worker in the order
of the forks (for sequential thinking one trace, for parallel thinking all of them side by side). Nothing in it is
encoded again or looked up by text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, TypeAdapter, ValidationError
from pydantic import with_config as checked

from asyncthink import protocol
from asyncthink.errors import InputError, complaint
from asyncthink.files import json_lines, write_lines

Count = Annotated[int, Field(strict=True, ge=0)]
Mode = Literal["asynchronous", "sequential", "parallel"]
CLOSED = ConfigDict(extra="forbid")  # of records that are read; nothing is checked where the runtime makes one


@checked(CLOSED)
@dataclass
class Segment:
    """A run of tokens of one trace with one origin: decoded by the model, or injected at a Join."""

    text: StrictStr
    tokens: Count
    injected: StrictBool = False


@checked(CLOSED)
@dataclass
class Trace:
    """One context of one agent.

    prompt_ids are not part of the trace's own tokens. ids, logprobs and policy have one entry a token after the
    prompt; policy is 1 where the model sampled the token and 0 where it was injected (its logprob is 0.0).
    stop: "answer", "return", "eos", "budget" or "error" (the runtime ended it on a format error).
    """

    role: protocol.Role
    fork: Count | None  # the id of the Fork that started a worker; the index of a parallel trace; else None
    prompt: StrictStr
    prompt_ids: list[StrictInt]
    ids: list[StrictInt] = field(default_factory=list)
    logprobs: list[StrictFloat] = field(default_factory=list)
    policy: list[StrictInt] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    stop: StrictStr = "budget"

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
        return _parsed(self.own_text, self.role, protocol.reasons(self.prompt))

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


@checked(CLOSED)
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
    task: StrictStr
    item: dict[str, Any]
    mode: Mode
    capacity: Count
    traces: Annotated[list[Trace], Field(min_length=1)]
    plan: Mapping[str, Any]
    answer: StrictStr | None
    arm: StrictStr = ""
    schedule: dict[str, Any] = field(default_factory=dict)
    score: dict[str, Any] = field(default_factory=dict)
    reward: dict[str, Any] = field(default_factory=dict)


_EPISODE = TypeAdapter(Episode)
_INTEGER, _NUMBER = ((int,), "an integer"), ((int, float), "a number")
# Of the tables that are open to further keys: what some values may be, and what the others.
_OPEN: dict[str, tuple[dict[str, tuple[tuple[type, ...], str]], tuple[tuple[type, ...], str] | None]] = {
    "key": ({"index": _INTEGER, "sample": _INTEGER}, ((int, str, NoneType), "a text, an integer or null")),
    "item": ({"required": _INTEGER, "solutions": _INTEGER}, None),
    "schedule": ({"format_error": ((str, NoneType), "a text or null")}, ((int, float, NoneType), "a number or null")),
    "score": ({"accuracy": _NUMBER}, None),
    "reward": ({}, _NUMBER),
}


def to_json(episode: Episode) -> str:
    """One line of JSON, keys sorted, log-probabilities rounded to 6 digits so that files are byte-stable."""
    record = asdict(episode)
    for trace in record["traces"]:
        trace["logprobs"] = [round(value, 6) for value in trace["logprobs"]]
    return json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_mapping(record: dict[str, Any]) -> Episode:
    """The inverse of `to_json`, for one parsed line; InputError, naming the key, where a part of it is none."""
    try:
        episode = _EPISODE.validate_python(record)
    except ValidationError as refusal:
        raise InputError(complaint(refusal, Episode, Trace, Segment)) from None
    for table, (some, others) in _OPEN.items():
        for name, value in getattr(episode, table).items():
            allowed = some.get(name, others)
            if allowed and type(value) not in allowed[0]:
                raise InputError(f"{table}.{name} is {ascii(value)[:60]}; wanted: {allowed[1]}")
    return episode


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
