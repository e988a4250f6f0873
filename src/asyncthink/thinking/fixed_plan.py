"""A baseline for the organizer: a fixed plan on countdown, with the same model as searcher and as worker.

In each round the plan forks a sub-query of so many branches, has the organizer search so many itself, and joins; it
answers once as many solutions are in hand as are asked for. The tokens of what the plan writes count like decoded ones,
and it copies without a mistake.
"""

from collections.abc import Callable, Iterable
from typing import Any

from asyncthink import protocol
from asyncthink.protocol import Answer, Fork, Join
from asyncthink.settings import FixedPlan
from asyncthink.tasks import branch_predictor
from asyncthink.tasks.countdown_search import COUNT, SPELLED, VERDICTS, branches, check, sorted_numbers
from asyncthink.thinking.organizer import Organizer

ORDERS: dict[str, Callable[[dict[str, Any]], Iterable[int]]] = {
    "listed": lambda item: range(len(branches(sorted_numbers(item)))),
    "predicted": lambda item: branch_predictor.of_the_game().order(item),
}
SOLUTION = 2 * COUNT  # words of a solution in an answer, the sign between two included


async def follow(organizer: Organizer, item: dict[str, Any], question: str, plan: FixedPlan) -> None:
    """Run an organizer along a plan, to its answer."""
    check(item)
    own = branches(sorted_numbers(item))
    left = [own[place].name for place in ORDERS[plan.order](item)]
    known: dict[str, None] = {}
    for number in organizer.prompts.fork_ids:
        asked, mine, left = _taken(left, plan)
        query = " ".join([question, *asked])
        text = f"{protocol.fork_open(number)} {query} {protocol.fork_close(number)}"
        if not asked or len(known) >= item["required"] or _room(organizer, item) <= len(text.split()):
            break
        await organizer.do(Fork(number, query), organizer.agent.write(f" {text}"))
        for name in mine:
            if len(known) < item["required"]:
                known |= dict.fromkeys(await _searched(organizer, item, name))
        await organizer.do(Join(number), organizer.agent.write(f" {protocol.join_open(number)}"))
        told = organizer.returned(number).split(" ; ")
        known |= dict.fromkeys(solution for solution in told if SPELLED.fullmatch(f"{VERDICTS[0]} {solution}"))
    answer = " ; ".join(list(known)[: item["required"]]) or organizer.prompts.missing
    text = f"{protocol.ANSWER_OPEN} {answer} {protocol.ANSWER_CLOSE}"
    if organizer.budget() >= len(text.split()):
        await organizer.do(Answer(answer), organizer.agent.write(f" {text}"))
        organizer.agent.trace.stop = "answer"


async def _searched(organizer: Organizer, item: dict[str, Any], name: str) -> list[str]:
    """The solutions that the organizer finds in a branch, as far as its budget goes."""
    agent, before = organizer.agent, organizer.agent.trace.decoded
    if _room(organizer, item) <= len(name.split()) + 1:
        return []
    agent.write(f" | {name}")
    stops = ("|", protocol.ANSWER_OPEN, *(tag(i) for i in organizer.prompts.fork_ids for tag in _OPENERS))
    text = await agent.decode_up_to(stops, _room(organizer, item))
    organizer.act("think", agent.trace.decoded - before)
    return SPELLED.findall(text)


_OPENERS = (protocol.fork_open, protocol.join_open)


def _room(organizer: Organizer, item: dict[str, Any]) -> int:
    """Tokens that are left beside a whole answer and a Join."""
    answer: int = item["required"] * SOLUTION
    return organizer.budget() - answer - 3


def _taken(left: list[str], plan: FixedPlan) -> tuple[list[str], list[str], list[str]]:
    size = plan.forked + plan.own
    return left[: plan.forked], left[plan.forked : size], left[size:]
