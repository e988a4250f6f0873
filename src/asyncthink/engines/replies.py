"""What OpenAI-compatible servers reply, read in one place: an odd form is either taken or named in a few words.

Servers agree on the path of a request and on little else. Nothing here knows who asked: an engine makes one line for a
person of what is wrong with a reply, the teacher's client decides whether another attempt is worth its price.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")
CUT = ("length", "max_tokens", "model_length")  # reasons why an answer ends: its limit, in three vendors' words
SHOWN = 300  # characters of what a server says
SHORTEST_SECRET = 8  # characters; "none" and "EMPTY", as local servers take them, are no secrets
_NAMES = {dict: "an object", list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}
_QUOTED = ("input", "flagged_input", "url")  # what an error repeats of the request, and where it points
_ACCIDENT = re.compile("error|abort|cancel|time_?out|overload|fail|disconnect", re.IGNORECASE)
CONTEXT = ("max_model_len", "loaded_context_length", "context_length", "max_context_length", "context_window", "n_ctx")


class Unreadable(ValueError):
    """What is wrong with a reply, in words that go on after the server's name."""


def read_object(body: str) -> dict[str, Any]:
    """The JSON object of a reply with a good status; Unreadable where it is none, or an error all the same."""
    reply = _loaded(body)
    if reply is None and body.strip() != "null":
        raise Unreadable(f"answered with something that is not JSON: {_one_line(body) or 'nothing'}")
    if not isinstance(reply, dict):
        raise Unreadable(f"answered with {_kind_of(reply)} where the reply is an object")
    if _is_error(reply):
        raise Unreadable(f"answered with an error: {error_words(body)}")
    return reply


def _is_error(reply: Mapping[str, Any]) -> bool:
    """Whether an object tells of an error: by its key, or as older servers do, by its type."""
    return bool(reply.get("error")) or reply.get("object") == "error"


def hidden_error(body: str) -> tuple[int, str] | None:
    """The status that an error in a reply of a good status gives (500 where it gives none), and its words; or None."""
    reply = _loaded(body)
    choices = reply.get("choices") if isinstance(reply, dict) else None
    holders = [reply, *(choices if isinstance(choices, list) else [])]
    holder = next((part for part in holders if isinstance(part, dict) and _is_error(part)), None)
    if holder is None:
        return None
    error = holder["error"] if isinstance(holder.get("error"), dict) else holder
    codes = [str(error.get(key)) for key in ("code", "status", "status_code")]
    status = next((int(code) for code in codes if code.isdigit() and 400 <= int(code) < 600), 500)
    return status, _one_line(_message(holder))


def redacted(text: str, key: str) -> str:
    """A text of a server without the key, should it quote it."""
    return text.replace(key, "[key]") if len(key) >= SHORTEST_SECRET else text


def error_words(body: str) -> str:
    """What an error says, in one line: its message in whatever form it comes, else the body as it stands."""
    return _one_line(_message(_loaded(body)) or body)


def all_texts(body: str) -> str:
    """Every text in an error, codes and names of parameters too, but not what it quotes of the request."""
    return " ".join(_texts(_loaded(body))) or _one_line(body)


def _texts(reply: Any) -> Iterator[str]:
    if isinstance(reply, str):
        yield reply
    inner = [value for key, value in reply.items() if key not in _QUOTED] if isinstance(reply, dict) else reply
    for part in inner if isinstance(inner, list) else ():
        yield from _texts(part)


def _message(reply: Any) -> str:
    """The first text under error, message, detail or msg, outer keys first."""
    if isinstance(reply, str):
        return reply
    if isinstance(reply, list):
        return "; ".join(filter(None, map(_message, reply)))
    if not isinstance(reply, dict):
        return ""
    return next(filter(None, (_message(reply.get(key)) for key in ("error", "message", "detail", "msg"))), "")


def value_at(reply: Any, kind: type[Value], *path: str | int) -> Value:
    """The value of that kind at a path; Unreadable says where the reply leaves what is meant."""
    for depth, key in enumerate(path):
        outer: Any = _checked(reply, dict if isinstance(key, str) else list, path[:depth])
        if isinstance(outer, list) and not outer:
            raise Unreadable(f"answered with no {_dotted(path[:depth])}")
        if isinstance(outer, dict) and key not in outer:
            raise Unreadable(f"answered without {_dotted(path[: depth + 1])}")
        reply = outer[key]
    return _checked(reply, kind, path)


def first_choice(reply: Any) -> dict[str, Any]:
    """The one choice of a completion; some servers put an error into it."""
    choice = reply if isinstance(reply, dict) and _is_error(reply) else value_at(reply, dict, "choices", 0)
    if _is_error(choice):
        raise Unreadable(f"answered with an error: {_one_line(_message(choice)) or 'without words'}")
    return choice


def broke_off(choice: Mapping[str, Any]) -> str | None:
    """The reason that a choice gives for its end where that is an accident: what there is of it is no answer."""
    finish = choice.get("finish_reason")
    return finish if isinstance(finish, str) and _ACCIDENT.search(finish) else None


def served_models(body: str) -> dict[str, dict[str, Any]]:
    """What a server lists: name -> all that it says of it. Unreadable where no name can be read."""
    reply = _loaded(body)
    entries = reply if isinstance(reply, list) else _first_list(reply, ("data", "models"))
    listed = [entry if isinstance(entry, dict) else {"id": entry} for entry in entries]
    served = {name: entry for entry in listed if (name := _name(entry))}
    if not served:
        raise Unreadable("lists no model")
    return served


def _name(entry: Mapping[str, Any]) -> str:
    return next((entry[key] for key in ("id", "name", "model") if isinstance(entry.get(key), str)), "")


def _first_list(reply: Any, keys: tuple[str, ...]) -> list[Any]:
    lists = (reply.get(key) for key in keys) if isinstance(reply, dict) else ()
    return next((entries for entries in lists if isinstance(entries, list) and entries), [])


def context_length(model: Mapping[str, Any]) -> int | None:
    """Tokens that prompt and continuation may have together, the least of what an entry of the list says; or None."""
    told = [model.get(key) for key in CONTEXT]
    return min((value for value in told if type(value) is int and value > 0), default=None)


def whole_letters(text: str) -> str:
    """A text whose letters may have come in halves, of which no tokenizer takes any: joined, or replaced if alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _kind_of(value: Any) -> str:
    """A value's kind, for people."""
    return _NAMES.get(type(value), "null")


def _one_line(text: str) -> str:
    """The beginning of a text, in one line."""
    return " ".join(text.split())[:SHOWN]


def _loaded(body: str) -> Any:
    """The value of a JSON text, None where it is none."""
    try:
        return json.loads(body.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None


def _checked(value: Any, kind: type[Value], path: tuple[str | int, ...]) -> Value:
    if not isinstance(value, kind):
        raise Unreadable(f"answered with {_kind_of(value)} where {_dotted(path)} is {_NAMES[kind]}")
    return value


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path)) or "the reply"
