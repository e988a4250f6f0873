"""Sequential thinking: one trace, from the question to the answer."""

from typing import Any

from asyncthink import protocol
from asyncthink.engines import Engine
from asyncthink.episode import Episode, Trace
from asyncthink.models.prompts import PROMPTS
from asyncthink.schedule import Plan, numbers, planned, simulate
from asyncthink.settings import Thinking
from asyncthink.tasks import TASKS
from asyncthink.thinking.agents import Agent


async def sequential(
    engine: Engine, task_name: str, item: dict[str, Any], settings: Thinking, key: dict[str, Any], seed: tuple[Any, ...]
) -> Episode:
    """One episode, not yet scored. Its latency is the number of its tokens."""
    question = TASKS[task_name].prompt(item, settings.prompts)
    trace, plan, answer = await solve(engine, question, settings, (*seed, "sequential"), None)
    return Episode(
        key=key,
        task=task_name,
        item=item,
        mode="sequential",
        capacity=settings.capacity,
        traces=[trace],
        plan=plan,
        answer=answer,
        schedule=numbers(simulate(plan)),
    )


async def solve(
    engine: Engine, question: str, settings: Thinking, name: tuple[Any, ...], index: int | None, start: str = ""
) -> tuple[Trace, Plan, str | None]:
    """One sequential trace, its plan and its answer; `index` is its place among the traces of parallel thinking.

    `start` is how the trace begins, decided for the model. Its plan is thinking, then the answer if there is one.
    """
    limit = settings.latency_budget
    budget = settings.organizer_budget if limit is None else min(settings.organizer_budget, limit)
    prompts = PROMPTS[settings.prompts]
    prompt = prompts.written(engine.vocabulary.tokenizer, prompts.sequential, question, settings.reasoning)
    agent = Agent(engine, name, "sequential", index, prompt, settings.temperature)
    begun = agent.write(start) if start else 0
    reading = await agent.decode_until(protocol.ANSWER_CLOSE, budget)
    agent.release()
    thinking = begun + (reading.thinking if reading else len(agent.pending))
    actions = [planned("think", thinking)] if thinking else []
    if reading:
        actions.append(planned("answer", reading.tokens))
    plan: Plan = {"capacity": settings.capacity, "organizer": actions, "workers": {}}
    return agent.trace, plan, protocol.answer([reading.action] if reading else [])
