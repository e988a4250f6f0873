import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latency_formula import recursion

from asyncthink.errors import InputError
from asyncthink.schedule import contract, simulate

EXAMPLE = {
    "capacity": 2,
    "organizer": [{"think": 12}, {"fork": 1, "tokens": 6}, {"think": 7}, {"join": 1, "tokens": 3}, {"answer": 4}],
    "workers": {"1": 25},
}
NULLS = dict.fromkeys(("latency", "work", "concurrency", "concurrency_ratio", "forks", "joins"))


def think(count):
    return {"think": count}


def fork(i, tokens=1):
    return {"fork": i, "tokens": tokens}


def join(i, tokens=1):
    return {"join": i, "tokens": tokens}


def answer(count=1):
    return {"answer": count}


def plan(*organizer, capacity=2, workers=None, **rest):
    return {"capacity": capacity, "organizer": list(organizer), "workers": workers or {"1": 5, "2": 7, "3": 2}, **rest}


@st.composite
def legal_plans(draw, release=None):
    """Plans without a format error: forks while a slot is free, joins in any order, some workers never joined."""
    capacity = draw(st.integers(1, 4))
    release = release or draw(st.sampled_from(["join", "completion"]))
    count = st.integers(1, 12)
    organizer, workers = [], {}
    for move in draw(st.lists(st.sampled_from("tfj"), max_size=25)):
        spans = spans_of(organizer, workers)
        joined = [action["join"] for action in organizer if "join" in action]
        unjoined = [i for i in spans if i not in joined]
        if move == "f":
            action = fork(len(workers) + 1, draw(count))
            clock = clock_of(organizer, workers) + action["tokens"]
            taken = unjoined if release == "join" else [i for i in spans if spans[i] > clock]
            if len(taken) < capacity - 1:
                organizer.append(action)
                workers[str(action["fork"])] = draw(st.integers(1, 60))
        elif move == "j" and unjoined:
            organizer.append(join(draw(st.sampled_from(unjoined)), draw(count)))
        elif move == "t":
            organizer.append(think(draw(count)))
    behind = draw(st.lists(st.sampled_from([think(3), join(99), answer(5)]), max_size=2))
    organizer += [answer(draw(count)), *behind]
    return {"capacity": capacity, "organizer": organizer, "workers": workers, "slot_release": release}


def clock_of(organizer, workers):
    return ticks(organizer, workers)[0]


def spans_of(organizer, workers):
    return ticks(organizer, workers)[2]


def ticks(organizer, workers):
    """The contract on the token clock, one step at a time: the clock, a_t for each step, when each worker ends."""
    steps, ends = [], {}
    working = {}  # worker: tokens left

    def step(organizer_decodes):
        active = [i for i, left in working.items() if left]
        for i in active:
            working[i] -= 1
            if working[i] == 0:
                ends[i] = len(steps) + 1
        steps.append(len(active) + organizer_decodes)

    for action in organizer:
        for _ in range(action.get("tokens") or action.get("think") or action["answer"]):
            step(True)
        if "answer" in action:
            break
        if "fork" in action:
            working[action["fork"]] = workers[str(action["fork"])]
        while "join" in action and working[action["join"]]:
            step(False)
    spans = {i: ends.get(i, len(steps) + left) for i, left in working.items()}
    return len(steps), steps, spans


@given(legal_plans())
def test_the_event_simulation_equals_the_recursion_of_the_paper_and_a_clock_that_ticks(case):
    schedule = simulate(case)
    latency, steps, _ = ticks(case["organizer"], case["workers"])
    assert schedule.format_error is None
    assert schedule.latency == recursion(case) == latency
    assert schedule.concurrency == pytest.approx(sum(steps) / latency)
    assert schedule.concurrency_ratio == pytest.approx(sum(steps) / latency / case["capacity"])


@given(legal_plans())
def test_a_schedule_keeps_its_bounds(case):
    schedule = simulate(case)
    assert 1 <= schedule.concurrency <= case["capacity"]
    assert schedule.latency <= schedule.work  # someone decodes in every step
    assert schedule.joins + schedule.unjoined == schedule.forks == len(case["workers"])


@given(legal_plans())
def test_the_critical_path_covers_every_step_once_where_its_agent_decodes(case):
    schedule = simulate(case)
    assert [stretch.start for stretch in schedule.critical] == [0, *(each.end for each in schedule.critical[:-1])]
    assert schedule.critical[-1].end == schedule.latency
    lanes = {lane.fork: lane.intervals for lane in schedule.lanes}
    for stretch in schedule.critical:
        decoding = [each for each in lanes[stretch.fork] if each.kind != "wait"]
        steps = {step for each in decoding for step in range(each.start, each.end)}
        assert set(range(stretch.start, stretch.end)) <= steps


@given(legal_plans())
def test_the_lanes_show_what_happened(case):
    schedule = simulate(case)
    organizer, *workers = schedule.lanes
    times = [0] + [time for each in organizer.intervals for time in (each.start, each.end)]
    assert times == sorted(times) and times[-1] == schedule.latency
    assert {lane.fork: lane.intervals[-1].end for lane in workers} == spans_of(case["organizer"], case["workers"])
    forks = {arrow.fork: arrow.start for arrow in schedule.arrows if arrow.kind == "fork"}
    assert {lane.fork: lane.intervals[0].start for lane in workers} == forks


@given(legal_plans(release="join"))
def test_a_plan_that_holds_its_slots_until_joins_also_fits_when_slots_go_free_earlier(case):
    assert simulate(case | {"slot_release": "completion"}) == simulate(case)


def test_the_example_of_the_contract_worked_by_hand():
    # organizer 1-18, thinks 19-25 and joins 26-28 while the worker runs 19-43, waits 29-43, answers 44-47
    assert contract(EXAMPLE) == {
        "format_error": None,
        "latency": 47,
        "work": 32 + 25,
        "concurrency": (32 + 25) / 47,
        "concurrency_ratio": (32 + 25) / 47 / 2,
        "forks": 1,
        "joins": 1,
    }


def test_a_join_of_a_worker_that_is_done_costs_its_own_tokens_only():
    case = plan(fork(1, 2), think(10), join(1, 3), answer(1))
    assert contract(case)["latency"] == 16
    assert contract(case)["concurrency"] == (16 + 5) / 16


def test_workers_that_are_not_joined_do_not_extend_the_latency_and_count_up_to_it():
    case = plan(fork(1, 2), think(3), answer(1), workers={"1": 50})
    out = contract(case)
    assert (out["latency"], out["work"], out["concurrency"]) == (6, 56, (6 + 4) / 6)
    assert (out["forks"], out["joins"], simulate(case).unjoined) == (1, 0, 1)


def test_actions_behind_the_answer_are_ignored():
    case = plan(think(3), answer(2), fork(9), join(8), think(7), answer(4))
    assert contract(case) == contract(plan(think(3), answer(2)))
    assert contract(case)["work"] == 5


def test_workers_that_nobody_forked_do_not_count():
    assert contract(plan(think(3), answer(2), workers={"5": 90}))["work"] == 5


def test_sequential_thinking_is_a_plan_without_workers():
    case = {"capacity": 1, "organizer": [think(30), answer(4)]}
    out = {"latency": 34, "work": 34, "concurrency": 1.0, "concurrency_ratio": 1.0, "forks": 0, "joins": 0}
    assert contract(case) == {"format_error": None} | out


@pytest.mark.parametrize(
    "error, case",
    [
        ("no_answer", plan()),
        ("no_answer", plan(think(3), fork(1), join(1))),
        ("pool_overflow", plan(fork(1), answer(), capacity=1)),
        ("pool_overflow", plan(fork(1), fork(2), answer())),
        ("duplicate_fork", plan(fork(1), fork(1), answer())),
        ("duplicate_fork", plan(fork(1), join(1), fork(1), answer())),
        ("dangling_join", plan(join(1), answer())),
        ("dangling_join", plan(fork(1), join(1), join(1), answer())),
        ("dangling_join", plan(join(3), fork(1), fork(1), fork(2), capacity=2)),
        ("pool_overflow", plan(fork(1), fork(2), fork(1), join(3))),
        ("duplicate_fork", plan(fork(1), fork(2), fork(2), fork(3), capacity=3)),
        ("pool_overflow", plan(fork(1), think(50), fork(2), answer())),
        (None, plan(fork(1), fork(2), answer(), capacity=3)),
        (None, plan(fork(1), join(1), fork(2), answer())),
    ],
)
def test_the_first_format_error_is_reported_and_the_numbers_are_null(error, case):
    out = contract(case)
    assert out["format_error"] == error
    assert error is None or out == {"format_error": error} | NULLS


@pytest.mark.parametrize("gap, error", [(1, "pool_overflow"), (3, "pool_overflow"), (4, None), (9, None)])
def test_with_completion_a_slot_is_free_once_the_clock_reads_the_workers_end(gap, error):
    # worker 1 runs in steps 2-6; the second Fork is made when the clock reads 1 + gap + 1
    case = plan(fork(1), think(gap), fork(2), answer(), slot_release="completion")
    assert contract(case)["format_error"] == error


def test_an_error_leaves_the_clock_and_what_ran_until_then():
    schedule = simulate(plan(think(4), fork(1, 3), think(2), join(2, 5), answer()))
    assert (schedule.format_error, schedule.latency, schedule.elapsed) == ("dangling_join", None, 14)
    assert (schedule.forks, schedule.joins, schedule.work, schedule.critical) == (1, 0, 14 + 5, ())


def test_forks_behind_a_join_are_counted():
    case = plan(fork(1), join(1), fork(2), fork(3), join(2), answer(), capacity=4)
    assert simulate(case).forks_behind_joins == 2


@pytest.mark.parametrize(
    "case, names",
    [
        ([], "object"),
        ({}, "capacity"),
        ({"capacity": 2}, "organizer"),
        (EXAMPLE | {"capacity": 0}, "capacity"),
        (EXAMPLE | {"capacity": True}, "capacity"),
        (EXAMPLE | {"capacity": 2.0}, "capacity"),
        (EXAMPLE | {"capacity": "2"}, "capacity"),
        (EXAMPLE | {"capacity": None}, "capacity"),
        (EXAMPLE | {"capasity": 2}, "capasity"),
        (EXAMPLE | {"slot_release": "fork"}, "slot_release"),
        (EXAMPLE | {"slot_release": None}, "slot_release"),
        (EXAMPLE | {"organizer": {"think": 1}}, "organizer"),
        (EXAMPLE | {"workers": []}, "workers"),
        (EXAMPLE | {"workers": {}}, "worker 1"),
        (EXAMPLE | {"workers": {"1": 0}}, "'1'"),
        (EXAMPLE | {"workers": {"1": 25, "01": 3}}, "'01'"),
        (EXAMPLE | {"workers": {"1": 25, "one": 3}}, "'one'"),
        (EXAMPLE | {"workers": {"1": 25, "": 3}}, "''"),
        (EXAMPLE | {"workers": {"1": 25, "2": 3.5}}, "'2'"),
        (plan({"think": 0}, answer()), "action 1"),
        (plan({"think": -3}, answer()), "action 1"),
        (plan({"think": True}, answer()), "action 1"),
        (plan({"think": 3, "tokens": 3}, answer()), "action 1"),
        (plan({"fork": 1}, answer()), "action 1"),
        (plan({"fork": 1, "tokens": 0}, answer()), "action 1"),
        (plan({"fork": 0, "tokens": 1}, answer()), "action 1"),
        (plan({"fork": "1", "tokens": 1}, answer()), "action 1"),
        (plan({"fork": 1, "join": 1, "tokens": 1}, answer()), "action 1"),
        (plan(answer(), {"jump": 1}), "action 2"),
        (plan({}, answer()), "action 1"),
        (plan(7, answer()), "action 1"),
        (plan(None), "action 1"),
    ],
)
def test_bad_input_is_named(case, names):
    with pytest.raises(InputError, match=names):
        contract(case)


@pytest.mark.timeout(120)
def test_plans_of_a_hundred_thousand_actions_are_scheduled():
    count = 50_000
    rounds = [action for i in range(1, count) for action in (fork(i), join(i))]
    batch = [fork(i) for i in range(1, count)] + [join(i) for i in range(1, count)]
    workers = {str(i): 3 for i in range(1, count)}
    for organizer in (rounds, batch):
        for release in ("join", "completion"):
            case = plan(*organizer, answer(), capacity=count + 1, workers=workers, slot_release=release)
            assert simulate(case).latency == recursion(case)


@settings(max_examples=30)
@given(legal_plans())
def test_a_plan_survives_json(case):
    assert contract(json.loads(json.dumps(case))) == contract(case)
