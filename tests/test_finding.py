"""The report in ten seconds: its sentence for every outcome, its strips, its timeline, its words."""

import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
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


def test_the_reasons_are_figures_of_the_tables_and_only_those_that_were_measured():
    busy = pd.DataFrame({"arm": ["asyncthink", "parallel"], "ours": [67.27, 93.15]})
    busy = busy.assign(variant="headline", measure="concurrency_ratio")
    order = pd.DataFrame({"measure": ["chance", "hit", "hit", "predicted"], "x": [np.nan, 1, 2, 1]})
    order = order.assign(arm="asyncthink", ours=[21.76, 26.0, 99.0, 62.75])
    said = finding.reasons(busy, order)
    assert "decode 67.3 % of the time (η/c), those of parallel thinking 93.2 %; of the branches" in said
    assert "26.0 % hold a solution, against 21.8 % by chance and 62.8 % in the order of a regression" in said
    assert finding.reasons(busy, order[:0]).endswith("parallel thinking 93.2 %.")
    assert finding.reasons(busy[:1], order[:3]) == ""


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


def test_an_effect_beyond_twice_the_latency_stays_in_its_strip():
    """A share of a latency that is more has no lower bound: 2.5 times the latency is -150 %."""
    slow, fast = part("contrary", value=-1.5, interval=[-1.7, -1.3]), part("holds", value=0.9, interval=[0.7, 1.1])
    drawn = str(forest.strip({"id": "C3", "parts": [slow, fast]}))
    ends = [float(x) for x in re.findall(r' x[12]="([\d.]+)"', drawn)]
    assert forest.LABELLED <= min(ends) < max(ends) <= forest.LABELLED + forest.PLOT
    assert re.search(r'class="contrary" x1="103.0" y1="([\d.]+)" x2="121.8" y2="\1"', drawn)  # -1.7 to -1.3
    assert re.search(r'class="holds" x1="215.9" y1="([\d.]+)" x2="230.1" y2="\1"', drawn)  # 0.7 to 1


def test_the_lines_of_a_strip_are_told_apart_by_a_label_each_or_by_one_a_group():
    rows = {row["id"]: row for row in json.loads(PAIRS.read_text())["claims"]}
    groups, caption = forest.grouped([part for part in rows["C2"]["parts"] if part["core"]])
    assert [group.label for group in groups[:3]] == ["budget, sequential", "budget, parallel", "latency, sequential"]
    assert [len(group.parts) for group in groups] == [3] * 6
    assert caption == "at equal budget, latency, work; in each group, downwards: at least 1, 2, 3 correct"
    assert (
        caption in forest.strip(rows["C2"]) and forest.strip(rows["C2"]).count("<title>at least 2 correct, above") == 6
    )
    torn, _ = forest.grouped([part for part in rows["C2"]["parts"] if part["core"]][1:])
    assert len({group.label for group in torn}) == len(torn) == 17  # no order that a caption could tell
    names = {"C3": ["equal accuracy", "as many all correct"], "C8": ["accuracy", "η/c"]}
    for name, labels in names.items():
        own = [part for part in rows[name]["parts"] if part["core"]]
        assert [group.label for group in forest.grouped(own)[0]] == labels
    least = [part("holds", f"latency below that of {other}{more}") for other in ("a", "b") for more in ("", ", by 9 %")]
    assert [group.label for group in forest.grouped(least)[0]] == ["a", "by 9 %", "b", "by 9 %"]


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
    never = [_point("asyncthink", 120.0, 96.0), _point("parallel", 100.0, 95.0)]
    assert "20 % later at most" in [text.get_text() for text in plots.frontier(pd.DataFrame(never)).axes[0].texts]


@pytest.mark.parametrize("seed", range(12))
def test_the_gaps_label_covers_nothing_wherever_the_points_lie(seed):
    """Without the label, its place holds nothing but the ground."""
    drawn = np.random.default_rng(seed)
    ways = ("asyncthink", *3 * ("parallel", "sequential", "fixed_plan", "asyncthink_priced"))
    table = pd.DataFrame([_point(way, drawn.uniform(100, 600), drawn.uniform(10, 95)) for way in ways])
    table.loc[table.arm == "parallel", "best"] = [True, True, False]
    figure = plots.frontier(table)
    (label,) = (
        text for text in figure.axes[0].texts if text.get_text().endswith(("sooner", "later", "or more", "at most"))
    )
    box, inside = label.get_window_extent(), figure.axes[0].get_window_extent()
    assert (
        inside.containsx(box.x0) and inside.containsx(box.x1) and inside.containsy(box.y0) and inside.containsy(box.y1)
    )
    label.set_visible(False)
    figure.axes[0].grid(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, :3]
    assert (pixels[int(box.y0) : int(box.y1) + 1, int(box.x0) : int(box.x1) + 1] == 255).all()


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
