"""One chat completion: what is sent, what comes back, and what can be wrong with it."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from asyncthink.synthesis.budget import NOTHING, Charge

AGAIN, SKIP, STOP = "again", "skip", "stop"
TOKENS_A_MESSAGE = 8  # what a chat template puts around a message


class Fault(Exception):
    """One attempt went wrong.

    verdict: again, skip or stop; wait: seconds the endpoint asks for; billed: what it may charge all the same;
    body: what it said, without the key.
    """

    def __init__(self, name: str, verdict: str = AGAIN, wait: float = 0.0, billed: Charge = NOTHING, body: str = ""):
        super().__init__(name)
        self.name, self.verdict, self.wait, self.billed, self.body = name, verdict, wait, billed, body

    @property
    def said(self) -> str:
        """The fault's name, with the endpoint's own words where it has any."""
        try:
            words = " ".join(json.loads(self.body)["error"]["message"].split())
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.name
        return f"{self.name} ({words[:200]})"


def approximate_tokens(text: str) -> int:
    """Tokens of a text, rather too many than too few: three bytes each (English prose has four, mathematics three)."""
    return math.ceil(len(text.encode("utf-8", "replace")) / 3)


@dataclass(frozen=True)
class Request:
    """One chat completion. The name tells equal prompts apart and tells a person what was asked."""

    name: str
    messages: tuple[tuple[str, str], ...]  # (role, content)
    model: str
    temperature: float
    max_tokens: int

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        messages = [{"role": role, "content": content} for role, content in self.messages]
        return {
            "model": self.model,
            "messages": messages,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }

    @property
    def key(self) -> str:
        """The name under which the journal keeps the answer: equal requests, equal keys, on every run."""
        return hashlib.sha256(json.dumps([self.name, self.body], sort_keys=True).encode()).hexdigest()

    @property
    def worst(self) -> Charge:
        """The most that an attempt can cost."""
        prompt = sum(approximate_tokens(content) + TOKENS_A_MESSAGE for _, content in self.messages)
        return Charge(prompt, self.max_tokens)


@dataclass(frozen=True)
class Answer:
    """The teacher's text; finish is "stop", or "length" where max_tokens cut it."""

    text: str
    finish: str


@dataclass(frozen=True)
class Response:
    """A usable chat completion, as it came."""

    model: str
    text: str
    finish: str
    billed: Charge
    body: str


def read_response(request: Request, body: str) -> Response:
    """The parts of a chat completion; a Fault where the body is not a usable one.

    Where the body does not say what it cost, it is estimated from the text, or taken for the worst case.
    """
    try:
        content = json.loads(body)
        choices, usage, model = content["choices"], content.get("usage") or {}, content.get("model") or ""
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Fault("invalid_json", billed=request.worst, body=body) from None
    choice = choices[0] if choices else {}
    text = (choice.get("message") or {}).get("content") or ""
    text = text.encode("utf-8", "replace").decode()  # half characters cannot be written
    prompt_tokens = usage.get("prompt_tokens") or request.worst.prompt_tokens
    billed = Charge(prompt_tokens, usage.get("completion_tokens") or approximate_tokens(text))
    if not same_model(request.model, model):
        raise Fault("wrong_model", billed=billed, body=body)
    if not text.strip():
        raise Fault("empty_choice", billed=billed, body=body)
    return Response(model, text, choice.get("finish_reason") or "stop", billed, body)


def same_model(asked: str, answered: str) -> bool:
    """Whether a dated or prefixed name is the asked one: gpt-4o and gpt-4o-2024-08-06, qwen3-4b and Qwen/Qwen3-4B."""
    short_asked, short_answered = (name.lower().rsplit("/", 1)[-1] for name in (asked, answered))
    return not answered or short_answered.startswith(short_asked) or short_asked.startswith(short_answered)
