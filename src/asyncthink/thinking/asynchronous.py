"""Asynchronous thinking: an organizer and its workers, side by side (paper, section on the thinking protocol).

The organizer decodes until a tag calls for the runtime. At `</FORK-i>` a worker starts and the organizer goes on at
once, at `<JOIN-i>` it waits for that worker and what it returned is appended, at `</ANSWER>` it ends. A worker's result
enters the organizer's context only at its Join, so the text of an episode depends on its seeds and not on timing.

The protocol is enforced while it runs: at the first format error the organizer ends. Workers that were forked run to
their own ends, joined or not. Time is the token clock of the schedule: a Join moves it to max(clock, end of worker).
"""

import asyncio
from typing import Any

from asyncthink import protocol
from asyncthink.engines import Engine
from asyncthink.episode import Episode, Trace
from asyncthink.models.prompts import PROMPTS
from asyncthink.protocol import Answer, Fork, Join
from asyncthink.settings import Thinking
from asyncthink.tasks import TASKS
from asyncthink.thinking.agents import Agent
from asyncthink.thinking.plans import summary
from asyncthink.thinking.reader import Reader


async def asynchronous(
    engine: Engine, task_name: str, item: dict[str, Any], settings: Thinking, key: dict[str, Any], seed: tuple[Any, ...]
) -> Episode:
    """One episode, not yet scored: traces (the organizer's, then its workers' by Fork), plan, answer, schedule."""
    question = TASKS[task_name].prompt(item, settings.prompts)
    organizer = Organizer(engine, question, settings, seed)
    workers = await organizer.run()
    plan = {
        "capacity": settings.capacity,
        "organizer": organizer.actions,
        "workers": organizer.refused | {str(worker.fork): _steps(worker) for worker in workers},
        "slot_release": settings.slot_release,
    }
    return Episode(
        key=key,
        task=task_name,
        item=item,
        mode="asynchronous",
        capacity=settings.capacity,
        traces=[organizer.agent.trace, *workers],
        plan=plan,
        answer=organizer.answer,
        schedule=summary(plan),
    )


class Organizer:
    """The runtime of one episode. `actions` grows into the plan, with counts of real tokens."""

    def __init__(self, engine: Engine, question: str, settings: Thinking, seed: tuple[Any, ...]) -> None:
        self.engine, self.settings, self.seed = engine, settings, seed
        self.prompts = PROMPTS[settings.prompts]
        prompt = self.prompts.organizer(question, settings.capacity)
        self.agent = Agent(engine, (*seed, "organizer"), "organizer", None, prompt, settings.temperature)
        self.actions: list[dict[str, int]] = []
        self.answer: str | None = None
        self.refused: dict[str, int] = {}  # a plan names every fork; one that found no slot never ran and never counts
        self._reader = Reader(engine)
        self._clock = 0
        self._workers: dict[int, asyncio.Task[Trace]] = {}  # in the order of the forks
        self._starts: dict[int, int] = {}  # the clock at each Fork
        self._open: set[int] = set()  # forked and not joined

    async def run(self) -> list[Trace]:
        """Decode to the end; then the traces of all workers."""
        try:
            await self._organize()
            self.agent.release()
            return list(await asyncio.gather(*self._workers.values()))
        finally:
            for worker in self._workers.values():
                worker.cancel()

    async def _organize(self) -> None:
        going = True
        while going and not self.agent.ended and (budget := self._budget()) > 0:
            completion = await self.agent.decode(self.prompts.organizer_stops, budget)
            action, think, tokens, behind = self._reader.read(completion.ids)
            if behind:
                self.agent.cut(behind)
            self._clock += len(completion.ids) - behind
            if action is None:
                continue
            if think:
                self.actions.append({"think": think})
            going = await getattr(self, f"_{type(action).__name__.lower()}")(action, tokens)
        if self._reader.pending:
            self.actions.append({"think": self._reader.pending})

    def _budget(self) -> int:
        """Tokens that the organizer may still decode."""
        limit = self.settings.latency_budget
        left = self.settings.organizer_budget - self.agent.trace.decoded
        return left if limit is None else min(left, limit - self._clock)

    async def _fork(self, fork: Fork, tokens: int) -> bool:
        self.actions.append({"fork": fork.id, "tokens": tokens})
        if fork.id in self._starts:
            return self._error()
        if await self._taken() >= self.settings.capacity - 1:
            self.refused[str(fork.id)] = 1
            return self._error()
        self._starts[fork.id] = self._clock
        self._open.add(fork.id)
        self._workers[fork.id] = asyncio.create_task(self._work(fork))
        return True

    async def _join(self, join: Join, tokens: int) -> bool:
        self.actions.append({"join": join.id, "tokens": tokens})
        if join.id not in self._open:
            return self._error()
        self._open.remove(join.id)
        worker = await self._workers[join.id]
        self._clock = max(self._clock, self._starts[join.id] + _steps(worker))
        returned = protocol.returned(worker.own_text)
        self.agent.inject(self.prompts.injected(join.id, self.prompts.missing if returned is None else returned))
        return True

    async def _answer(self, answer: Answer, tokens: int) -> bool:
        self.actions.append({"answer": tokens})
        self.answer = answer.text
        self.agent.trace.stop = "answer"
        return False

    def _error(self) -> bool:
        self.agent.trace.stop = "error"
        return False

    async def _taken(self) -> int:
        """Slots that are taken at this clock. Whether a worker has ended by the token clock, only its end can tell."""
        if self.settings.slot_release == "join" or len(self._workers) < self.settings.capacity - 1:
            return len(self._open)
        workers = dict(zip(self._workers, await asyncio.gather(*self._workers.values()), strict=True))
        return sum(self._starts[i] + _steps(worker) > self._clock for i, worker in workers.items())

    async def _work(self, fork: Fork) -> Trace:
        name = (*self.seed, f"worker-{fork.id}")
        prompt = self.prompts.worker(fork.query)
        agent = Agent(self.engine, name, "worker", fork.id, prompt, self.settings.temperature)
        await agent.decode_until(protocol.RETURN_CLOSE, self.settings.worker_budget)
        agent.release()
        return agent.trace


def _steps(worker: Trace) -> int:
    """Decoding steps of a worker: at least the one in which it finds that it can say nothing."""
    return max(1, worker.decoded)
