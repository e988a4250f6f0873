"""Asynchronous thinking: an organizer and its workers, side by side (paper, section on the thinking protocol)."""

from typing import Any

from asyncthink.engines import Engine
from asyncthink.episode import Episode
from asyncthink.settings import Thinking
from asyncthink.tasks import TASKS
from asyncthink.thinking.fixed_plan import follow
from asyncthink.thinking.organizer import Organizer


async def asynchronous(
    engine: Engine, task_name: str, item: dict[str, Any], settings: Thinking, key: dict[str, Any], seed: tuple[Any, ...]
) -> Episode:
    """One episode, not yet scored: traces (the organizer's, then its workers' by Fork), plan, answer, schedule."""
    question = TASKS[task_name].prompt(item, settings.prompts)
    organizer = Organizer(engine, question, settings, seed)
    decide = organizer.decide() if settings.plan is None else follow(organizer, item, question, settings.plan)
    workers = await organizer.run(decide)
    return Episode(
        key=key,
        task=task_name,
        item=item,
        mode="asynchronous",
        capacity=settings.capacity,
        traces=[organizer.agent.trace, *workers],
        plan=organizer.plan,
        answer=organizer.answer,
        schedule=organizer.clock.numbers(),
    )
