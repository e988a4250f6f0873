"""The paper's teacher: a large model behind an OpenAI-compatible interface (GPT-4o there) writes the demonstrations.

An asynchronous demonstration takes two requests (paper, section on the cold start): the first finds conditionally
independent fragments of thought for the item, the second writes the organizer's and the workers' traces, after a
worked example and along a randomly sampled sequence of organizer actions. A sequential one takes one request. The
paper's prompts are not public; ours are the files in prompts/.

What the teacher writes is cut into traces and otherwise left as it is: whether its form is right is the filter's
business, so every lesson that is answered becomes one demonstration. Which endpoint, key and model: from the
environment (see `openai_client.endpoint`). Every response is kept under work/, so that a run that was killed, ran out
of budget or met too many faults goes on where it stood: nothing is asked twice.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncthink.errors import InputError
from asyncthink.params import Params
from asyncthink.synthesis.cost_estimate import estimate, told
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.lessons import (
    Lesson,
    fragments_request,
    lessons,
    read_traces,
    sequential_request,
    traces_request,
)
from asyncthink.synthesis.openai_batch import ask_in_batches
from asyncthink.synthesis.openai_client import Client, Endpoint, GivenUp, Stopped, endpoint
from asyncthink.synthesis.response_journal import RESPONSES, ResponseJournal

REPORT_EVERY = 10.0  # seconds
MOST_GIVEN_UP_IN_A_ROW = 20  # then the endpoint is taken for dead


@dataclass
class Progress:
    """What a run has so far: demonstrations by lesson index, and lessons without one, with the reason."""

    lessons: int
    written: dict[int, Demonstration] = field(default_factory=dict)
    given_up: dict[int, str] = field(default_factory=dict)
    given_up_in_a_row: int = 0
    stopped: str | None = None

    def note(self, index: int, demonstration: Demonstration) -> None:
        """A lesson was answered."""
        self.written[index] = demonstration
        self.given_up_in_a_row = 0

    def give_up(self, index: int, reason: str) -> None:
        """A lesson was not."""
        self.given_up[index] = reason
        self.given_up_in_a_row += 1
        if self.given_up_in_a_row >= MOST_GIVEN_UP_IN_A_ROW:
            self.stopped = f"{self.given_up_in_a_row} requests in a row had no answer, the last one: {reason}"

    @property
    def shortfall(self) -> str | None:
        """Why the corpus is not whole, for people; None when it is."""
        if len(self.written) == self.lessons:
            return None
        reasons = Counter(self.given_up.values()).most_common(3)
        told = self.stopped or "; ".join(f"{reason} ({count:,})" for reason, count in reasons)
        missing = self.lessons - len(self.written)
        return f"{missing:,} of {self.lessons:,} demonstrations are missing: {told}. All answers are kept: run it again"


def demonstrate(
    params: Params,
    form: str,
    items: Sequence[dict[str, Any]],
    where: Endpoint | None = None,
    responses: str | Path = RESPONSES,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    corpus: str | None = None,
) -> Iterator[Demonstration]:
    """`synthesize.demonstrations` demonstrations of one form, in order; an InputError unless all of them are there.

    sleep waits between attempts and looks at batches. corpus names the file that keeps the responses, by default the
    form; corpora of other names can be written at the same time.
    """
    corpus = corpus or form
    where = where or endpoint(os.environ)
    print(f"synthesize: {told(estimate(params, form, items, responses, where.model, corpus))}", file=sys.stderr)
    plan = list(lessons(params, form, items, where.model))
    with ResponseJournal(Path(responses) / f"{corpus}.jsonl") as journal:
        if journal.broken:
            print(f"synthesize: {journal.path}: passed over {journal.broken} cut lines", file=sys.stderr)
        progress = asyncio.run(_taught(Client(where, params.teacher, journal, sleep), plan))
    if progress.shortfall:
        raise InputError(progress.shortfall)
    return (progress.written[lesson.index] for lesson in plan)


async def _taught(client: Client, plan: Sequence[Lesson]) -> Progress:
    """Ask for all lessons, at most `teacher.concurrency` at once."""
    progress = Progress(len(plan))
    waiting = iter(plan)
    reporter = asyncio.create_task(_report(client, progress))
    try:
        if client.settings.batch:
            await _in_batches(client, plan)
        await asyncio.gather(*(_work(client, waiting, progress) for _ in range(client.settings.concurrency)))
    except Stopped as stop:
        progress.stopped = str(stop)
    finally:
        reporter.cancel()
        await client.close()
    print(_line(client, progress, None), file=sys.stderr)
    return progress


async def _work(client: Client, waiting: Iterator[Lesson], progress: Progress) -> None:
    """Take lessons until there are none, or there is no use in going on."""
    for lesson in waiting:
        try:
            progress.note(lesson.index, await FORMS[lesson.form](client, lesson))
        except GivenUp as fault:
            progress.give_up(lesson.index, str(fault))
        except Stopped as stop:
            progress.stopped = progress.stopped or str(stop)
        if progress.stopped:
            return


async def asynchronous(client: Client, lesson: Lesson) -> Demonstration:
    """Ask both steps."""
    fragments = await client.ask(fragments_request(lesson))
    traces = await client.ask(traces_request(lesson, fragments.text))
    organizer, workers = read_traces(traces.text)
    return Demonstration(lesson.task, lesson.item, lesson.form, lesson.structure, organizer, workers)


async def sequential(client: Client, lesson: Lesson) -> Demonstration:
    """Ask the only step."""
    trace = await client.ask(sequential_request(lesson))
    return Demonstration(lesson.task, lesson.item, lesson.form, lesson.structure, trace.text.strip(), {})


FORMS: dict[str, Callable[[Client, Lesson], Awaitable[Demonstration]]] = {
    "asynchronous": asynchronous,
    "sequential": sequential,
}


async def _in_batches(client: Client, plan: Sequence[Lesson]) -> None:
    """Fill the journal through the Batch API, a step at a time; what a batch leaves out is asked one by one."""
    first = {"asynchronous": fragments_request, "sequential": sequential_request}
    await ask_in_batches(client, [first[lesson.form](lesson) for lesson in plan])
    answered = client.journal.accepted
    pairs = [(lesson, answered.get(fragments_request(lesson).key)) for lesson in plan if lesson.form == "asynchronous"]
    await ask_in_batches(client, [traces_request(lesson, record["text"]) for lesson, record in pairs if record])


async def _report(client: Client, progress: Progress) -> None:
    """A line on standard error every few seconds."""
    begin, before = time.monotonic(), len(progress.written)
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(REPORT_EVERY)
            rate = (len(progress.written) - before) / (time.monotonic() - begin)
            print(_line(client, progress, rate), file=sys.stderr, flush=True)


def _line(client: Client, progress: Progress, rate: float | None) -> str:
    done = len(progress.written)
    faults = ", ".join(f"{name} {count:,}" for name, count in client.faults.most_common()) or "none"
    pace = f", {rate:.1f} a second, {(progress.lessons - done) / rate / 60:.0f} min left" if rate else ""
    return f"synthesize: {done:,} of {progress.lessons:,}{pace}; {client.budget.spent}; faults: {faults}"
