"""Which branches an organizer takes, when it has all that is asked for in hand, and how long it goes on."""

from dataclasses import replace

import pytest
from taught_model import THINKING_SETTINGS, WORDS

from asyncthink.engines import run
from asyncthink.engines.scripted import Scripted
from asyncthink.evaluation.measures import POSITIONS, measures, scored
from asyncthink.tasks.countdown_search import branches
from asyncthink.thinking import THINKING, organization
from asyncthink.thinking.organization import Search

GAME = {"id": "g", "numbers": [3, 5, 8, 11], "target": 24, "required": 2}
ONE, OTHER = [hit for branch in branches((11, 8, 5, 3)) for hit in branch.hits(24)][:2]
FORK = "<FORK-1> 11 8 5 3 =24 a+b </FORK-1>"
ANSWER = f"<ANSWER> {ONE} ; {OTHER} </ANSWER>"
CHOSEN = replace(THINKING_SETTINGS, organizer_budget=200, worker_budget=100, latency_budget=None)


def episode(said, returned="none"):
    texts = {("s", "organizer"): said, ("s", "worker-1"): f"5 5 5 <RETURN> {returned} </RETURN>"}
    engine = Scripted(WORDS, texts)
    [found] = run(engine, [THINKING["asynchronous"](engine, "countdown", GAME, CHOSEN, {}, ("s",))])
    assert found.schedule["format_error"] is None
    return found


@pytest.mark.parametrize(
    ("said", "returned", "after"),
    [
        (f"!+ {ONE} {FORK} 7 7 <JOIN-1> 9 9 9 {ANSWER}", OTHER, 3),
        (f"{FORK} <JOIN-1> 9 !+ {ONE} 9 9 {ANSWER}", OTHER, 2),
        (f"!+ {ONE} 8 !+ {OTHER} 8 8 {FORK} <JOIN-1> {ANSWER}", "none", None),
        (f"!+ {ONE} 8 8 {FORK} <JOIN-1> {ANSWER}", ONE, float("nan")),
    ],
    ids=["a Join brings the last", "its own search does", "a worker is waited for", "one is missing"],
)
def test_tokens_after_the_last_solution(said, returned, after):
    found = episode(said, returned)
    if after is None:  # the fork, and what its worker takes, after the two tokens
        after = 2 + len(FORK.split()) + max(1, found.plan["workers"]["1"])
    assert organization.tokens_after(found) == pytest.approx(after, nan_ok=True)


def test_thoughts_that_follow_one_another_are_one():
    """A fixed plan searches branch after branch: steps of their own in the plan, which nothing parts in the text."""
    found = episode(f"!+ {ONE} {FORK} 7 7 <JOIN-1> 9 9 9 {ANSWER}", OTHER)
    apart = [step for whole in found.plan["organizer"] for step in _halved(whole)]
    assert len(apart) > len(found.plan["organizer"])
    assert organization.tokens_after(replace(found, plan=found.plan | {"organizer": apart})) == 3


def test_every_position_is_measured_where_a_branch_is_handed_out_so_that_seeds_can_be_read_side_by_side():
    values = measures(scored(episode(f"!+ {ONE} {FORK} <JOIN-1> {ANSWER}", OTHER))).values
    first, *others = ([values[f"{name}_{k + 1}"] for name in ("hit", "predicted")] for k in range(POSITIONS))
    assert {*first} <= {0.0, 1.0} and all(value != value for pair in others for value in pair)
    assert "hit_1" not in measures(scored(episode(ANSWER))).values


def test_a_plan_of_other_actions_tells_nothing():
    found = episode(f"!+ {ONE} {FORK} 7 7 <JOIN-1> 9 9 9 {ANSWER}", OTHER)
    steps = [step for step in found.plan["organizer"] if "think" not in step]
    tokens = organization.tokens_after(replace(found, plan=found.plan | {"organizer": steps}))
    assert tokens != tokens


def test_branches_are_read_from_what_an_organizer_searches_and_hands_out():
    found = episode(
        "| c+d 5 3 8 11 <FORK-1> 11 8 5 3 =24 b*d c+d a+c </FORK-1> | b*d 8 3 24 | b/c <JOIN-1> <ANSWER> none </ANSWER>"
    )
    assert organization.is_readable(found)
    handed_out = [Search(name, True) for name in ("b*d", "c+d", "a+c")]
    first, *later = [Search(name, False) for name in ("c+d", "b*d", "b/c")]
    assert organization.searches(found) == [first, *handed_out, *later]
    counts = {"branches": 6, "repeated_branches": 2, "forked_branches": 2, "forked_hits": 1}  # (11 + 5 - 8) * 3
    assert organization.counts(found) == counts


def _halved(step):
    if step.get("think", 0) < 2:
        return [step]
    return [{"think": 1}, {"think": step["think"] - 1}]
