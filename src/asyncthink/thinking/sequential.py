"""Sequential thinking: one trace, from the question to the answer."""

from typing import Any

from asyncthink import protocol
from asyncthink.engines import Engine
from asyncthink.episode import Episode, Trace
from asyncthink.models.prompts import PROMPTS
from asyncthink.settings import Thinking
from asyncthink.tasks import TASKS
from asyncthink.thinking.agents import Agent
from asyncthink.thinking.plans import summary
from asyncthink.thinking.reader import span, token_span


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
        schedule=summary(plan),
    )


async def solve(
    engine: Engine, question: str, settings: Thinking, name: tuple[Any, ...], index: int | None
) -> tuple[Trace, dict[str, Any], str | None]:
    """One sequential trace, its plan and its answer; `index` is its place among the traces of parallel thinking."""
    limit = settings.latency_budget
    budget = settings.organizer_budget if limit is None else min(settings.organizer_budget, limit)
    prompt = PROMPTS[settings.prompts].sequential(question, None if settings.told_budgets is None else budget)
    agent = Agent(engine, name, "sequential", index, prompt, settings.temperature)
    await agent.decode_until(protocol.ANSWER_CLOSE, budget)
    agent.release()
    actions, answer = _actions(engine, agent.trace)
    return agent.trace, {"capacity": settings.capacity, "organizer": actions, "workers": {}}, answer


def _actions(engine: Engine, trace: Trace) -> tuple[list[dict[str, int]], str | None]:
    """The plan of a trace in which only the answer's tags have a meaning: thinking, then the answer if there is one."""
    if trace.stop != "answer":
        return [{"think": len(trace.ids)}] if trace.ids else [], None
    text = trace.own_text
    start, end = span(protocol.Answer(""), text)
    think, total = token_span(engine, trace.ids, start, end)
    answer = text[start + len(protocol.ANSWER_OPEN) : text.index(protocol.ANSWER_CLOSE, start)].strip()
    actions = [{"think": think}, {"answer": total - think}]
    return actions if think else actions[1:], answer
