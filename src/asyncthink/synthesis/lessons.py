"""Lessons: one demonstration each that a teacher is to write, what it is asked, and how its text is cut into traces."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from asyncthink.errors import InputError
from asyncthink.protocol import CLOSED_JOIN
from asyncthink.randomness import keyed
from asyncthink.settings import Teacher
from asyncthink.synthesis import structures
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.chat_completion import Request
from asyncthink.tasks import TASKS

EXAMPLES = ("interleaved", "batched", "overlapping")  # a worked example of each for every task that is trained on
TASK_OF = {"numbers": "countdown", "problem": "competition_math"}  # what a task's items hold and no other's do
ACTIONS = {"T": "think", "F": "fork", "J": "join", "A": "answer"}

_HEADING = re.compile(r"^[ \t]*=+[ \t]*(?:ORGANIZER|WORKER[ \t]+([1-9]\d{0,8}))[ \t]*=+[ \t]*$", re.MULTILINE | re.I)


@cache
def prompt_text(name: str) -> str:
    """A prompt file of this package."""
    return files("asyncthink.synthesis").joinpath(name).read_text(encoding="utf-8").rstrip("\n")


@dataclass(frozen=True)
class Lesson:
    """One demonstration that is to be written; index and form name it."""

    index: int
    form: str
    task: str
    item: dict[str, Any]
    structure: tuple[str, ...]
    model: str
    temperature: float
    max_tokens: int

    @property
    def problem(self) -> str:
        """The item as a person would ask it."""
        return TASKS[self.task].prompt(self.item, "chat")

    @property
    def first(self) -> Request:
        """What is asked first: which thoughts do not depend on one another, or the whole of a sequential stream."""
        return self.request("fragments" if self.form == "asynchronous" else "sequential", self.problem)

    def request(self, step: str, *turns: str) -> Request:
        """The request of one step (prompts/STEP.txt instructs); turns alternate user, assistant, user, ..."""
        roles = ("user", "assistant") * len(turns)
        messages = (("system", prompt_text(f"prompts/{step}.txt")), *zip(roles, turns, strict=False))
        name = f"{self.form}/{self.index}/{step}"
        return Request(name, messages, self.model, self.temperature, self.max_tokens)


def task_of(item: dict[str, Any]) -> str:
    """The task of an item; an estimate may ask of countdown in the place of another task."""
    found = next((task for key, task in TASK_OF.items() if key in item), None)
    if found is None:
        raise InputError(f"an item with {', '.join(map(repr, item))} is of no task that a teacher can be asked")
    TASKS[found].check(item)
    return found


def lessons(assignment: Assignment, teacher: Teacher, items: Sequence[dict[str, Any]], model: str) -> Iterator[Lesson]:
    """The lessons of an assignment over all the items in turn, each with a structure of its own."""
    form, settings, capacity = assignment.form, assignment.synthesize, assignment.thinking.capacity
    for index in range(settings.demonstrations):
        structure: Sequence[str] = ("T", "A")
        if form == "asynchronous":
            rng = keyed(assignment.seed, "openai_teacher", form, index)
            structure = structures.sample(rng, settings, capacity)
        item = items[index % len(items)]
        yield Lesson(index, form, task_of(item), item, tuple(structure), model, teacher.temperature, teacher.max_tokens)


def example(task: str, kind: str) -> tuple[str, str]:
    """A worked example of a task with a structure of EXAMPLES: what is asked in step 2, and what is answered."""
    question, _, answer = prompt_text(f"prompts/{task}_{kind}.txt").partition("\n===\n")
    return question, answer


def traces_request(lesson: Lesson, fragments: str) -> Request:
    """Step 2: the traces, after the examples, along the lesson's structure."""
    examples = [turn for kind in EXAMPLES for turn in example(lesson.task, kind)]
    steps = [f"{number}. {spoken(action)}" for number, action in enumerate(lesson.structure, 1)]
    parts = {"Problem": lesson.problem, "Fragments of thought": fragments, "Sequence of actions": "\n".join(steps)}
    return lesson.request("traces", *examples, "\n\n".join(f"{name}:\n{text}" for name, text in parts.items()))


def spoken(action: str) -> str:
    """An entry of a structure in words: F2 is `fork 2`."""
    return f"{ACTIONS[action[0]]} {action[1:]}".rstrip()


def read_traces(text: str) -> tuple[str, dict[int, str], dict[int, str]]:
    """The organizer's own text, the workers' texts, and the texts of closed Joins, by the rules of prompts/traces.txt.

    What stands between <JOIN-i> and </JOIN-i> is cut out of the organizer's own: the runtime injects it. Without
    headings all of it is the organizer's. Of two sections with one heading the first counts. Nothing is repaired.
    """
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    organizer = None if headings else text
    workers: dict[int, str] = {}
    for heading, end in zip(headings, ends, strict=False):
        section = text[heading.end() : end].strip()
        if heading[1]:
            workers.setdefault(int(heading[1]), section)
        elif organizer is None:
            organizer = section
    organizer = (organizer or "").strip()
    joined = {int(i): inside.strip() for _, i, inside in reversed(CLOSED_JOIN.findall(organizer))}
    return CLOSED_JOIN.sub(r"\1", organizer), workers, joined
