"""An organizer along a fixed plan: rounds, tokens, budgets and answers, with agents that say what they are told."""

import math
import re
from dataclasses import replace
from itertools import cycle

import pytest
from countdown_world import ITEMS, NAME, settings_with
from hypothesis import given, settings
from hypothesis import strategies as st
from latency_formula import recursion

from asyncthink import protocol, schedule
from asyncthink.engines import run
from asyncthink.engines.scripted import Scripted
from asyncthink.errors import InputError
from asyncthink.models import word_tokenizer
from asyncthink.protocol import Answer, Fork, Join, Think
from asyncthink.settings import FixedPlan
from asyncthink.synthesis.pieces import Desk
from asyncthink.tasks import branch_predictor, countdown
from asyncthink.tasks.countdown_search import branches, sorted_numbers
from asyncthink.thinking import THINKING

PARAMS = settings_with()
WORDS = word_tokenizer.build(PARAMS.puzzles)
PLENTY = replace(PARAMS.thinking, organizer_budget=4000, worker_budget=2000)
OWN = re.compile(rf"\| ({NAME.pattern})")
FAIR = ["|", "<FORK-2>", "<JOIN-1>", "<ANSWER>"]  # how a model that has searched a branch goes on
SHAPES = [(2, 1), (1, 1), (3, 2), (2, 0), (1, 4)]


@pytest.mark.parametrize("order", ["listed", "predicted"])
def test_a_plan_refuses_an_item_whose_branches_are_not_known(order):
    three = {"numbers": [8, 7, 3], "target": 18, "required": 1}
    with pytest.raises(InputError, match=r"an item: its branches are not known, .*; allowed: 4 different numbers"):
        follow(three, (order, 2, 1), str, str)


def follow(item, plan, organizer, worker, **changes):
    """One episode along a plan; `organizer` and `worker` tell from a context what comes next."""
    texts = {("s", "organizer"): organizer} | {("s", f"worker-{i}"): worker for i in protocol.WORD_IDS}
    engine = Scripted(WORDS, texts)
    chosen = replace(PLENTY, plan=FixedPlan(*plan), **changes)
    [episode] = run(engine, [THINKING["asynchronous"](engine, "countdown", item, chosen, {}, ("s",))])
    return episode


def searcher(item):
    """An organizer without fault: it searches the branch that it has just named, then goes on to something else."""
    desk, ends = Desk.of(item, "word"), cycle(FAIR)
    places = {branch.name: place for place, branch in enumerate(desk.branches)}

    def go_on(context):
        name = OWN.findall(context)[-1]
        assert context.endswith(f"| {name}")
        return desk.search([places[name]]).text.removeprefix(f"| {name}") + f" {next(ends)}"

    return go_on


def clerk(item):
    """A worker without fault: it searches the branches of its sub-query, and tells what it has found."""
    desk = Desk.of(item, "word")
    places = {branch.name: place for place, branch in enumerate(desk.branches)}

    def go_on(context):
        asked = NAME.findall(context.partition("=")[2].partition("|")[0])
        return desk.search([places[name] for name in asked], closing=desk.surface.returned).text

    return go_on


def faultless(item, plan, **changes):
    return follow(item, plan, searcher(item), clerk(item), **changes)


def ordered(item, order):
    """The names of an item's branches in the order of a plan."""
    own = branches(sorted_numbers(item))
    places = range(len(own)) if order == "listed" else branch_predictor.of_the_game().order(item)
    return [own[place].name for place in places]


def rounds(episode):
    """What each round of an episode forks and searches itself, after a look at its form: Fork, own search, Join."""
    *actions, answer = protocol.parse(episode.traces[0].own_text)
    assert isinstance(answer, Answer) and answer.text == episode.answer
    found = []
    for action in actions:
        match action:
            case Fork(id=i, query=query):
                assert i == len(found) + 1
                question, names = query.partition("=")[0], NAME.findall(query.partition("=")[2])
                target = query.partition("=")[2].split()[0]
                assert f"{question}={target}" == countdown.prompt(episode.item, "word")
                found.append(([*names], [], False))
            case Think(text=text):
                assert not found[-1][2] and text.split()[0] == "|"
                found[-1][1].extend(OWN.findall(text))
            case Join(id=i):
                assert i == len(found) and not found[-1][2]
                found[-1] = (*found[-1][:2], True)
    assert all(joined for _, _, joined in found)
    return [(forked, own) for forked, own, _ in found]


def decoded(plan):
    """Tokens that a plan gives the organizer."""
    return sum(n for action in plan["organizer"] for key, n in action.items() if key not in ("fork", "join"))


def accounted(episode):
    """Every token of every agent is in the plan, and the clock of the episode is that of its plan."""
    organizer, *workers = episode.traces
    assert decoded(episode.plan) == organizer.decoded == sum(organizer.policy)
    assert len(organizer.ids) == len(organizer.policy) == len(organizer.logprobs)
    assert WORDS.decode(organizer.ids).split() == "".join(segment.text for segment in organizer.segments).split()
    assert episode.plan["workers"] == {str(worker.fork): worker.decoded for worker in workers}
    assert episode.schedule == schedule.numbers(schedule.simulate(schedule.validate(episode.plan)))
    assert episode.schedule["work"] == sum(trace.decoded for trace in episode.traces)
    if episode.schedule["format_error"] is None:
        assert episode.schedule["latency"] == recursion(episode.plan)


@pytest.mark.parametrize("order", ["listed", "predicted"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rounds_take_the_branches_in_the_plans_order_until_enough_solutions_are_in_hand(order, shape):
    forked, own = shape
    for item in ITEMS[:12]:
        hits = {branch.name: branch.hits(item["target"]) for branch in branches(sorted_numbers(item))}
        episode = faultless(item, (order, *shape))
        taken = rounds(episode)
        names = ordered(item, order)
        for number, (asked, mine) in enumerate(taken):
            start = number * (forked + own)
            assert asked == names[start : start + forked]
            planned = names[start + forked : start + forked + own]
            assert mine == planned[: len(mine)]
            before = names[:start]
            assert sum(len(hits[name]) for name in before) < item["required"]
            searched = sum(len(hits[name]) for name in [*before, *mine])
            assert mine == planned or searched >= item["required"]
        if len(taken) < len(protocol.WORD_IDS):
            assert countdown.score(item, episode.answer)["accuracy"] == 1.0
            assert countdown.score(item, episode.answer)["offered"] == item["required"]
        else:
            found = [hit for asked, mine in taken for name in (*asked, *mine) for hit in hits[name]]
            assert countdown.score(item, episode.answer)["correct"] == min(len(found), item["required"])
        accounted(episode)


def test_the_two_orders_are_different_plans():
    assert any(ordered(item, "listed") != ordered(item, "predicted") for item in ITEMS[:12])
    assert all(sorted(ordered(item, "listed")) == sorted(ordered(item, "predicted")) for item in ITEMS[:12])


def test_an_organizer_without_branches_of_its_own_only_forks_and_joins():
    for item in ITEMS[:6]:
        episode = faultless(item, ("listed", 3, 0))
        kinds = [next(iter(action)) for action in episode.plan["organizer"]]
        assert kinds == ["fork", "join"] * (len(kinds) // 2) + ["answer"]
        accounted(episode)


def test_an_organizer_that_searches_meanwhile_is_not_charged_for_the_worker_behind_it():
    item = ITEMS[0]
    slow = "0 " * 300 + "<RETURN> none </RETURN>"
    idle = follow(item, ("listed", 1, 0), searcher(item), lambda _: slow)
    busy = follow(item, ("listed", 1, 3), lambda _: "0 " * 50 + "|", lambda _: slow)
    for episode in (idle, busy):
        accounted(episode)
        forks = [action["tokens"] for action in episode.plan["organizer"] if "fork" in action]
        answer = episode.plan["organizer"][-1]["answer"]
        assert episode.schedule["latency"] == sum(forks) + len(forks) * 303 + answer
    assert busy.schedule["concurrency"] > idle.schedule["concurrency"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("forked", "forks"), [(1, len(protocol.WORD_IDS)), (2, 10)], ids=["no tag left", "no branch left"]
)
def test_what_no_worker_found_is_no_solution_in_hand(forked, forks):
    item = ITEMS[0]
    for said in ("<RETURN> none </RETURN>", "<RETURN> </RETURN>", "0 0 0"):
        episode = follow(item, ("listed", forked, 0), searcher(item), lambda _, said=said: said)
        assert episode.schedule["forks"] == episode.schedule["joins"] == forks < len(branches(sorted_numbers(item)))
        assert (episode.answer, episode.schedule["format_error"]) == ("none", None)
        accounted(episode)


def test_a_plan_ends_where_all_branches_have_been_searched():
    item = ITEMS[0]
    names = ordered(item, "listed")
    episode = follow(item, ("listed", 4, 3), lambda _: "0 |", lambda _: "<RETURN> none </RETURN>")
    assert [name for asked, mine in rounds(episode) for name in (*asked, *mine)] == names
    assert (episode.answer, episode.schedule["format_error"]) == ("none", None)


def test_the_same_solution_twice_is_one_in_hand():
    item = next(item for item in ITEMS if sum(bool(b.hits(item["target"])) for b in branches(sorted_numbers(item))) > 1)
    [first, *_] = [hit for branch in branches(sorted_numbers(item)) for hit in branch.hits(item["target"])]
    episode = follow(item, ("listed", 1, 1), lambda _: f"0 !+ {first} |", lambda _: f"<RETURN> {first} </RETURN>")
    assert episode.answer == first
    assert episode.schedule["forks"] == math.ceil(len(branches(sorted_numbers(item))) / 2)


def test_what_the_organizer_spells_out_counts_before_what_a_worker_returns():
    item = ITEMS[0] | {"required": 2}
    found = [hit for branch in branches(sorted_numbers(item)) for hit in branch.hits(item["target"])]
    episode = follow(item, ("listed", 1, 1), lambda _: f"0 !+ {found[0]} |", lambda _: f"<RETURN> {found[1]} </RETURN>")
    assert episode.answer == f"{found[0]} ; {found[1]}"
    assert episode.schedule["forks"] == 1


@pytest.mark.parametrize("end", FAIR)
def test_the_tag_with_which_a_search_ends_is_taken_back(end):
    episode = follow(ITEMS[0], ("listed", 1, 2), lambda _: f"0 0 0 {end}", lambda _: "<RETURN> none </RETURN>")
    thinks = [action["think"] for action in episode.plan["organizer"] if "think" in action]
    assert set(thinks) == {2 + 3}
    assert all("0 0 0 <" not in segment.text for segment in episode.traces[0].segments)
    assert [len(mine) for _, mine in rounds(episode)][:3] == [2, 2, 2]
    accounted(episode)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("budget", [3, 20, 30, 33, 34, 35, 36, 37, 38, 39, 40, 45, 60, 90, 140, 260, 500])
def test_a_budget_is_kept_and_there_is_an_answer_within_it(shape, budget):
    for item in ITEMS[:8]:
        episode = faultless(item, ("listed", *shape), organizer_budget=budget, worker_budget=160)
        assert episode.traces[0].decoded <= budget
        assert all(worker.decoded <= 160 for worker in episode.traces[1:])
        assert episode.schedule["format_error"] is None
        rounds(episode)
        accounted(episode)


@pytest.mark.parametrize("budget", range(50, 130, 3))
def test_an_organizer_that_finds_no_end_leaves_room_for_a_whole_answer(budget):
    item = ITEMS[0]
    found = [hit for branch in branches(sorted_numbers(item)) for hit in branch.hits(item["target"])]
    said = f"<RETURN> {' ; '.join(found[: item['required']])} </RETURN>"
    episode = follow(item, ("listed", 1, 3), lambda _: "0 " * 999, lambda _: said, organizer_budget=budget)
    assert episode.traces[0].decoded <= budget
    assert countdown.score(item, episode.answer)["accuracy"] == 1.0
    accounted(episode)


@pytest.mark.parametrize("said", ["3 " * 150, "</ANSWER> 3", "3 ; <FORK-1> ; <ANSWER>", "none ; none ; none"])
def test_a_return_that_is_no_solution_breaks_neither_budget_nor_answer(said):
    returned = f"<RETURN> {said} </RETURN>"
    episode = follow(ITEMS[0], ("listed", 2, 1), lambda _: "0 |", lambda _: returned, organizer_budget=120)
    assert episode.traces[0].decoded <= 120
    assert protocol.answer(protocol.parse(episode.traces[0].own_text)) == episode.answer
    accounted(episode)


@pytest.mark.parametrize("said", ["0 </FORK-1> <FORK-1>", "</ANSWER> 0 <ANSWER>", "</JOIN-1> <JOIN-1>"])
def test_stray_tags_of_a_search_reach_no_further_than_the_search(said):
    episode = follow(ITEMS[0], ("listed", 2, 2), lambda _: said, lambda _: "<RETURN> none </RETURN>")
    thinks = {action["think"] for action in episode.plan["organizer"] if "think" in action}
    assert thinks == {2 + len(said.split()) - 1}
    accounted(episode)


@pytest.mark.parametrize("limit", [40, 80, 120, 200, 300, 450])
def test_no_answer_comes_after_the_latency_budget(limit):
    for item in ITEMS[:8]:
        for shape in SHAPES:
            episode = faultless(item, ("listed", *shape), latency_budget=limit)
            latency = episode.schedule["latency"]
            assert latency is None or latency <= limit
            accounted(episode)


NUMBERS = ["0", "12", "(3", "4)", "((11", "+", "-", "!+", "|", "a-d", ";", "none"]
TAGS = [tag(i) for i in (1, 2, 3) for tag in (protocol.fork_open, protocol.fork_close, protocol.join_open)]
TELLING = [tag for pair in protocol.TELLING.items() for tag in pair]
SOUPS = st.lists(st.lists(st.sampled_from([*NUMBERS, *TAGS, *TELLING]), max_size=40), min_size=1, max_size=5)


@settings(max_examples=200)
@given(SOUPS, SOUPS, st.sampled_from(SHAPES), st.sampled_from([12, 60, 120, 240]))
def test_whatever_the_agents_say_the_plan_accounts_for_it_within_the_budgets(organizer, workers, shape, budget):
    own, theirs = cycle(organizer), cycle(workers)
    episode = follow(
        ITEMS[0],
        ("listed", *shape),
        lambda _: " ".join(next(own)),
        lambda _: " ".join(next(theirs)),
        organizer_budget=budget,
        worker_budget=30,
    )
    accounted(episode)
    assert episode.traces[0].decoded <= budget
    assert all(worker.decoded <= 30 for worker in episode.traces[1:])
    assert episode.schedule["format_error"] is None
    assert episode.traces[0].stop == "answer"
