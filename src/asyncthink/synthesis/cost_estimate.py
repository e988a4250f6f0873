"""What a teacher behind an API would cost, before it is asked anything."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict

from asyncthink.settings import Teacher
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.budget import Charge
from asyncthink.synthesis.chat_completion import Request
from asyncthink.synthesis.lessons import Lesson, lessons, traces_request
from asyncthink.synthesis.openai_batch import PRICE_SHARE
from asyncthink.synthesis.openai_client import named
from asyncthink.synthesis.response_journal import RESPONSES, Answer, Responses

# Tokens of an answer, as long as none was seen: what our prompts ask for, a guess.
EXPECTED = {"fragments": 400, "traces": 1000, "sequential": 700}
LETTERS_A_TOKEN = 3


class Estimate(TypedDict):
    """What is still to be spent on one corpus, and what was. most_dollars: if every answer were of the largest size."""

    form: str
    model: str
    demonstrations: int
    requests: int
    answered: int
    refused: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float
    most_dollars: float
    spent_dollars: float
    spent_tokens: int
    budget_dollars: float | None
    budget_tokens: int | None


def estimate(
    assignment: Assignment,
    teacher: Teacher,
    items: Sequence[dict[str, Any]],
    responses: str | Path = RESPONSES,
    model: str | None = None,
    corpus: str | None = None,
    ask_refused: bool = False,
) -> Estimate:
    """Requests, tokens and dollars that are still to be spent on one corpus; asks nothing and needs no key.

    Answers are taken to be as long as those that the journal holds already. `most_dollars` is the case that every
    answer is as long as teacher.max_tokens; attempts that fail come on top. ask_refused counts what was
    refused as well.
    """
    model = model or named(os.environ).model
    kept = Responses(Path(responses) / f"{corpus or assignment.form}.jsonl")
    if ask_refused:
        kept.forget_refusals()
    answers = kept.accepted
    lengths = {step: min(tokens, teacher.max_tokens) for step, tokens in _lengths(answers).items()}
    plan = lessons(assignment, teacher, items, model)
    asked = [request for lesson in plan for request in _requests(lesson, kept, lengths)]
    open_requests = [request for request in asked if kept.is_open(request.key)]
    answered = sum(request.key in answers for request in asked)
    share = PRICE_SHARE if teacher.batch else 1.0
    prompt_tokens = sum(request.worst.prompt_tokens for request in open_requests)
    expected = Charge(prompt_tokens, sum(lengths[_step(request.name)] for request in open_requests), share)
    most = Charge(prompt_tokens, sum(request.max_tokens for request in open_requests), share)
    return {
        "form": assignment.form,
        "model": model,
        "demonstrations": assignment.synthesize.demonstrations,
        "requests": len(open_requests),
        "answered": answered,
        "refused": len(asked) - len(open_requests) - answered,
        "prompt_tokens": expected.prompt_tokens,
        "completion_tokens": expected.completion_tokens,
        "dollars": round(expected.dollars(teacher), 2),
        "most_dollars": round(most.dollars(teacher), 2),
        "spent_dollars": round(sum(charge.dollars(teacher) for charge in kept.charges), 2),
        "spent_tokens": sum(charge.tokens for charge in kept.charges),
        "budget_dollars": teacher.budget_dollars,
        "budget_tokens": teacher.budget_tokens,
    }


def told(cost: Estimate) -> str:
    """An estimate in one line, for people."""
    tokens = cost["prompt_tokens"] + cost["completion_tokens"]
    limits = [f"{cost['budget_tokens']:,} tokens"] if cost["budget_tokens"] is not None else []
    limits += [f"${cost['budget_dollars']:.2f}"] if cost["budget_dollars"] is not None else []
    refused = f", {cost['refused']:,} refused" if cost["refused"] else ""
    parts = [
        f"{cost['requests']:,} requests to {cost['model']} ({cost['answered']:,} were answered before{refused})",
        f"about {tokens:,} tokens, ${cost['dollars']:.2f}, at most ${cost['most_dollars']:.2f}",
        f"${cost['spent_dollars']:.2f} spent so far",
        f"budget {' and '.join(limits) or 'without limit'}{_shortage(cost, tokens)}",
    ]
    return "; ".join(parts)


def _shortage(cost: Estimate, tokens: int) -> str:
    """A warning where the budget will not last."""
    dollars, limit = cost["spent_dollars"] + cost["dollars"], cost["budget_dollars"]
    short = limit is not None and dollars > limit
    short |= cost["budget_tokens"] is not None and cost["spent_tokens"] + tokens > cost["budget_tokens"]
    return ", which will not last: raise it, or lower synthesize.demonstrations" if short else ""


def _requests(lesson: Lesson, kept: Responses, lengths: dict[str, int]) -> list[Request]:
    """What a lesson asks; where step 1 is not answered yet, step 2 holds a text of the expected length.

    Where step 1 is refused, there is no step 2.
    """
    known = kept.accepted.get(lesson.first.key)
    if lesson.form == "sequential" or (known is None and kept.refusal(lesson.first.key)):
        return [lesson.first]
    fragments = known.text if known else "x" * LETTERS_A_TOKEN * lengths["fragments"]
    return [lesson.first, traces_request(lesson, fragments)]


def _lengths(answers: Mapping[str, Answer]) -> dict[str, int]:
    """Tokens that an answer of each step has."""
    seen: dict[str, list[int]] = defaultdict(list)
    for answer in answers.values():
        seen[_step(answer.name)].append(answer.completion_tokens)
    return EXPECTED | {step: round(fmean(lengths)) for step, lengths in seen.items()}


def _step(name: str) -> str:
    return name.rsplit("/", 1)[-1]
