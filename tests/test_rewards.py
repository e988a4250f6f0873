from dataclasses import replace

import pytest

from asyncthink.rewards import REWARDS
from asyncthink.schedule import simulate
from asyncthink.settings import Reward

SETTINGS = Reward("asyncthink", -0.5, 0.2, 0.8, "always", 0.3)


def schedule(error=None, eta=1.0, forks=0, late=0, work=0):
    concurrency = None if error else eta
    return {"format_error": error, "concurrency": concurrency, "forks": forks, "forks_behind_joins": late, "work": work}


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.parametrize("error", ["duplicate_fork", "pool_overflow", "dangling_join", "no_answer"])
def test_a_format_error_pays_its_penalty_and_nothing_else(name, error):
    paid = REWARDS[name](1.0, schedule(error), SETTINGS, 2)
    assert (paid["total"], paid["accuracy"], paid["concurrency"], paid["format_error"]) == (-0.5, 0.0, 0.0, -0.5)


@pytest.mark.parametrize(
    "accuracy, eta, capacity, r_eta",
    [
        (1.0, 1.0, 2, 0.5 / 0.8),
        (0.0, 1.6, 2, 1.0),
        (0.25, 2.0, 2, 1.0),  # busier than the target pays no more
        (0.5, 1.0, 4, 0.25 / 0.8),
        (1.0, 1.0, 1, 1.0),
    ],
)
def test_the_reward_of_the_paper(accuracy, eta, capacity, r_eta):
    paid = REWARDS["asyncthink"](accuracy, schedule(eta=eta), SETTINGS, capacity)
    assert paid["concurrency"] == pytest.approx(0.2 * r_eta)
    assert paid["total"] == pytest.approx(accuracy + 0.2 * r_eta)


def test_the_gate_pays_concurrency_only_where_something_is_right():
    gated = replace(SETTINGS, concurrency_gate="correct")
    assert REWARDS["asyncthink"](0.0, schedule(eta=2.0), gated, 2)["total"] == 0.0
    for accuracy in (0.25, 1.0):
        paid = [REWARDS["asyncthink"](accuracy, schedule(eta=2.0), each, 2) for each in (gated, SETTINGS)]
        assert paid[0] == paid[1]


def test_without_weight_only_the_answer_counts():
    assert REWARDS["asyncthink"](0.75, schedule(eta=2.0), replace(SETTINGS, concurrency_weight=0.0), 2)["total"] == 0.75


def test_leverage_pays_more_for_forks_behind_joins_and_nothing_without_them():
    plain = REWARDS["asyncthink"](0.5, schedule(forks=3), SETTINGS, 2)["total"]
    assert REWARDS["leverage"](0.5, schedule(forks=3), SETTINGS, 2)["total"] == plain
    assert REWARDS["leverage"](0.5, schedule(forks=0), SETTINGS, 2)["total"] == plain
    paid = REWARDS["leverage"](0.5, schedule(forks=4, late=3), SETTINGS, 2)
    assert paid["total"] == pytest.approx(plain + 0.2 * 3 / 4)


def test_the_priced_reward_is_the_papers_less_a_price_a_hundred_tokens():
    plain = REWARDS["asyncthink"](0.5, schedule(eta=1.5), SETTINGS, 2)
    paid = REWARDS["priced"](0.5, schedule(eta=1.5, work=250), SETTINGS, 2)
    assert paid["price"] == pytest.approx(-0.3 * 2.5)
    assert paid["total"] == pytest.approx(plain["total"] - 0.75)
    assert {part: paid[part] for part in plain if part != "total"} == {
        part: plain[part] for part in plain if part != "total"
    }
    twice = REWARDS["priced"](0.5, schedule(eta=1.5, work=500), SETTINGS, 2)
    assert twice["price"] == pytest.approx(2 * paid["price"])
    free = REWARDS["priced"](0.5, schedule(eta=1.5, work=250), replace(SETTINGS, token_price=0.0), 2)
    assert free["total"] == plain["total"]


def test_a_format_error_does_not_save_the_price_of_its_tokens():
    paid = REWARDS["priced"](1.0, schedule("pool_overflow", work=200), SETTINGS, 2)
    assert (paid["accuracy"], paid["concurrency"], paid["format_error"]) == (0.0, 0.0, -0.5)
    assert paid["total"] == pytest.approx(-0.5 - 0.6)


def test_the_price_is_that_of_every_agents_tokens_those_of_workers_that_nobody_joined_too():
    organizer = [{"fork": 1, "tokens": 2}, {"think": 10}, {"fork": 2, "tokens": 2}, {"join": 1, "tokens": 1}]
    run = simulate({"capacity": 3, "organizer": [*organizer, {"answer": 5}], "workers": {"1": 30, "2": 400}})
    assert run.latency < 400
    paid = REWARDS["priced"](1.0, vars(run), SETTINGS, 3)
    assert paid["price"] == pytest.approx(-0.3 * (2 + 10 + 2 + 1 + 5 + 30 + 400) / 100)


@pytest.mark.parametrize("name", ["asyncthink", "priced"])
def test_the_price_is_no_part_of_another_reward(name):
    paid = REWARDS[name](1.0, schedule(work=250), SETTINGS, 2)
    assert ("price" in paid) == (name == "priced")


@pytest.mark.parametrize("name", REWARDS)
def test_the_parts_add_up_on_a_schedule_that_was_run(name):
    organizer = [{"fork": 1, "tokens": 2}, {"join": 1, "tokens": 1}, {"fork": 2, "tokens": 2}, {"answer": 3}]
    run = simulate({"capacity": 2, "organizer": organizer, "workers": {"1": 9, "2": 9}})
    paid = REWARDS[name](0.5, vars(run), SETTINGS, 2)
    assert paid["total"] == pytest.approx(sum(part for key, part in paid.items() if key != "total"))
