"""`asyncthink parse`: an organizer's own text in, its actions out."""

import argparse
from typing import Any

from asyncthink import protocol, schedule
from asyncthink.cli import json_lines
from asyncthink.errors import InputError

EXAMPLE = r"""echo '{"text": "<FORK-1>the primes below 10</FORK-1><JOIN-1><ANSWER>4</ANSWER>", "capacity": 2}' | \
    asyncthink parse"""


def arguments(parser: argparse.ArgumentParser) -> None:
    json_lines.arguments(parser)
    parser.epilog = (
        'A line: {"text": "...", "capacity": 2}. The text is the organizer\'s own, injected text cut out.\n'
        "Without a capacity the agent pool has no limit, and no Fork overflows it."
    )


def run(args: argparse.Namespace) -> None:
    json_lines.answer(args, _parsed)


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
