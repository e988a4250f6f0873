"""One chat completion: what is sent, in which form, and what comes back."""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from asyncthink.engines import replies
from asyncthink.engines.reasoning import answer_of
from asyncthink.synthesis.budget import Charge
from asyncthink.synthesis.teacher_faults import EMPTY, OWN, SKIP, STOP, Fault, refusal

TOKENS_A_MESSAGE = 8  # what a chat template puts around a message
LIMITS = ("max_tokens", "max_completion_tokens")
FILTERED = ("content_filter", "refusal", "safety", "prohibited_content", "sensitive", "recitation")
REASONING = ("reasoning_content", "reasoning")  # where servers put what a model thinks

_UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|deprecated|not permitted|not allowed|unrecognized|unknown|unexpected|extra"
    r"|\binstead\b|no longer|invalid parameter|unavailable",
    re.IGNORECASE,
)
_ONE_VALUE = re.compile(r"\bonly\b|(?:must be|equal|set to|to be) 1(?:\.0)?\b", re.IGNORECASE)
_SYSTEM = re.compile(
    r"system (?:role|message|prompt|instruction)|['\"`]system['\"`]|developer instruction", re.IGNORECASE
)
_VERSION = re.compile(r"(?:[-@:](?:latest|\d{4}-?\d{2}-?\d{2}|\d{3,4}))?")


def approximate_tokens(text: str) -> int:
    """Tokens of a text, rather too many than too few: three bytes each (English prose has four, mathematics three)."""
    return math.ceil(len(text.encode("utf-8", "replace")) / 3)


@dataclass(frozen=True)
class Form:
    """How an endpoint wants to be asked; its refusals tell.

    limit is its name for the most tokens of an answer; temperature says whether it takes one, and system whether it
    takes a system message (if not, the first question begins with it).
    """

    limit: str = LIMITS[0]
    temperature: bool = True
    system: bool = True

    def after(self, refused: str) -> "Form | None":
        """The form to try after a refusal of this one; None where the refusal is of something else."""
        unsupported = _UNSUPPORTED.search(refused) is not None
        if unsupported and re.search(rf"\b{self.limit}\b", refused):
            return replace(self, limit=next(name for name in LIMITS if name != self.limit))
        if self.temperature and "temperature" in refused and (unsupported or _ONE_VALUE.search(refused)):
            return replace(self, temperature=False)
        return replace(self, system=False) if unsupported and self.system and _SYSTEM.search(refused) else None


@dataclass(frozen=True)
class Request:
    """One chat completion. The name tells equal prompts apart and tells a person what was asked."""

    name: str
    messages: tuple[tuple[str, str], ...]  # (role, content)
    model: str
    temperature: float
    max_tokens: int

    def body(self, form: Form) -> dict[str, Any]:
        """What is sent."""
        messages = self.messages
        if not form.system:
            (_, instructions), (role, question), *others = messages
            messages = ((role, f"{instructions}\n\n{question}"), *others)
        said = [{"role": role, "content": content} for role, content in messages]
        warmth = {"temperature": self.temperature} if form.temperature else {}
        return {"model": self.model, "messages": said, **warmth, form.limit: self.max_tokens}

    @property
    def key(self) -> str:
        """The name under which the journal keeps the answer: equal requests, equal keys, on every run, in any form."""
        return hashlib.sha256(json.dumps([self.name, self.body(Form())], sort_keys=True).encode()).hexdigest()

    @property
    def worst(self) -> Charge:
        """The most that an attempt can cost."""
        prompt = sum(approximate_tokens(content) + TOKENS_A_MESSAGE for _, content in self.messages)
        return Charge(prompt, self.max_tokens)


@dataclass
class Response:
    """A usable chat completion, as it came; finish is "stop", or "length" where max_tokens cut it.

    The text is without what the model reasoned.
    """

    model: str
    text: str
    finish: str
    billed: Charge
    body: str


def read_response(request: Request, body: str, names: Sequence[str] = ()) -> Response:
    """The answer in the body of a good status; a Fault where there is none, or another model's than the one asked.

    names are further names of the model. Where the body does not say what it cost, that is estimated from the text, or
    taken for the worst case.
    """
    try:
        reply = replies.read_object(body)
        if reply.get("choices") == []:
            raise Fault(EMPTY, billed=request.worst, body=body, words="answered with no choices")
        choice = replies.first_choice(reply)
        finish = told if isinstance(told := choice.get("finish_reason"), str) else "stop"
        early = finish.lower() in (*FILTERED, *replies.CUT)
        message = replies.value_at(({"message": {}} if early else {}) | choice, dict, "message")
        content, refused = _texts(message.get("content"))
    except replies.Unreadable as odd:
        if error := replies.hidden_error(body):
            raise refusal(error[0], {}, body, error[1]) from None
        raise Fault("unreadable", billed=request.worst, body=body, words=str(odd)) from None
    billed = _charge(request, reply.get("usage"), content, message)
    model = str(reply.get("model") or "")
    if not any(same_model(name, model) for name in (request.model, *names)):
        words = f"asked for {request.model} and was answered by {model}; where that is the teacher you mean, "
        words += f"put {model} into teacher.model_names of params.yaml"
        raise Fault("wrong_model", STOP, billed=billed, body=body, words=words)
    refused = refused or str(message.get("refusal") or "")
    if refused or finish.lower() in FILTERED:
        raise Fault("content_filter", SKIP, OWN, billed=billed, body=body, words=refused or f"finish_reason {finish}")
    if accident := replies.broke_off(choice):
        raise Fault("cut", billed=billed, body=body, words=f"finish_reason {accident}")
    text = answer_of(content).encode("utf-8", "replace").decode()  # half characters cannot be written
    if not text.strip():
        thought = content.strip() or any(message.get(key) for key in REASONING)
        raise _silence(request, "nothing but reasoning" if thought else "no text", finish, billed, body)
    return Response(model, text, finish, billed, body)


def _texts(content: Any) -> tuple[str, str]:
    """What a message says and what it refuses with: content is null, a text, or parts of either kind."""
    parts = content if isinstance(content, list) else [] if content is None else [content]
    said, refused = "", ""
    for part in parts:
        if isinstance(part, dict):
            said += part["text"] if isinstance(part.get("text"), str) and part.get("type") != "reasoning" else ""
            refused += part["refusal"] if isinstance(part.get("refusal"), str) else ""
        else:
            said += replies.value_at({"content": part}, str, "content")
    return said, refused


def _charge(request: Request, usage: Any, content: str, message: dict[str, Any]) -> Charge:
    told = usage if isinstance(usage, dict) else {}
    thought = "".join(message[key] for key in REASONING if isinstance(message.get(key), str))
    prompt = _count(told.get("prompt_tokens")) or request.worst.prompt_tokens
    return Charge(prompt, _count(told.get("completion_tokens")) or approximate_tokens(content + thought))


def _count(value: Any) -> int:
    """A count of tokens, also where it comes as text or as a decimal; 0 where it is none."""
    try:
        return 0 if isinstance(value, bool) else max(0, int(float(value)))
    except (TypeError, ValueError, OverflowError):
        return 0


def _silence(request: Request, said: str, finish: str, billed: Charge, body: str) -> Fault:
    """An answer without text: cut before it began, or whole."""
    if finish.lower() in replies.CUT:
        words = f"the answer was cut at teacher.max_tokens = {request.max_tokens} before it began: raise it"
        return Fault("token_limit", SKIP, OWN, billed=billed, body=body, words=words)
    return Fault(EMPTY, billed=billed, body=body, words=f"answered with {said}")


def same_model(asked: str, answered: str) -> bool:
    """Whether an answer's model is the one asked for: its name, with or without its owner, or a dated version of it.

    gpt-4o is gpt-4o-2024-08-06, and Qwen/Qwen3-4B is qwen3-4b; gpt-4o-mini is another model, and so is
    gpt-4o-2024-05-13 where gpt-4o-2024-08-06 was asked for. An answer without a name is taken.
    """
    (owner, name), (its_owner, its_name) = (_owned(text) for text in (asked, answered))
    owners = {owner, its_owner} - {""}
    base = re.sub(r"[-:]latest$", "", name)
    return not answered or (
        len(owners) < 2 and its_name.startswith(base) and _VERSION.fullmatch(its_name[len(base) :]) is not None
    )


def _owned(text: str) -> tuple[str, str]:
    owner, _, name = text.strip().lower().rpartition("/")
    return owner.rpartition("/")[2], name
