"""Verdicts on experiments whose truth is known, on broken ones, and on none at all."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from keyed_numbers import keyed

from asyncthink import cli
from asyncthink.errors import InputError
from asyncthink.evaluation import agreement, claims, frontier, recordings
from asyncthink.evaluation.evidence import Evidence
from asyncthink.evaluation.histories import Curve, History
from asyncthink.evaluation.metrics import Measurement
from asyncthink.evaluation.recordings import Evaluation, Recordings
from asyncthink.evaluation.statistics import Estimate
from asyncthink.evaluation.verdicts import NOT_RUN, ONE_RUN, VERDICTS, Part, by_column, judged, text, verdict
from asyncthink.reporting import arms_table, claims_table

ROOT = Path(__file__).parents[1]
ITEMS, REQUIRED, SEEDS = 200, 3, (1, 2, 3, 4, 5)
TRACES = {"sequential": 1, "parallel": 3}
THINKING = {"capacity": 3, "organizer_budget": 96, "worker_budget": 46, "latency_budget": 128, "temperature": 1.0}
MODES = {"sequential": "sequential", "parallel": "parallel"}


def evaluation(
    arm,
    accuracy,
    latency=80.0,
    ratio=0.5,
    valid=1.0,
    forked=1.0,
    seeds=SEEDS,
    variant="headline",
    topologies=None,
    **own,
):
    """An arm that finds each of the three solutions with chance `accuracy`; its latency varies by a tenth."""
    random = keyed(arm, variant, accuracy)
    shape = (len(seeds), ITEMS, 1)
    correct = random.binomial(REQUIRED, accuracy, shape).astype(float)
    elapsed = latency * random.uniform(0.9, 1.1, shape)
    values = {
        "accuracy": correct / REQUIRED,
        "correct": correct,
        "all_correct": correct == REQUIRED,
        "elapsed": elapsed,
        "latency": elapsed,
        "concurrency_ratio": np.full(shape, ratio),
        "valid": (random.random(shape) < valid).astype(float),
        "work": TRACES.get(arm, 2) * elapsed,
        "forks": (random.random(shape) < forked).astype(float),
    }
    structures = None if topologies is None else random.choice(np.array(topologies, dtype=object), shape)
    measured = Measurement(REQUIRED, {k: np.asarray(v, dtype=float) for k, v in values.items()}, structures)
    aggregation = "vote" if arm == "parallel" else None
    config = {"thinking": THINKING | own}
    return Evaluation(arm, variant, aggregation, MODES.get(arm, "asynchronous"), config, tuple(seeds), measured)


def budgets(arm, accuracies, latencies, key, **own):
    """The headline and further budgets of an arm."""
    names = ["headline", *(f"{key}_{n}" for n in range(1, len(accuracies)))]
    rows = zip(names, accuracies, latencies, strict=True)
    return [evaluation(arm, a, t, variant=name, **own) for name, a, t in rows]


PAPER_LIKE = (
    *budgets("asyncthink", (0.9, 0.85, 0.8, 0.7, 0.6), (70, 65, 60, 50, 40), "worker", ratio=0.6),
    *budgets("parallel", (0.65, 0.9, 0.6, 0.55, 0.5), (110, 130, 95, 85, 75), "trace"),
    *budgets("sequential", (0.5, 0.55, 0.45, 0.4, 0.3), (90, 150, 80, 70, 60), "trace"),
    evaluation("no_concurrency_reward", 0.82, 95, ratio=0.5),
    evaluation("no_cold_start", 0.5, 60, ratio=1 / 3),
    evaluation("no_rl", 0.1, 120, valid=0.8),
)


def history(arm, seed=1, steps=60, end=0.8, hump=60, dip=0.1, fall=0.0):
    """RL of one seed: accuracy rises to `end` and falls by `fall` in the last fifth; η/c dips by `dip` and rises."""
    random = keyed("history", arm, seed)
    rows = []
    for step in range(steps):
        part = step / steps
        rows.append(
            {
                "step": step + 1,
                "accuracy": 0.3 + (end - 0.3) * part - (fall if part >= 0.8 else 0) + random.normal(0, 0.01),
                "concurrency_ratio": 0.4 + 0.15 * part - dip * (0.1 <= part < 0.3) + random.normal(0, 0.005),
                "forks": 1 + part + random.normal(0, 0.02),
                "latency": 100 + hump * 4 * part * (1 - part) - 30 * part + random.normal(0, 1),
            }
        )
    return History("grpo", arm, seed, rows)


def histories(arm, **shape):
    return [history(arm, seed, **shape) for seed in SEEDS]


CORPUS = {"topologies": {"distinct": 40, "beyond_the_two": 30, "classes": {}}}


def rows(evaluations=PAPER_LIKE, histories=(), corpus=None, scale="nano", learning=None, **elsewhere):
    others = {name: Recordings(scale, tuple(found)) for name, found in elsewhere.items()}
    evidence = Evidence(Recordings(scale, tuple(evaluations)), histories, corpus, others, learning or {})
    return {row["id"]: row for row in claims.ledger(evidence, scale)["claims"]}


def replaced(*changed):
    """The experiment with some evaluations in the place of those of the same arm and variant."""
    names = {(e.arm, e.variant) for e in changed}
    return [*(e for e in PAPER_LIKE if (e.arm, e.variant) not in names), *changed]


def state(value, error, core=True, column=""):
    return Part("p", "points", Estimate(value, error), Estimate(value, error), core, column)


HOLDS, OPEN, CONTRARY = (1, 0.1), (1, 0.8), (-1, 0.1)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([state(*HOLDS), state(*HOLDS, core=False)], "reproduced"),
        ([state(*HOLDS), state(*OPEN, core=False)], "partly"),
        ([state(*HOLDS), state(*CONTRARY, core=False)], "partly"),
        ([state(*HOLDS), state(*OPEN)], "partly"),
        ([state(*HOLDS), state(*CONTRARY)], "not reproduced"),
        ([state(*OPEN), state(*HOLDS, core=False)], "not reproduced"),
        ([state(*CONTRARY)], "not reproduced"),
        ([state(*HOLDS, column="a"), state(*HOLDS, column="b")], "reproduced"),
        ([state(*HOLDS, column="a"), state(*CONTRARY, column="b")], "partly"),
        ([state(*OPEN, column="a"), state(*CONTRARY, column="b")], "not reproduced"),
    ],
)
def test_a_verdict_follows_from_the_parts(parts, expected):
    assert verdict(judged(parts)) == expected


def test_core_parts_are_held_together_by_holm_and_each_is_judged_by_its_own_interval():
    """z = 2.5, 2.1, 2.0: alone all three hold; of three, the first is asked for 98.3 % and the rest is open."""
    parts = judged([state(2.1, 1.0), state(2.5, 1.0), state(2.0, 1.0), state(2.0, 1.0, core=False)])
    assert [part.state for part in parts] == ["open", "holds", "open", "holds"]
    assert [round(part.level, 4) for part in parts] == [0.975, 0.9833, 0.975, 0.95]
    assert [part.state for part in judged([state(2.3, 1.0), state(2.5, 1.0), state(2.0, 1.0)])] == ["holds"] * 3
    for part in parts:
        judging = part.effect.at(part.level)
        assert (judging.low > 0) == (part.state == "holds")


def test_columns_are_judged_each_by_itself():
    parts = judged([state(2.1, 1.0, column="a"), state(2.1, 1.0, column="b")])
    assert by_column(parts) == {"a": "reproduced", "b": "reproduced"}


def test_an_experiment_like_the_papers_reproduces_what_it_ran():
    found = rows(histories=histories("asyncthink"), corpus=CORPUS)
    reproduced = {name for name, row in found.items() if row["verdict"] == "reproduced"}
    assert reproduced == {"C1", "C2", "C3", "C4", "C5", "C6", "C8", "C9"}
    assert {name for name, row in found.items() if row["verdict"] == "not run at this scale"} == {
        *("C3 math", "C7", "C10", "C11", "C12", "O1")
    }


def test_every_row_names_paper_ours_rule_and_command_and_a_missing_figure_its_reason():
    for row in rows(histories=[history("asyncthink")], corpus=CORPUS).values():
        assert row["claim"] and row["paper"] and row["rule"] and row["command"].startswith("snakemake")
        assert bool(row["ours"]) != bool(row["reason"]) and "rule_commit" in row
        assert bool(row["parts"]) == bool(row["ours"])


@pytest.mark.parametrize(
    ("accuracy", "forked", "expected"),
    [(0.9, 0.8, "reproduced"), (0.9, 0.1, "partly"), (0.5, 0.8, "not reproduced"), (0.3, 0.8, "not reproduced")],
)
def test_what_carries_over_to_sudoku_is_accuracy_and_the_fork(accuracy, forked, expected):
    ours = evaluation("asyncthink", accuracy, forked=forked)
    row = rows(sudoku=(ours, evaluation("sequential", 0.5), evaluation("parallel", 0.6)))["C7"]
    assert row["verdict"] == expected
    assert row["parts"][-1]["value"] == pytest.approx(forked, abs=0.08)


@pytest.mark.parametrize(("share", "told"), [(0.0, "a floor"), (1.0, "a ceiling")])
def test_what_nobody_or_everybody_solves_tests_nothing(share, told):
    sudoku = [evaluation(arm, share) for arm in ("asyncthink", "sequential", "parallel")]
    row = rows(sudoku=sudoku)["C7"]
    assert row["verdict"] == "untestable" and told in row["reason"] and row["parts"] == []


def on_mathematics(latency):
    points = (("parallel_math", 0.7, 2000), ("parallel_math_1k", 0.5, 1000))
    parallel = [evaluation(arm, accuracy, tokens) for arm, accuracy, tokens in points]
    return [evaluation("asyncthink_math", 0.7, latency), *parallel]


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [((1300, 1300), "reproduced"), ((1300, 1700), "partly"), ((1300, 2300), "not reproduced")],
)
def test_lower_latency_on_mathematics_is_asked_for_on_both_test_sets(latencies, expected):
    aime, amc = map(on_mathematics, latencies)
    assert rows(aime_24=aime, amc_23=amc)["C3 math"]["verdict"] == expected
    assert "needs the evaluation on the test set amc_23" in rows(aime_24=aime)["C3 math"]["reason"]


@pytest.mark.parametrize(("forked", "expected"), [(0.8, "reproduced"), (0.2, "not reproduced")])
def test_case_studies_ask_whether_it_organizes_and_not_for_accuracy(forked, expected):
    one, other = (evaluation("asyncthink_math", 0.1, forked=share) for share in (0.9, forked))
    assert rows(graph_theory=[one], genetics=[other])["C12"]["verdict"] == expected


def test_a_method_that_is_worse_is_not_reproduced():
    worse = replaced(*budgets("asyncthink", (0.4, 0.4, 0.4, 0.4, 0.4), (150, 140, 130, 120, 110), "worker"))
    found = rows(worse)
    assert [found[name]["verdict"] for name in ("C1", "C2", "C3")] == ["not reproduced"] * 3


def test_a_method_that_is_worse_at_every_budget_does_not_dominate():
    worse = budgets("asyncthink", (0.5, 0.45, 0.4, 0.35, 0.3), (150, 140, 130, 120, 110), "worker")
    assert rows(replaced(*worse))["C9"]["verdict"] == "not reproduced"


def test_a_method_that_beats_one_baseline_and_equals_the_other_is_partly_reproduced():
    found = rows(replaced(evaluation("parallel", 0.895, 110)))
    assert found["C1"]["columns"]["equal budget"] == "partly"
    states = {part["state"] for part in found["C1"]["parts"] if part["column"] == "equal budget"}
    assert states == {"holds", "open"}


def test_the_reduction_of_latency_is_read_at_equal_accuracy():
    """At 0.9 parallel thinking needs 130, AsyncThink 70: 46 % lower; its 0.65 at 110 does not count."""
    found = rows()["C3"]
    assert found["parts"][0]["value"] == pytest.approx(1 - 70 / 130, abs=0.05)
    slower = rows(replaced(evaluation("asyncthink", 0.9, 115)))["C3"]
    assert slower["parts"][0]["value"] == pytest.approx(1 - 115 / 130, abs=0.05)


def test_on_countdown_a_reduction_above_zero_is_the_claim_and_28_percent_belongs_to_mathematics():
    row = rows(replaced(evaluation("asyncthink", 0.9, 110)))["C3"]
    assert row["verdict"] == "reproduced" and row["parts"][0]["value"] == pytest.approx(0.15, abs=0.03)
    assert "lower by 14.1 % [" in row["ours"]
    barely = on_mathematics(1430)
    row = rows(aime_24=barely, amc_23=barely)["C3 math"]
    assert row["parts"][2]["value"] > 0.28 and row["parts"][2]["state"] == "open" and row["verdict"] == "partly"


def test_a_frontier_has_each_arm_at_the_temperature_of_its_own_headline():
    cooler = budgets("parallel_diversified", (0.85, 0.7), (90, 60), "trace", temperature=0.3)
    hotter = evaluation("parallel_diversified", 0.2, 40, variant="hot", temperature=1.0)
    evidence = Evidence(Recordings("nano", (*PAPER_LIKE, *cooler, hotter)), (), None)
    points = {(e.arm, e.variant) for e in evidence.budgets("parallel")}
    assert points == {(e.arm, e.variant) for e in (*PAPER_LIKE, *cooler) if e.arm.startswith("parallel")}


def test_accuracy_bought_with_latency_or_work_falls_at_equal_latency_or_work():
    """Twice the latency of a baseline that would be as good with it: ahead at equal budgets alone."""
    slow = replaced(
        evaluation("asyncthink", 0.9, 125),
        *budgets("parallel", (0.65, 0.92, 0.6, 0.55, 0.5), (70, 130, 65, 60, 55), "trace"),
    )
    found = rows(slow)
    for row in (found["C1"], found["C2"]):
        assert row["verdict"] == "partly" and row["columns"]["equal latency"] == "not reproduced"
        assert row["columns"]["equal budget"] == "reproduced" and row["columns"]["equal work"] == "partly"
    at_latency = {p["name"]: p for p in found["C1"]["parts"] if p["column"] == "equal latency"}
    assert at_latency["accuracy, above parallel thinking"]["value"] == pytest.approx(-0.02, abs=0.02)
    assert at_latency["accuracy, above parallel thinking"]["state"] != "holds"


def test_a_baseline_is_not_beaten_beyond_the_longest_trace_that_was_measured():
    """Four times the latency of any baseline: ahead of its best point, and nobody knows what it would do with more."""
    row = rows(replaced(evaluation("asyncthink", 0.9, 400)))["C1"]
    assert row["columns"]["equal latency"] != "reproduced" and row["verdict"] == "partly"
    beyond = [part for part in row["parts"] if part["column"] == "equal latency"]
    assert {part["state"] for part in beyond} == {"open"} and all("at its longest" in part["name"] for part in beyond)


def test_of_equal_points_of_a_frontier_one_stands_on_the_hull():
    assert frontier.hull_positions(np.array([3.0, 1.0, 3.0, 2.0]), np.array([0.9, 0.5, 0.9, 0.6])).tolist() == [1, 0]


def test_a_frontier_whose_points_may_be_the_same_tells_no_latency():
    flat = budgets("parallel", (0.7, 0.7, 0.702, 0.701, 0.699), (60, 140, 120, 100, 80), "trace")
    row = rows(replaced(evaluation("asyncthink", 0.7, 70), *flat))["C3"]
    assert row["verdict"] == "untestable" and "flat there" in row["reason"]


PLANS = budgets("fixed_plan", (0.9, 0.7, 0.5), (85, 60, 45), "plan")


@pytest.mark.parametrize(
    ("accuracy", "latency", "states", "expected"),
    [
        (0.9, 65, ["holds"] * 4, "reproduced"),
        (0.9, 76.5, [*["holds"] * 3, "open"], "partly"),
        (0.9, 80, [*["holds"] * 3, "contrary"], "not reproduced"),
        (0.9, 110, ["holds", *["contrary"] * 3], "not reproduced"),
        (0.75, 75, ["holds", "holds", "contrary", "contrary"], "not reproduced"),
    ],
)
def test_a_price_on_tokens_has_to_beat_parallel_thinking_and_every_plan_at_equal_accuracy(
    accuracy, latency, states, expected
):
    """For 0.9 parallel thinking needs 130 tokens and the best plan 85, for 0.75 they need 118 and 66."""
    row = rows([*PAPER_LIKE, *PLANS, evaluation("asyncthink_priced", accuracy, latency)])["O1"]
    assert row["verdict"] == expected and [part["state"] for part in row["parts"]] == states
    assert row["arms"] == ["asyncthink_priced", "parallel", "fixed_plan"] and all(part["core"] for part in row["parts"])


def test_a_price_on_tokens_is_judged_by_its_own_arm_and_only_beside_plans():
    priced = evaluation("asyncthink_priced", 0.9, 65)
    assert "needs the evaluation of asyncthink_priced" in rows([*PAPER_LIKE, *PLANS])["O1"]["reason"]
    for plans in ([], PLANS[:1]):
        row = rows([*PAPER_LIKE, *plans, priced])["O1"]
        assert row["verdict"] == "not run at this scale" and "the best fixed plan at two budgets" in row["reason"]


def test_what_was_not_measured_speaks_neither_for_nor_against():
    unmeasured = rows(replaced(evaluation("no_concurrency_reward", 0.82, 95, ratio=np.nan)))["C4"]
    assert unmeasured["verdict"] == "untestable" and "η/c without the reward" in unmeasured["reason"]


def test_a_comparison_of_seeds_that_only_one_arm_has_is_of_the_common_ones():
    three = ["F1 J1", "F1 F2 J1 J2", "F1 F2 J2 J1"]
    both = replaced(
        evaluation("asyncthink_4", 0.9, topologies=three, capacity=4),
        evaluation("no_random_structures", 0.8, topologies=["F1 J1"], seeds=(2,), capacity=4),
    )
    row = rows(both, corpus=CORPUS)["C11"]
    assert row["seeds"] == [2] and row["verdict"].startswith("this training run only")
    every, third = (evaluation("asyncthink_math", 0.1, forked=0.9, seeds=seeds) for seeds in (SEEDS, (3,)))
    assert rows(graph_theory=[every], genetics=[third])["C12"]["seeds"] == [3]


def test_a_part_at_a_ceiling_tells_nothing_and_the_others_decide():
    row = rows(replaced(*budgets("parallel", (0.8, 0.9, 0.7, 0.6, 0.5), (110, 130, 95, 85, 75), "trace")))["C2"]
    states = {part["name"]: part["state"] for part in row["parts"] if part["column"] == "equal budget"}
    assert states["at least 1 correct, above parallel thinking"] == "untestable"
    assert row["columns"]["equal budget"] == "reproduced"


def test_baselines_at_another_budget_are_not_compared():
    found = rows(replaced(evaluation("parallel", 0.8, 110, organizer_budget=192)))
    assert found["C1"]["verdict"] == "not run at this scale"
    assert "organizer_budget of asyncthink, 96" in found["C1"]["reason"]
    assert "capacity" in rows(replaced(evaluation("parallel", 0.8, 110, capacity=5)))["C2"]["reason"]


def test_another_number_of_traces_is_no_point_of_the_frontier():
    cheat = evaluation("parallel", 0.99, 20, variant="n_9", capacity=9)
    assert rows([*PAPER_LIKE, cheat])["C3"] == rows()["C3"]


def test_forks_without_a_cold_start_speak_against_the_claim():
    found = rows(replaced(evaluation("no_cold_start", 0.5, ratio=0.45)))["C5"]
    assert found["verdict"] == "not reproduced" and found["parts"][0]["state"] == "contrary"


def test_answers_without_rl_or_a_broken_form_speak_against_the_claim():
    assert rows(replaced(evaluation("no_rl", 0.9, valid=0.9)))["C6"]["verdict"] != "reproduced"
    assert rows(replaced(evaluation("no_rl", 0.1, valid=0.2)))["C6"]["verdict"] == "not reproduced"
    partly_right = rows(replaced(evaluation("no_rl", 0.6, valid=0.9)))["C6"]
    assert partly_right["verdict"] == "partly" and partly_right["parts"][-1]["state"] == "contrary"


def test_flat_curves_are_no_dynamics_and_short_ones_are_not_judged():
    flat = [
        History("grpo", "asyncthink", run.seed, [dict(row, accuracy=0.5) for row in run.steps])
        for run in histories("asyncthink", hump=0)
    ]
    found = rows(histories=flat)["C8"]
    assert found["verdict"] == "partly" and found["parts"][0]["state"] == "open"
    assert found["parts"][4]["state"] != "holds"
    level = rows(histories=histories("asyncthink", dip=0))["C8"]
    assert level["verdict"] == "partly" and level["parts"][2]["state"] == "open"
    assert "needs 20 steps" in rows(histories=[history("asyncthink", steps=6)])["C8"]["reason"]


def test_a_curve_that_skips_steps_without_a_number_is_still_read():
    runs = [
        History("grpo", "asyncthink", run.seed, [dict(r, latency=None) if r["step"] % 7 == 0 else r for r in run.steps])
        for run in histories("asyncthink")
    ]
    assert rows(histories=runs)["C8"]["verdict"] == "reproduced"


def test_the_first_and_the_last_step_are_in_a_tenth_whatever_the_number_of_steps():
    steps = [{"step": step + 1, "accuracy": float(step in (0, 24))} for step in range(25)]
    curve = Curve([History("grpo", "asyncthink", 1, steps)], "accuracy")
    assert (curve.mean(0).value, curve.mean(-1).value) == (0.5, 0.5)


STRUCTURES = ["F1 J1", "F1 F2 J1 J2", "F1 F2 J2 J1", "F1 J1 F2 J2"]
ALIKE = replaced(
    evaluation("asyncthink", 0.9, 70, topologies=STRUCTURES), evaluation("leverage", 0.3, topologies=["F1 J1"])
)


def learning(**steps):
    return {arm: np.cumsum(np.full(n, 1e-3)) for arm, n in steps.items()}


def test_collapse_asks_for_a_fall_and_for_less_than_asyncthink():
    runs = histories("asyncthink", end=0.8) + histories("leverage", end=0.7, fall=0.3)
    row = rows(ALIKE, runs, learning=learning(asyncthink=60, leverage=60))["C10"]
    assert row["verdict"] == "reproduced"
    assert row["parts"][1]["value"] == pytest.approx(-0.4, abs=0.03)
    assert row["parts"][2]["value"] == pytest.approx(1 - 4, abs=0.2)
    rising = histories("asyncthink", end=0.8) + histories("leverage", end=0.5)
    assert rows(ALIKE, rising, learning=learning(asyncthink=60, leverage=60))["C10"]["verdict"] == "not reproduced"


def test_a_shorter_run_is_held_to_the_steps_that_taught_as_much_and_its_structures_to_nothing():
    """Half as many steps at twice the rate are as much learning; at the same rate they are half."""
    runs = histories("asyncthink", steps=120) + histories("leverage", steps=60)
    as_much = {"asyncthink": np.cumsum(np.full(120, 1e-3)), "leverage": np.cumsum(np.full(60, 2e-3))}
    row = rows(ALIKE, runs, learning=as_much)["C10"]
    assert row["parts"][1]["value"] == pytest.approx(0.0, abs=0.02) and len(row["parts"]) == 2
    half = rows(ALIKE, runs, learning=learning(asyncthink=120, leverage=60))["C10"]
    assert half["parts"][1]["value"] == pytest.approx(0.25, abs=0.03)
    assert "not measured at equal steps" in half["ours"]
    assert "needs the learning rates" in rows(ALIKE, runs)["C10"]["reason"]
    others = rows(ALIKE, runs, learning=learning(asyncthink=3, leverage=3))["C10"]
    assert "leverage has 60 steps, and 3 by params.yaml" in others["reason"]


def test_one_operating_point_counts_once_and_a_line_of_two_is_no_frontier():
    same = evaluation("asyncthink", 0.9, 70)
    twins = [replace(same, variant=f"worker_{n}") for n in range(1, 5)]
    row = rows(replaced(same, *twins))["C9"]
    assert row["verdict"] == "untestable" and "of 1 distinct ones" in row["reason"]
    level = budgets("asyncthink", (0.8,) * 5, (70, 65, 60, 50, 40), "worker")
    assert rows(replaced(*level))["C9"]["verdict"] == "untestable"


def test_with_two_agents_structures_cannot_be_told_apart():
    both = replaced(
        evaluation("asyncthink_4", 0.9, topologies=["F1 J1"], capacity=2),
        evaluation("no_random_structures", 0.8, topologies=["F1 J1"], capacity=2),
    )
    assert rows(both, corpus=CORPUS)["C11"]["verdict"] == "untestable"


def test_one_training_seed_says_nothing_of_another():
    alone = [e.of_seeds((2,)) for e in PAPER_LIKE]
    ledger = rows(alone, histories=[history("asyncthink", 2)])
    told = {row["verdict"] for row in ledger.values() if row["parts"]}
    assert told == {"this training run only: seen"}
    assert set(ledger["C1"]["columns"].values()) == told


def test_each_part_is_told_for_each_seed_by_itself():
    (part, *_) = rows()["C1"]["parts"]
    alone = [rows([e.of_seeds((seed,)) for e in PAPER_LIKE])["C1"]["parts"][0]["value"] for seed in SEEDS]
    assert part["by_seed"] == alone and part["value"] == pytest.approx(np.mean(alone), abs=1e-6)


def test_diversity_needs_an_arm_that_never_saw_random_structures():
    reason = rows(corpus=CORPUS)["C11"]["reason"]
    assert "40 topologies" in reason and "asyncthink_4, no_random_structures" in reason
    both = replaced(
        evaluation("asyncthink_4", 0.9, topologies=["F1 J1", "F1 F2 J1 J2", "F1 F2 J2 J1"], capacity=4),
        evaluation("no_random_structures", 0.8, topologies=["F1 J1", "F1 F2 J1 J2"], capacity=4),
    )
    row = rows(both, corpus=CORPUS)["C11"]
    assert row["verdict"] == "reproduced" and row["arms"] == ["asyncthink_4", "no_random_structures"]


def test_neither_the_corpus_nor_seeds_that_differ_make_structures_diverse():
    """Of five seeds each keeps to one structure, though not all to the same; the corpus holds forty."""
    ours = evaluation("asyncthink_4", 0.9, topologies=STRUCTURES, capacity=4)
    theirs = evaluation("no_random_structures", 0.8, topologies=["F1 J1"], capacity=4)
    collapsed = np.array(STRUCTURES, dtype=object)[[0, 1, 2, 3, 0]].repeat(ITEMS).reshape(len(SEEDS), ITEMS, 1)
    ours = replace(ours, measured=replace(ours.measured, topologies=collapsed))
    row = rows(replaced(ours, theirs), corpus=CORPUS)["C11"]
    assert row["verdict"] == "not reproduced" and [part["value"] for part in row["parts"]] == [0.0]
    assert "of the corpus' 40 topologies" in row["ours"]


def test_nothing_at_all_is_a_ledger_that_says_so():
    found = rows(evaluations=[], scale="nano")
    assert {row["verdict"] for row in found.values()} == {"not run at this scale"}
    assert "asyncthink, sequential, parallel" in found["C1"]["reason"]


def test_smoke_shows_numbers_and_judges_nothing():
    found = rows(scale="smoke", histories=[history("asyncthink")])
    assert {row["verdict"] for row in found.values()} == {"not run at this scale"}
    assert found["C1"]["ours"] and found["C1"]["reason"] == "smoke: shows the graph, not the science"


def test_only_seeds_that_all_arms_have_are_compared():
    seeds = [evaluation("asyncthink", 0.9, 70, seeds=(1, 2, 3)), evaluation("parallel", 0.8, 110, seeds=(2, 3))]
    found = rows([*seeds, evaluation("sequential", 0.5, seeds=(3, 2, 5))])["C1"]
    assert found["seeds"] == [2, 3]
    alone = [evaluation("asyncthink", 0.9, seeds=(1,)), evaluation("no_rl", 0.3, seeds=(2,))]
    assert "needs a seed" in rows(alone)["C6"]["reason"]


def test_the_ledger_is_json_and_the_same_each_time():
    texts = [json.dumps(rows(histories=[history("asyncthink")]), allow_nan=False) for _ in range(2)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("estimate", "unit", "expected"),
    [
        (Estimate(0.07, 0.02), "points", "+7.0 points [+3.1, +10.9]"),
        (Estimate(-0.0001, 0.1), "points", "0.0 points [-19.6, +19.6]"),
        (Estimate(0.46, 0.02), "%", "46.0 % [42.1, 49.9]"),
        (Estimate(0.98, 0.02), "%", "98.0 % [94.1, 100.0]"),
        (Estimate(0.32, 0.01), "% change", "+32.0 % [+30.0, +34.0]"),
        (Estimate(71.3, 1), "tokens", "71.3 tokens [69.3, 73.3]"),
        (Estimate(40), "structures", "40.0 structures"),
        (Estimate(40, np.nan), "structures", "40.0 structures"),
        (Estimate(np.nan, np.nan), "%", "not measured"),
    ],
)
def test_an_estimate_reads_as_a_person_would_write_it(estimate, unit, expected):
    assert text(estimate, unit) == expected


def ledger_of(*evaluations):
    return claims.ledger(Evidence(Recordings("nano", tuple(evaluations)), histories("asyncthink"), CORPUS), "nano")


def test_a_ledger_is_held_against_the_committed_one_row_by_row():
    reference = ledger_of(*PAPER_LIKE)
    changed = ledger_of(*replaced(evaluation("asyncthink", 0.4, 70)))
    held = {row["id"]: row for row in agreement.beside(changed, reference)["claims"]}
    assert held["C1"]["agrees"] == "differs" and held["C1"]["reference"]["verdict"] == "reproduced"
    assert held["C8"]["agrees"] == "same" and held["C7"]["agrees"] == "cannot tell"
    weaker = {row["id"]: row for row in ledger_of(*replaced(evaluation("no_rl", 0.3, 120, valid=0.8)))["claims"]}
    held = agreement.of_row(weaker["C6"], {row["id"]: row for row in reference["claims"]}["C6"])
    assert weaker["C6"]["verdict"] == "reproduced" and held == "differs"  # the same verdict, and twenty points less
    one_seed = ledger_of(*(e.of_seeds((2,)) for e in PAPER_LIKE))
    assert {row["agrees"] for row in agreement.beside(one_seed, reference)["claims"] if row["id"] in "C1 C4 C5"} == {
        "same"
    }


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([0.50, 0.51], [0.50, 0.51, 0.49], "agrees"),
        ([0.50], [0.50, 0.51, 0.49], "agrees"),
        ([0.50], [0.60, 0.40, 0.50], "cannot tell"),
        ([0.90, 0.91], [0.50, 0.51, 0.49], "differs"),
        ([0.50], [0.50], "cannot tell"),
        ([], [0.50, 0.51], "cannot tell"),
    ],
)
def test_two_runs_agree_where_the_interval_of_their_difference_lies_within_the_margin(ours, theirs, expected):
    assert agreement.equivalence(np.array(ours), np.array(theirs), 0.05) == expected


def test_the_readme_table_stands_between_its_markers_and_is_written_again_unchanged():
    evidence = Evidence(Recordings("nano", PAPER_LIKE), [], None)
    ledger = claims.ledger(evidence, "nano")
    readme = f"# Title\n{claims_table.BEGIN}\nbygone\n{claims_table.END}\nrest\n"
    written = claims_table.updated(readme, [ledger])
    assert written.startswith("# Title\n") and written.endswith("\nrest\n") and "bygone" not in written
    columns = "equal budget: reproduced; equal latency: reproduced; equal work: reproduced"
    assert "| C1 |" in written and f"**reproduced** ({columns}): all correct" in written
    assert claims_table.updated(written, [ledger]) == written
    assert "not yet been run" in claims_table.updated(readme, [])


def test_two_scales_stand_side_by_side_and_a_single_seed_says_so():
    two = claims.ledger(Evidence(Recordings("nano", PAPER_LIKE), [], None), "nano")
    alone = tuple(each.of_seeds(each.seeds[:1]) for each in PAPER_LIKE)
    one = claims.ledger(Evidence(Recordings("pretrained", alone), [], None), "pretrained")
    table = claims_table.block([two, one], [])
    assert "| | claim | paper | nano | pretrained |" in table
    row = next(line for line in table.splitlines() if line.startswith("| C1 |"))
    assert row.index("**reproduced**") < row.index("**seen**")
    assert table.splitlines()[1].endswith("Verdicts and intervals are of this training run only.")
    assert "for a new seed on new items" in table.splitlines()[0]


def test_a_readme_without_markers_is_told_where_they_belong():
    with pytest.raises(InputError, match="these two lines"):
        claims_table.updated("# Title\n", [])


def test_a_readme_that_is_no_text_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "README.md").write_bytes(b"\xff")
    assert cli.main(["claims", f"--readme={tmp_path / 'README.md'}"]) == 2
    assert capsys.readouterr().err == f"asyncthink claims: {tmp_path / 'README.md'}: not UTF-8\n"


def test_the_committed_readme_says_what_the_committed_reference_says():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    reference = ROOT / "metrics/reference"
    assert claims_table.updated(readme, claims_table.ledgers(reference), claims_table.arms(reference)) == readme


def test_the_readme_explains_every_verdict_that_a_claim_can_have():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    words = readme.partition("| word | meaning |")[2].partition(claims_table.BEGIN)[0]
    explained = {word for names in re.findall(r"^\| (.+?) \|", words, re.MULTILINE) for word in names.split(", ")}
    assert {verdict.removeprefix(f"{ONE_RUN}: ") for verdict in VERDICTS} - {NOT_RUN} <= explained


def test_the_table_of_arms_has_means_and_the_range_of_the_seeds():
    table = arms_table.block("countdown", Recordings("nano", PAPER_LIKE)).splitlines()
    assert table[0] == "nano, countdown, each arm at its own budget, mean (least–most) of the seeds:"
    row = next(line for line in table if line.startswith("| AsyncThink |")).split(" | ")
    ours = Recordings("nano", PAPER_LIKE).find("asyncthink")
    by_seed = 100 * ours.measured.values["accuracy"].mean(axis=(1, 2))
    assert row[1] == f"{by_seed.mean():.1f} ({by_seed.min():.1f}–{by_seed.max():.1f})"
    assert row[4].split(" (")[0] == f"{ours.measured.values['elapsed'].mean():.0f}"


def test_the_table_of_organizing_holds_the_arms_that_fork_with_what_was_recorded():
    evaluated = ROOT / "metrics/reference/nano/evaluate/countdown"
    found = recordings.read_all([evaluated / arm / "1.json" for arm in ("asyncthink", "parallel")])
    *_, row = arms_table.organizing(found["countdown"]).splitlines()
    own = json.loads((evaluated / "asyncthink/1.json").read_text())["evaluations"]["headline"]["metrics"]
    shares = [f"{100 * own[name]:.1f}" for name in ("hit_1", "chance", "predicted_1", "repeated_share")]
    counts = [f"{own[name]:.1f}" for name in ("forks", "forked_branches", "offered", "tokens_after")]
    assert row == f"| AsyncThink | {' | '.join(counts[:2] + shares + counts[2:])} |"
    unsaid = arms_table.organizing(Recordings("nano", PAPER_LIKE)).splitlines()[4].split(" | ")
    assert unsaid[1] != "–" and {*unsaid[2:]} == {"–", "– |"}  # Forks alone are there


@pytest.mark.parametrize("folder", ["nowhere", "metrics"])
def test_a_folder_without_evaluations_makes_no_ledger(folder, tmp_path, capsys):
    (tmp_path / "metrics/reference").mkdir(parents=True)
    words = ["claims", "--records", str(tmp_path / folder), "--ledger", str(tmp_path / "ledger.json")]
    assert cli.main([*words, "--params", str(ROOT / "params.yaml")]) == 2
    assert f"{folder}: holds no evaluations (evaluate/TEST_SET/ARM/SEED.json)" in capsys.readouterr().err
    assert not (tmp_path / "ledger.json").exists()
