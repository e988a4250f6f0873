"""Parallel thinking: c sequential traces of one question that know nothing of each other, aggregated by the task."""

import asyncio
from typing import Any

from asyncthink.engines import Engine
from asyncthink.episode import Episode
from asyncthink.schedule import side_by_side
from asyncthink.settings import Thinking
from asyncthink.tasks import TASKS
from asyncthink.tasks.countdown_search import branches, check, sorted_numbers
from asyncthink.thinking.sequential import solve


async def parallel(
    engine: Engine, task_name: str, item: dict[str, Any], settings: Thinking, key: dict[str, Any], seed: tuple[Any, ...]
) -> Episode:
    """One episode, not yet scored. Its latency is that of the slowest trace; the answer is the task's aggregate."""
    task = TASKS[task_name]
    question = task.prompt(item, settings.prompts)
    count = settings.capacity
    starts = _starts(item, count) if settings.diversified else [""] * count
    solved = await asyncio.gather(
        *(
            solve(engine, question, settings, (*seed, f"trace-{index}"), index, start)
            for index, start in enumerate(starts)
        )
    )
    plans = [plan for _, plan, _ in solved]
    answer = task.aggregate(item, [answer for _, _, answer in solved])
    return Episode(
        key=key,
        task=task_name,
        item=item,
        mode="parallel",
        capacity=count,
        traces=[trace for trace, _, _ in solved],
        plan={"plans": plans},
        answer=answer,
        schedule=side_by_side(plans, answer, count),
    )


def _starts(item: dict[str, Any], count: int) -> list[str]:
    """For each trace the beginning of its search: branches as far apart in their list as can be."""
    check(item)
    listed = branches(sorted_numbers(item))
    return [f" | {listed[index * len(listed) // count].name}" for index in range(count)]
