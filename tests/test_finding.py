"""The report in ten seconds: its sentence for every outcome, its strips, its timeline, its words."""

import json
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from written_episodes import ALL

from asyncthink import episode
from asyncthink.evaluation.verdicts import NOT_REPRODUCED, NOT_RUN, OF_ONE_RUN, ONE_RUN, PARTLY, REPRODUCED, UNTESTABLE
from asyncthink.reporting import case_table, finding, forest, glossary, plots

PAIRS = Path(__file__).parents[1] / "metrics/attempts/pairs.json"  # a whole ledger, of an earlier world
VALUES = {
    "holds": (0.3, 0.2, 0.4),
    "contrary": (-0.3, -0.4, -0.2),
    "open": (0.1, -0.1, 0.3),
    "untestable": (0.0, 0.0, 0.0),
}


def part(state, name="latency below that of parallel thinking at equal accuracy", **others):
    value, low, high = VALUES[state]
    told = f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    known = {"name": name, "column": "", "unit": "% less", "core": True, "state": state, "text": told, "error": 0.05}
    return known | {"value": value, "interval": [low, high]} | others


def ledger(verdict, *parts, ours="lower", reason=None):
    row = {"id": "C3", "verdict": verdict, "parts": list(parts), "ours": ours, "reason": reason}
    return {"claims": [{"id": "C1", "parts": []}, row]}


SAID = {
    "holds": "30.0 % [20.0, 40.0] sooner than parallel thinking that",
    "contrary": "30.0 % [20.0, 40.0] later than parallel thinking that",
    "open": "cannot be told from parallel thinking that",
    "untestable": "cannot be told from parallel thinking that",
}


@pytest.mark.parametrize("states", list(product(VALUES, VALUES)), ids="-".join)
@pytest.mark.parametrize("verdict", [REPRODUCED, PARTLY, NOT_REPRODUCED, *OF_ONE_RUN.values()])
def test_the_sentence_says_of_each_part_what_the_rule_says(verdict, states):
    said = finding.finding(ledger(verdict, *map(part, states)))
    for state, alike in zip(states, finding.ALIKE, strict=True):
        assert f"{SAID[state]} {alike}" in said
    assert said.startswith("In this one training run AsyncThink") == verdict.startswith(ONE_RUN)
    assert said.endswith(".") and said.count(".  ") == 0


@pytest.mark.parametrize("verdict", [UNTESTABLE, NOT_RUN])
def test_what_was_not_told_is_said_with_its_reason(verdict):
    said = finding.finding(ledger(verdict, ours=None, reason="the frontier is flat there"))
    assert said.endswith(f"is not told here: {verdict}, the frontier is flat there.")
    assert finding.finding({"claims": []}).endswith("the ledger has no such claim.")


def test_an_accuracy_that_parallel_thinking_never_has_is_told():
    row = ledger(REPRODUCED, part("holds"), ours="needs 150.0 at least (it reaches 90.0 %)")
    assert "where parallel thinking does not get that far, than at its best" in finding.finding(row)


def test_a_strip_has_a_line_for_each_effect_and_the_papers_mark_where_the_paper_has_it():
    rows = {row["id"]: row for row in json.loads(PAIRS.read_text())["claims"]}
    drawn = {name: str(forest.strip(row) or "") for name, row in rows.items()}
    assert drawn["C1"].count("<circle") + drawn["C1"].count('"contrary"') // 2 == 12
    assert drawn["C1"].count('class="paper"') == 4 and drawn["C4"].count('class="paper"') == 2
    assert drawn["C12"] == drawn["C7"] == ""
    assert forest.paper_effects()["C4", "latency without the reward"] == pytest.approx(0.381, abs=1e-3)


@pytest.mark.parametrize(
    ("states", "chosen"),
    [(("holds", "open", "contrary"), "contrary"), (("holds", "open"), "open"), (("holds",), "holds")],
)
def test_beside_a_strip_stands_what_speaks_least_for_the_claim(states, chosen):
    assert forest.weakest({"parts": [part(state) for state in states]})["state"] == chosen
    assert forest.weakest({"parts": [part("untestable")]}) is None


def test_the_timeline_holds_every_token_once_on_the_clock_and_once_in_sequence(tmp_path):
    episode.write(tmp_path / "1.jsonl.gz", ALL)
    shown = finding.timeline(case_table.frame([tmp_path / "1.jsonl.gz"], "nano"), "countdown")
    lanes = [bar for lane in shown.lanes.values() for bar in lane if bar.kind != "wait"]
    assert sum(bar.tokens for bar in lanes) == sum(bar.tokens for bar in shown.sequence) == shown.work
    assert shown.latency < shown.work
    assert max(bar.left + bar.width for bar in shown.sequence) == pytest.approx(100, abs=0.01)
    assert finding.timeline(case_table.frame([], "nano"), "countdown") is None


def test_words_are_explained_once_and_text_stays_text():
    said = glossary.explained("η/c <b> of c = 2, T = 5; η/c again, a fork, forks")
    assert said.count("<abbr") == 4 and "&lt;b&gt;" in said
    assert said.count(glossary.WORDS["η/c"]) == 1


def test_the_gap_is_drawn_sooner_or_later_than_parallel_thinking():
    rows = [("asyncthink", 50.0, 90.0), ("parallel", 40.0, 60.0), ("parallel", 100.0, 95.0), ("sequential", 40.0, 30.0)]
    for latency, said in ((50.0, "45 % sooner"), (100.0, "9 % later")):
        table = pd.DataFrame([_point(arm, latency if arm == "asyncthink" else at, share) for arm, at, share in rows])
        assert said in [text.get_text() for text in plots.frontier(table).axes[0].texts]


def test_at_a_floor_no_gap_is_drawn():
    table = pd.DataFrame([_point("asyncthink", 50.0, 0.0), _point("parallel", 60.0, 0.0)])
    assert not any(text.get_text().endswith(("sooner", "later")) for text in plots.frontier(table).axes[0].texts)


def _point(arm, latency, accuracy):
    named = {"arm": arm, "way": arm, "label": arm, "variant": "headline", "best": True, "items": 9, "seeds": "1"}
    ends = {
        f"{name}_{end}": value
        for name, value in (("accuracy", accuracy), ("latency", latency))
        for end in ("low", "high")
    }
    return {**named, "scale": "nano", "latency": latency, "accuracy": accuracy, **ends}
