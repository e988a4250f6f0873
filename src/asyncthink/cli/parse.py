"""`asyncthink parse`: an organizer's own text in, its actions out."""

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import Any

from asyncthink import protocol, schedule, terminal
from asyncthink.cli import json_lines
from asyncthink.errors import InputError

EXAMPLE = r"""echo '{"text": "<FORK-1>the primes below 10</FORK-1><JOIN-1><ANSWER>4</ANSWER>", "capacity": 2}' | \
    asyncthink parse"""
COLUMNS = {"line": ">4", "action": "<7", "id": "<3", "text": "<"}
ALMOST = re.compile(r"</?\s*(?:FORK|JOIN|ANSWER|RETURN)[^<>]{0,20}>", re.IGNORECASE)  # what looks like a tag


def arguments(parser: argparse.ArgumentParser) -> None:
    json_lines.arguments(parser)
    parser.epilog = (
        'A line: {"text": "...", "capacity": 2}. The text is the organizer\'s own, injected text cut out.\n'
        "Without a capacity the agent pool has no limit, and no Fork overflows it.\n"
        "Tags, where i counts from 1: <FORK-i>query</FORK-i>  <JOIN-i>  <ANSWER>answer</ANSWER>; all else is thought."
    )


def run(args: argparse.Namespace) -> None:
    json_lines.answer(args, _parsed, json_lines.Shown(terminal.Table(COLUMNS), _rows))


def _rows(told: dict[str, Any]) -> Iterator[Sequence[object]]:
    """Each action; after them what is wrong with them, and what in a thought was perhaps meant as a tag."""
    for action in told["actions"]:
        text = action.get("text", action.get("query", ""))
        yield action["kind"], action.get("id", ""), text
        if action["kind"] == "think" and (almost := ALMOST.search(text)):
            yield "note", "", f"{almost[0]} is no tag, so it is thought"
    if told["format_error"]:
        yield "error", "", f"{told['format_error']}: {terminal.REASONS[told['format_error']]}"


def _parsed(given: dict[str, Any]) -> dict[str, Any]:
    json_lines.known(given, allowed=("text", "capacity"), required=("text",))
    text, capacity = given["text"], given.get("capacity")
    if not isinstance(text, str):
        raise InputError(f"text must be a text, not {ascii(text)[:60]}")
    if "capacity" in given and (not isinstance(capacity, int) or isinstance(capacity, bool) or capacity < 1):
        raise InputError(f"capacity must be an integer of at least 1, not {ascii(capacity)[:60]}")
    actions = protocol.parse(text)
    return {
        "actions": [_as_json(action) for action in actions],
        "answer": protocol.answer(actions),
        "format_error": schedule.format_error(actions, capacity),
    }


def _as_json(action: protocol.Action) -> dict[str, str | int]:
    match action:
        case protocol.Think(text):
            return {"kind": "think", "text": text}
        case protocol.Fork(i, query):
            return {"kind": "fork", "id": i, "query": query}
        case protocol.Join(i):
            return {"kind": "join", "id": i}
        case protocol.Answer(text) | protocol.Return(text):
            return {"kind": "answer", "text": text}
