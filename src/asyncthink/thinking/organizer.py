"""The runtime of asynchronous thinking: an organizer and its workers (paper, section on the thinking protocol).

The organizer decodes until a tag calls for the runtime. At `</FORK-i>` a worker starts and the organizer goes on at
once, at `<JOIN-i>` it waits for that worker and what it returned is appended, at `</ANSWER>` it ends. A worker's result
enters the organizer's context only at its Join, so the text of an episode depends on its seeds and not on timing.

The protocol is enforced while it runs: at the first format error the organizer ends. Workers that were forked run to
their own ends, joined or not. Time is the token clock; schedule.Clock keeps it, and the slots of the
pool with it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from asyncthink import protocol
from asyncthink.engines import Engine
from asyncthink.episode import Trace
from asyncthink.models.prompts import PROMPTS
from asyncthink.protocol import Answer, Fork, Join, Return, Tagged
from asyncthink.schedule import Clock, Kind, Plan, PlannedAction, planned
from asyncthink.settings import Thinking
from asyncthink.thinking.agents import Agent


class Organizer:
    """The runtime of one episode. Its plan grows with the actions, with counts of real tokens."""

    def __init__(self, engine: Engine, question: str, settings: Thinking, seed: tuple[Any, ...]) -> None:
        self.engine, self.settings, self.seed = engine, settings, seed
        self.prompts = PROMPTS[settings.prompts]
        prompt = self._prompt(self.prompts.organizer(settings.capacity), question)
        self.agent = Agent(engine, (*seed, "organizer"), "organizer", None, prompt, settings.temperature)
        self.answer: str | None = None
        self._actions: list[PlannedAction] = []
        self._workers: dict[int, asyncio.Task[Trace]] = {}  # in the order of the forks
        self._steps: dict[int, int] = {}  # of the workers that have ended
        self._returned: dict[int, str] = {}
        self.clock = Clock(settings.capacity, settings.slot_release, self._steps)

    @property
    def plan(self) -> Plan:
        """What was decoded. A plan names every Fork; one that found no slot never ran and never counts."""
        forks = [action["fork"] for action in self._actions if "fork" in action]
        return {
            "capacity": self.settings.capacity,
            "organizer": self._actions,
            "workers": {str(i): self._steps.get(i, 1) for i in forks},
            "slot_release": self.settings.slot_release,
        }

    async def run(self, decide: Coroutine[Any, Any, None]) -> list[Trace]:
        """Let `decide` act to the end; then the traces of all workers."""
        try:
            await decide
            self.agent.release()
            return list(await asyncio.gather(*self._workers.values()))
        finally:
            for worker in self._workers.values():
                worker.cancel()

    async def decide(self) -> None:
        """Let the model decide: decode, and do what its tags ask for."""
        while not self.clock.over and not self.agent.ended and (budget := self.budget()) > 0:
            if reading := await self.agent.decode(self.prompts.organizer_stops, budget):
                if reading.thinking:
                    self.act("think", reading.thinking)
                await self.do(reading.action, reading.tokens)
        if self.agent.pending:
            self.act("think", len(self.agent.pending))
        if self.clock.over and self.answer is None:
            self.agent.trace.stop = "error"

    def budget(self) -> int:
        """Tokens that the organizer may still decode."""
        limit = self.settings.latency_budget
        left = self.settings.organizer_budget - self.agent.trace.decoded
        return left if limit is None else min(left, limit - self.clock.now - len(self.agent.pending))

    def returned(self, fork: int) -> str:
        """What a worker that has ended returned; its stand-in where it was cut."""
        return self._returned.get(fork, self.prompts.missing)

    def act(self, kind: Kind, tokens: int, worker: int = 0) -> None:
        """Put an action of the organizer into the plan and on the clock."""
        self._actions.append(planned(kind, tokens, worker))
        self.clock.act(kind, tokens, worker)

    async def do(self, action: Tagged, tokens: int) -> None:
        """What a tag asks for, unless it is a format error."""
        match action:
            case Fork(id=i):
                if self.clock.counts_ends:
                    await asyncio.gather(*self._workers.values())
                self.act("fork", tokens, i)
                if not self.clock.over:
                    self._workers[i] = asyncio.create_task(self._work(action))
            case Join(id=i):
                if i in self._workers:
                    await self._workers[i]
                self.act("join", tokens, i)
                if not self.clock.over:
                    self.agent.inject(self.prompts.injected(i, self.returned(i)))
            case Answer(text):
                self.act("answer", tokens)
                self.answer = text

    def _prompt(self, role: str, question: str) -> str:
        return self.prompts.written(self.engine.vocabulary.tokenizer, role, question, self.settings.reasoning)

    async def _work(self, fork: Fork) -> Trace:
        """One worker, to its end. It takes at least the one step in which it finds that it can say nothing."""
        name = (*self.seed, f"worker-{fork.id}")
        prompt = self._prompt(self.prompts.worker, fork.query)
        agent = Agent(self.engine, name, "worker", fork.id, prompt, self.settings.temperature)
        reading = await agent.decode_until(protocol.RETURN_CLOSE, self.settings.worker_budget)
        agent.release()
        if reading and isinstance(reading.action, Return):
            self._returned[fork.id] = reading.action.text
        self._steps[fork.id] = max(1, agent.trace.decoded)
        return agent.trace
