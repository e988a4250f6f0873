"""The paper's teacher: a large model behind an OpenAI-compatible interface (GPT-4o there) writes the demonstrations.

An asynchronous demonstration takes two requests (paper, section on the cold start): the first finds conditionally
independent fragments of thought for the item, the second writes the organizer's and the workers' traces, after three
worked examples of the task and along a randomly sampled sequence of organizer actions. A sequential one takes one
request. The paper's prompts are not public; ours are the files in prompts/.

What the teacher writes is cut into traces and otherwise left as it is: whether its form is right is the filter's
business, so every lesson that is answered becomes one demonstration. A lesson that the teacher refuses for what it is
has none, and is not paid for again unless that is asked for; the corpus is whole without it as long as
`filter.fewest_kept` of its lessons are there. One that failed for another reason stays open, and so does the corpus.

Which endpoint, key and model: from the environment (see `openai_client.endpoint`). Every response is kept under work/,
so that a run that was killed, ran out of budget or met too many faults goes on where it stood: nothing is asked twice.
"""

import asyncio
import math
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncthink import progress as telling
from asyncthink.errors import InputError
from asyncthink.settings import Teacher
from asyncthink.synthesis import lessons
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.cost_estimate import estimate, told
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.lessons import Lesson
from asyncthink.synthesis.openai_batch import ask_in_batches
from asyncthink.synthesis.openai_client import Client, Endpoint, GivenUp, Refused, Stopped, endpoint
from asyncthink.synthesis.response_journal import RESPONSES, ResponseJournal

REPORT_EVERY = 10.0  # seconds
MOST_GIVEN_UP_IN_A_ROW = 20  # then the endpoint is taken for dead
ASK_REFUSED = "asyncthink synthesize --ask-refused asks again"


@dataclass
class Progress:
    """What a run has so far: demonstrations by lesson index, and lessons without one, with the reason.

    fewest is the share of the lessons without which there is no corpus.
    """

    lessons: int
    fewest: float
    written: dict[int, Demonstration] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    given_up: dict[int, str] = field(default_factory=dict)
    given_up_in_a_row: int = 0
    stopped: str | None = None

    def note(self, index: int, demonstration: Demonstration) -> None:
        """A lesson was answered."""
        self.written[index] = demonstration
        self.given_up_in_a_row = 0

    def give_up(self, index: int, reason: GivenUp) -> None:
        """A lesson was not. A refusal speaks of the endpoint only while nothing else was heard from it."""
        refused = isinstance(reason, Refused)
        (self.refused if refused else self.given_up)[index] = str(reason)
        if not (refused and self.written):
            self.given_up_in_a_row += 1
        if self.given_up_in_a_row >= MOST_GIVEN_UP_IN_A_ROW:
            self.stopped = f"{self.given_up_in_a_row} requests in a row had no answer, the last one: {reason}"
        elif len(self.refused) > self.lessons - self.needed:
            self.stopped = f"{self.refusals}, and filter.fewest_kept is {self.fewest:g}; {ASK_REFUSED}"

    @property
    def needed(self) -> int:
        """Demonstrations without which there is no corpus."""
        return max(1, math.ceil(self.fewest * self.lessons))

    @property
    def refusals(self) -> str:
        """How many lessons were refused, and why, for people."""
        return f"the teacher refused {len(self.refused):,} of {self.lessons:,} lessons: {_reasons(self.refused)}"

    @property
    def shortfall(self) -> str | None:
        """Why there is no corpus, for people; None where there is one."""
        if len(self.written) >= self.needed and len(self.written) + len(self.refused) == self.lessons:
            return None
        missing = self.lessons - len(self.written)
        reasons = [_reasons(self.given_up), self.refusals if self.refused else ""]
        told = self.stopped or "; ".join(filter(None, reasons))
        again = "" if ASK_REFUSED in told else ": run it again"
        return f"{missing:,} of {self.lessons:,} demonstrations are missing: {told}. All answers are kept{again}"


def _reasons(lessons: Mapping[int, str]) -> str:
    return "; ".join(f"{reason} ({count:,})" for reason, count in Counter(lessons.values()).most_common(3))


def demonstrate(
    assignment: Assignment,
    teacher: Teacher,
    fewest_kept: float,
    items: Sequence[dict[str, Any]],
    where: Endpoint | None = None,
    responses: str | Path = RESPONSES,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    corpus: str | None = None,
    ask_refused: bool = False,
) -> Iterator[Demonstration]:
    """The demonstrations of an assignment, in order, without those that the teacher refuses.

    An InputError where another one is missing, or where a smaller share of them than `filter.fewest_kept` is there.
    sleep waits between attempts and looks at batches. corpus names the file that keeps the responses, by default the
    form; corpora of other names can be written at the same time. ask_refused asks once more for what was refused in an
    earlier run.
    """
    corpus = corpus or assignment.form
    where = where or endpoint(os.environ)
    cost = estimate(assignment, teacher, items, responses, where.model, corpus, ask_refused)
    print(f"synthesize: {told(cost)}", file=sys.stderr)
    plan = list(lessons.lessons(assignment, teacher, items, where.model))
    with ResponseJournal(Path(responses) / f"{corpus}.jsonl") as journal:
        if journal.broken:
            print(f"synthesize: {journal.path}: passed over {journal.broken} cut lines", file=sys.stderr)
        if ask_refused:
            journal.forget_refusals()
        client = Client(where, teacher, journal, sleep)
        progress = asyncio.run(_taught(client, plan, Progress(len(plan), fewest_kept), f"synthesize {corpus}"))
    if progress.shortfall:
        raise InputError(progress.shortfall)
    if progress.refused:
        print(f"synthesize: {progress.refusals}; they are left out. {ASK_REFUSED}", file=sys.stderr)
    return (progress.written[lesson.index] for lesson in plan if lesson.index in progress.written)


async def _taught(client: Client, plan: Sequence[Lesson], progress: Progress, title: str) -> Progress:
    """Ask for all lessons, at most `teacher.concurrency` at once."""
    waiting = iter(plan)
    reporter = asyncio.create_task(_report(client, progress, title))
    try:
        if client.settings.batch:
            await _in_batches(client, plan)
        await asyncio.gather(*(_work(client, waiting, progress) for _ in range(client.settings.concurrency)))
    except Stopped as stop:
        progress.stopped = str(stop)
    finally:
        reporter.cancel()
        await client.close()
    done = f"{len(progress.written):,} of {progress.lessons:,}"
    print(f"synthesize: {done}; {_spent(client, progress)}", file=sys.stderr)
    if not client.form.temperature:
        unsent = f"teacher.temperature = {client.settings.temperature:g} is not sent"
        print(f"synthesize: {client.endpoint.name} takes no temperature: {unsent}", file=sys.stderr)
    return progress


async def _work(client: Client, waiting: Iterator[Lesson], progress: Progress) -> None:
    """Take lessons until there are none, or there is no use in going on."""
    for lesson in waiting:
        try:
            progress.note(lesson.index, await _demonstrated(client, lesson))
        except GivenUp as fault:
            progress.give_up(lesson.index, fault)
        except Stopped as stop:
            progress.stopped = progress.stopped or str(stop)
        if progress.stopped:
            return


async def _demonstrated(client: Client, lesson: Lesson) -> Demonstration:
    """Ask the steps of a lesson: one if it is sequential, else two."""
    first = (await client.ask(lesson.first)).text
    if lesson.form == "sequential":
        return Demonstration(lesson.task, lesson.item, lesson.form, lesson.structure, first.strip(), {})
    traces = await client.ask(lessons.traces_request(lesson, first))
    return Demonstration(lesson.task, lesson.item, lesson.form, lesson.structure, *lessons.read_traces(traces.text))


async def _in_batches(client: Client, plan: Sequence[Lesson]) -> None:
    """Fill the journal through the Batch API, a step at a time; what a batch leaves out is asked one by one."""
    await ask_in_batches(client, [lesson.first for lesson in plan])
    pairs = [(lesson, client.journal.accepted.get(lesson.first.key)) for lesson in plan]
    second = [(lesson, first.text) for lesson, first in pairs if first and lesson.form == "asynchronous"]
    await ask_in_batches(client, [lessons.traces_request(*pair) for pair in second])


async def _report(client: Client, progress: Progress, title: str) -> None:
    """A line on standard error every few seconds."""
    said = telling.Progress(title, progress.lessons, "demonstrations")
    said.resume(len(progress.written))
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(REPORT_EVERY)
            said.tell(len(progress.written), _spent(client, progress))


def _spent(client: Client, progress: Progress) -> str:
    faults = ", ".join(f"{name} {count:,}" for name, count in client.faults.most_common()) or "none"
    refused = f"{len(progress.refused):,} refused; " if progress.refused else ""
    return f"{refused}{client.budget.spent}; faults: {faults}"
