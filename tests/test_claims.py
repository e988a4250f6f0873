"""Verdicts on experiments whose truth is known, on broken ones, and on none at all."""

import json
from pathlib import Path

import numpy as np
import pytest

from asyncthink.errors import InputError
from asyncthink.evaluation import claims
from asyncthink.evaluation.evidence import Evidence
from asyncthink.evaluation.histories import History
from asyncthink.evaluation.metrics import Measurement
from asyncthink.evaluation.recordings import Evaluation, Recordings
from asyncthink.evaluation.statistics import Estimate, keyed
from asyncthink.evaluation.verdicts import Part, text, verdict
from asyncthink.reporting import claims_table

ROOT = Path(__file__).parents[1]
ITEMS, REQUIRED = 200, 3
THINKING = {"capacity": 3, "organizer_budget": 96, "worker_budget": 46, "latency_budget": 128, "temperature": 1.0}
MODES = {"sequential": "sequential", "parallel": "parallel"}


def evaluation(
    arm,
    accuracy,
    latency=80.0,
    ratio=0.5,
    valid=1.0,
    forked=1.0,
    seeds=(1,),
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
        "work": 2 * elapsed,
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
    *budgets("sequential", (0.5, 0.55, 0.45, 0.4, 0.3), (90, 110, 80, 70, 60), "trace"),
    evaluation("no_concurrency_reward", 0.82, 95, ratio=0.5),
    evaluation("no_cold_start", 0.5, 60, ratio=1 / 3),
    evaluation("no_rl", 0.3, 120, valid=0.8),
)


def history(arm, seed=1, steps=60, end=0.8, hump=60):
    random = keyed("history", arm, seed)
    rows = []
    for step in range(steps):
        part = step / steps
        rows.append(
            {
                "step": step + 1,
                "accuracy": 0.3 + (end - 0.3) * part + random.normal(0, 0.01),
                "concurrency_ratio": 0.4 + 0.15 * part + random.normal(0, 0.005),
                "forks": 1 + part + random.normal(0, 0.02),
                "latency": 100 + hump * 4 * part * (1 - part) - 30 * part + random.normal(0, 1),
            }
        )
    return History("grpo", arm, seed, rows)


CORPUS = {"topologies": {"distinct": 40, "beyond_the_two": 30, "classes": {}}}


def rows(evaluations=PAPER_LIKE, histories=(), corpus=None, scale="nano", resamples=400, **elsewhere):
    others = {name: Recordings(scale, tuple(found), resamples) for name, found in elsewhere.items()}
    evidence = Evidence(Recordings(scale, tuple(evaluations), resamples), histories, corpus, others)
    return {row["id"]: row for row in claims.ledger(evidence, scale)["claims"]}


def replaced(*changed):
    """The experiment with some evaluations in the place of those of the same arm and variant."""
    names = {(e.arm, e.variant) for e in changed}
    return [*(e for e in PAPER_LIKE if (e.arm, e.variant) not in names), *changed]


def state(value, low, high, core=True):
    return Part("p", "points", Estimate(value, low, high), Estimate(value, low, high), core)


HOLDS, OPEN, CONTRARY = (1, 0.5, 2), (1, -0.5, 2), (-1, -2, -0.5)


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
        ([state(np.nan, np.nan, np.nan)], "not reproduced"),
    ],
)
def test_a_verdict_follows_from_the_parts(parts, expected):
    assert verdict(parts) == expected


def test_an_experiment_like_the_papers_reproduces_what_it_ran():
    found = rows(histories=[history("asyncthink")], corpus=CORPUS)
    reproduced = {name for name, row in found.items() if row["verdict"] == "reproduced"}
    assert reproduced == {"C1", "C2", "C3", "C4", "C5", "C6", "C8", "C9"}
    assert {name for name, row in found.items() if row["verdict"] == "not run at this scale"} == {
        *("C3 math", "C7", "C10", "C11", "C12")
    }


def test_every_row_names_paper_ours_rule_and_command_and_a_missing_figure_its_reason():
    for row in rows(histories=[history("asyncthink")], corpus=CORPUS).values():
        assert row["claim"] and row["paper"] and row["rule"] and row["command"].startswith("snakemake")
        assert bool(row["ours"]) != bool(row["reason"])
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


def on_mathematics(latency):
    points = (("parallel_math", 0.7, 2000), ("parallel_math_1k", 0.5, 1000))
    parallel = [evaluation(arm, accuracy, tokens) for arm, accuracy, tokens in points]
    return [evaluation("asyncthink_math", 0.7, latency), *parallel]


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [((1300, 1300), "reproduced"), ((1300, 1800), "partly"), ((1300, 2300), "not reproduced")],
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
    assert [found[name]["verdict"] for name in ("C1", "C2", "C3", "C9")] == ["not reproduced"] * 4


def test_a_method_that_beats_one_baseline_and_equals_the_other_is_partly_reproduced():
    found = rows(replaced(evaluation("parallel", 0.9, 110)))
    assert found["C1"]["verdict"] == "partly"
    assert {part["state"] for part in found["C1"]["parts"]} == {"holds", "open"}


def test_the_reduction_of_latency_is_read_at_equal_accuracy():
    """At 0.9 parallel thinking needs 130, AsyncThink 70: 46 % lower; its 0.65 at 110 does not count."""
    found = rows()["C3"]
    assert found["parts"][0]["value"] == pytest.approx(1 - 70 / 130, abs=0.05)
    slower = rows(replaced(evaluation("asyncthink", 0.9, 115)))["C3"]
    assert slower["verdict"] == "partly" and slower["parts"][0]["value"] == pytest.approx(1 - 115 / 130, abs=0.05)


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
    assert rows(replaced(evaluation("no_rl", 0.3, valid=0.2)))["C6"]["verdict"] == "not reproduced"


def test_flat_curves_are_no_dynamics_and_short_ones_are_not_judged():
    flat = History("grpo", "asyncthink", 1, [dict(row, accuracy=0.5) for row in history("asyncthink", hump=0).steps])
    found = rows(histories=[flat])["C8"]
    assert found["verdict"] == "partly" and found["parts"][0]["state"] == "open"
    assert found["parts"][3]["state"] != "holds"
    assert "needs 20 steps" in rows(histories=[history("asyncthink", steps=6)])["C8"]["reason"]


def test_a_curve_that_skips_steps_without_a_number_is_still_read():
    gaps = [dict(row, latency=None) if row["step"] % 7 == 0 else row for row in history("asyncthink").steps]
    assert rows(histories=[History("grpo", "asyncthink", 1, gaps)])["C8"]["verdict"] == "reproduced"


def test_collapse_is_judged_against_the_same_step():
    structures = ["F1 J1", "F1 F2 J1 J2", "F1 F2 J2 J1", "F1 J1 F2 J2"]
    evaluations = replaced(
        evaluation("asyncthink", 0.9, 70, topologies=structures), evaluation("leverage", 0.3, topologies=["F1 J1"])
    )
    runs = [history("asyncthink", steps=120), history("leverage", steps=60, end=0.3)]
    found = rows(evaluations, runs)["C10"]
    assert found["verdict"] == "reproduced"
    assert found["parts"][0]["value"] == pytest.approx(0.3 - 0.54, abs=0.03)
    assert found["parts"][1]["value"] == pytest.approx(1 - 4, abs=0.2)


def test_diversity_needs_an_arm_that_never_saw_random_structures():
    assert "40 topologies" in rows(corpus=CORPUS)["C11"]["reason"]
    both = replaced(
        evaluation("asyncthink", 0.9, topologies=["F1 J1", "F1 F2 J1 J2", "F1 F2 J2 J1"]),
        evaluation("no_random_structures", 0.8, topologies=["F1 J1", "F1 F2 J1 J2"]),
    )
    assert rows(both, corpus=CORPUS)["C11"]["verdict"] == "reproduced"


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
        (Estimate(0.07, 0.031, 0.109), "points", "+7.0 points [+3.1, +10.9]"),
        (Estimate(-0.0001, -0.2, 0.0), "points", "0.0 points [-20.0, 0.0]"),
        (Estimate(0.46, 0.415, 0.504), "%", "46.0 % [41.5, 50.4]"),
        (Estimate(0.32, 0.3, 0.34), "% change", "+32.0 % [+30.0, +34.0]"),
        (Estimate(71.3, 69, 73.24), "tokens", "71.3 tokens [69.0, 73.2]"),
        (Estimate(40, 40, 40), "structures", "40.0 structures"),
        (Estimate(np.nan, np.nan, np.nan), "%", "not measured"),
    ],
)
def test_an_estimate_reads_as_a_person_would_write_it(estimate, unit, expected):
    assert text(estimate, unit) == expected


def test_a_ledger_is_held_against_the_committed_one():
    evidence = Evidence(Recordings("nano", PAPER_LIKE, 200), [history("asyncthink")], CORPUS)
    reference = claims.ledger(evidence, "nano")
    changed = Evidence(Recordings("nano", tuple(replaced(evaluation("asyncthink", 0.4, 70))), 200), [], CORPUS)
    held = {row["id"]: row for row in claims.beside(claims.ledger(changed, "nano"), reference)["claims"]}
    assert held["C1"]["agrees"] is False and held["C1"]["reference"]["verdict"] == "reproduced"
    assert held["C7"]["agrees"] is True


def test_the_readme_table_stands_between_its_markers_and_is_written_again_unchanged():
    evidence = Evidence(Recordings("nano", PAPER_LIKE, 200), [], None)
    ledger = claims.ledger(evidence, "nano")
    readme = f"# Title\n{claims_table.BEGIN}\nbygone\n{claims_table.END}\nrest\n"
    written = claims_table.updated(readme, [ledger])
    assert written.startswith("# Title\n") and written.endswith("\nrest\n") and "bygone" not in written
    assert "| C1 |" in written and "**reproduced**: all correct" in written
    assert claims_table.updated(written, [ledger]) == written
    assert "not yet been run" in claims_table.updated(readme, [])


def test_a_readme_without_markers_is_told_where_they_belong():
    with pytest.raises(InputError, match="these two lines"):
        claims_table.updated("# Title\n", [])


def test_the_committed_readme_says_what_the_committed_reference_says():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert claims_table.updated(readme, claims_table.ledgers(ROOT / "metrics/reference")) == readme
