"""Tables, figures, notebooks and the report, on a recorded experiment, on one of a single seed, and on nothing."""

import html.parser
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import drawn_experiment
import pandas as pd
import pytest
import recorded_experiment
import written_episodes
from drawn_experiment import SCALES, evidence_of, frames
from written_episodes import EXAMPLE, READY, UNJOINED

from asyncthink import episode
from asyncthink.cli import report as report_command
from asyncthink.config import scales
from asyncthink.config.params import merged
from asyncthink.errors import InputError
from asyncthink.evaluation import case_studies, claims, ledger
from asyncthink.evaluation.verdicts import ONE_RUN
from asyncthink.files import write_text
from asyncthink.reporting import case_table, claims_table, comparison, page, plots, report, style, tables
from asyncthink.reporting.exhibits import EXHIBITS, LEDGER, named
from asyncthink.reporting.page_record import identify
from asyncthink.reporting.run_facts import Duration, durations
from asyncthink.workflow import graph

ROOT = Path(__file__).parents[1]
NOTEBOOKS = [ROOT / f"notebooks/{name}.ipynb" for name in sorted(graph.FIGURES)]
FACTS = {"Commit": "0123", "Processor": "one"}


COLUMNS = {name: (*table.columns, "scale") for name, table in tables.TABLES.items()}
COLUMNS["case_studies"] = case_table.COLUMNS


@pytest.fixture(scope="module", params=SCALES)
def results(request, tmp_path_factory):
    """Tables as read from files, figures, ledger and parameters."""
    return drawn_experiment.results(request.param, tmp_path_factory.mktemp("figures"))


def test_the_graph_and_the_package_name_the_same_tables_and_figures():
    assert set(graph.TABLES) == set(tables.TABLES)
    assert set(graph.FIGURES) == set(plots.FIGURES) == {path.stem for path in NOTEBOOKS}
    assert set(EXHIBITS) | {"claims"} == set(plots.FIGURES)


def test_every_figure_renders_as_outlines_without_a_date(results):
    assert set(results.figures) == set(plots.FIGURES)
    for name, text in results.figures.items():
        assert text.count("<path") > 3
        assert ('<g role="img"><title>' in text) == (name != "claims" and style.has_data(results.tables[name])), name
        assert "<dc:date>" not in text and "<text" not in text and "<image" not in text


def test_a_table_gives_the_same_bytes_each_time(tmp_path):
    made = frames(evidence_of("two seeds"), "nano")
    for name in ("correct_at_least_k", "training_dynamics", "frontier"):
        for folder in ("a", "b"):
            style.save(plots.FIGURES[name](made[name]), tmp_path / folder / f"{name}.svg")
        for kind in ("svg", "png"):
            first, second = ((tmp_path / folder / f"{name}.{kind}").read_bytes() for folder in ("a", "b"))
            assert first == second, (name, kind)


def told_by(figure):
    """What its artists say to who points at them."""
    return [artist.get_gid().removeprefix(style.TOLD) for artist in figure.findobj(lambda artist: artist.get_gid())]


def test_a_point_says_its_way_budget_accuracy_and_latency():
    table = frames(evidence_of("two seeds"), "nano")["frontier"]
    figure = plots.frontier(table)
    said = told_by(figure)
    ours = table[table.arm == "asyncthink"].iloc[0]
    point = f"AsyncThink, budget {ours.organizer_budget:.0f}, of a worker {ours.worker_budget:.0f}: accuracy "
    assert len(said) == len(table) and any(text.startswith(f"{point}{ours.accuracy:.1f} %") for text in said)
    assert all(re.search(r", budget \d+.*: accuracy .+ %.*, latency .+ tokens", text) for text in said)
    titles = re.findall('<g role="img"><title>(.*?)</title>', style.svg(figure))
    assert titles == said


def test_one_fixed_plan_is_told_from_another_by_its_variant():
    point = pd.Series({"label": "Fixed plan", "arm": "fixed_plan", "variant": "listed_2_1"})
    assert named(point) == "Fixed plan, listed 2 1"
    assert named(point.drop("variant")) == "Fixed plan"
    assert named(pd.Series({"label": "AsyncThink", "arm": "asyncthink", "variant": "trace_180"})) == "AsyncThink"


def test_letters_of_a_figure_are_nine_pixels_high_on_a_phone():
    figure = plots.frontier(frames(evidence_of("two seeds"), "nano")["frontier"])
    texts = figure.findobj(lambda artist: hasattr(artist, "get_fontsize") and artist.get_text())
    assert min(text.get_fontsize() for text in texts) / (72 * figure.get_figwidth()) * 358 > 9


def written_in(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_a_figure_without_data_says_so_in_its_place():
    for name, table in frames(evidence_of("nothing"), "nano").items():
        if name in plots.FIGURES and name != "claims":
            assert not style.has_data(table) and tuple(table.columns) == COLUMNS[name]
            assert written_in(plots.FIGURES[name](table)).strip().startswith("not run at this scale")


def elsewhere():
    """Evidence of other test sets, for which countdown's stands in: what is shown does not depend on the task."""
    found = evidence_of("two seeds")
    renamed = tuple(replace(each, arm=f"{each.arm}_math") for each in found.recordings.evaluations)
    math = replace(found.recordings, evaluations=renamed)
    return replace(found, elsewhere={"aime_24": math, "amc_23": math, "sudoku": found.recordings})


def test_mathematics_and_sudoku_stand_beside_the_papers_values_row_by_row():
    made = frames(elsewhere(), "paper")
    empty = frames(evidence_of("nothing"), "nano")
    theirs = {"Sequential, 1,024": 24.7, "Parallel, 2,048": 38.7, "AsyncThink": 38.7}
    for table in (made["math"], empty["math"]):
        rows = table[table.measure == "aime24_accuracy"].set_index("label").paper
        assert {name: rows[name] for name in theirs} == theirs
    assert empty["math"].ours.isna().all() and len(empty["math"]) == 20
    ours = made["math"].set_index(["label", "measure"]).ours
    values = elsewhere().elsewhere["aime_24"].find("asyncthink_math").measured.values
    assert ours["AsyncThink", "amc23_elapsed"] == pytest.approx(values["elapsed"].mean(), abs=1e-5)
    assert pd.isna(ours["Sequential, 2,048", "amc23_accuracy"])
    assert ours["Sequential, 96", "amc23_accuracy"] > 0
    sudoku = made["sudoku"].set_index(["arm", "measure"])
    assert sudoku.paper["parallel", "elapsed"] == 3694.7 and sudoku.ours["parallel", "accuracy"] > 0
    ablations = made["ablations"].set_index(["arm", "measure"])
    assert ablations.paper["no_rl", "amc23_accuracy"] == 3.6 and ablations.ours["no_rl", "amc23_accuracy"] > 0
    for name in ("math", "sudoku", "ablations"):
        figure = plots.FIGURES[name](made[name])
        assert "the paper" in written_in(figure) and str(told_by(figure)).count("[") >= 4
    assert "not run (35.3)" in written_in(plots.compared(made["math"]))


def test_numbers_below_an_axis_do_not_run_into_each_other():
    steps = pd.DataFrame(
        {"stage": "pretrain", "arm": "asyncthink", "label": "AsyncThink", "seed": 1, "step": range(0, 7500, 150)}
    )
    table = pd.concat([steps.assign(loss=1.0, stage=stage, scale="nano") for stage in plots.LOSSES])
    figure = plots.learning_curves(table)
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert len(boxes) > 2 and all(one.x1 + 3 < other.x0 for one, other in pairwise(boxes))


def test_figures_and_tables_of_the_smoke_scale_say_what_they_are_not():
    for name, table in frames(evidence_of("one seed"), "smoke").items():
        if not table.empty:
            assert set(table.scale) == {"smoke: shows the graph, not the science"}, name
            if name in plots.FIGURES:
                assert "shows the graph, not the science" in written_in(plots.FIGURES[name](table)), name


def test_intervals_are_drawn_and_a_single_seed_has_no_band():
    many, one = (frames(evidence_of(kind), "nano") for kind in ("two seeds", "one seed"))
    assert "one seed, so no band" in written_in(plots.training_dynamics(one["training_dynamics"]))
    assert "range over seeds" in written_in(plots.training_dynamics(many["training_dynamics"]))
    figure = plots.correct_at_least_k(many["correct_at_least_k"])
    assert len([c for c in figure.axes[0].containers if type(c).__name__ == "ErrorbarContainer"]) == 3


def test_a_line_without_a_name_is_not_in_the_legend():
    (legend,) = plots.learning_curves(
        tables.as_read(frames(evidence_of("one seed"), "nano")["learning_curves"])
    ).legends
    names = [text.get_text() for text in legend.get_texts()]
    assert "AsyncThink" in names and "nan" not in names


def test_a_table_holds_the_metrics_and_the_papers_values_beside_them():
    made = frames(evidence_of("two seeds"), "nano")
    found = evidence_of("two seeds").recordings
    table = made["correct_at_least_k"].set_index(["arm", "k"])
    values = found.find("asyncthink").measured.values["correct"]
    assert table.loc[("asyncthink", 2), "ours"] == pytest.approx(100 * (values >= 2).mean(), abs=1e-5)
    assert table.paper["asyncthink"].to_dict() == {1: 99.5, 2: 98.8} and table.paper["sequential", 1] == 88.0
    ablations = made["ablations"].set_index(["arm", "measure"])
    elapsed = found.find("no_rl").measured.values["elapsed"]
    assert ablations.loc[("no_rl", "elapsed"), "ours"] == pytest.approx(elapsed.mean(), abs=1e-5)
    assert ablations.loc[("no_rl", "elapsed"), "paper"] == 1987.6
    assert (table.low <= table.ours).all() and (table.ours <= table.high).all()


def test_the_frontier_holds_every_budget_and_no_other_number_of_traces():
    table = frames(evidence_of("two seeds"), "nano")["frontier"]
    assert table.groupby("arm").size().to_dict() == {"asyncthink": 5, "parallel": 5, "sequential": 5}
    assert "n_5" not in set(table.variant) and (table.groupby("arm").best.sum() >= 1).all()


def test_of_two_budgets_of_one_latency_the_better_one_is_on_the_frontier():
    """As where every trace is cut: both end at their budget to the token."""
    found = evidence_of("two seeds")
    two = [replace(found.recordings.find("sequential"), variant=name) for name in ("headline", "trace_72")]
    values = two[1].measured.values
    less = {**values, "accuracy": values["accuracy"] / 2}
    two[1] = replace(two[1], measured=replace(two[1].measured, values=less))
    table = frames(replace(found, recordings=replace(found.recordings, evaluations=tuple(two))), "nano")["frontier"]
    assert table.latency.nunique() == 1 and dict(zip(table.variant, table.best, strict=True)) == {
        "headline": True,
        "trace_72": False,
    }


def test_the_cost_counts_every_sample_of_an_item():
    known = {"arm": "asyncthink", "label": "AsyncThink", "seeds": "1 2", "aggregation": None}
    work = pd.DataFrame([{**known, "measure": "work", "ours": 50.0, "items": 400}])
    steps = pd.DataFrame([{"arm": "asyncthink", "label": "AsyncThink", "episodes": 96, "work": 10.0}] * 2)
    rows = comparison.cost(work, steps, 7, samples=3)
    assert rows == [
        ["base model", "–", "7 (trained on)"],
        ["RL, AsyncThink", "192", "1,920"],
        ["evaluation, AsyncThink", "2,400", "120,000"],
    ]


def test_a_further_test_set_is_told_beside_countdown_and_not_in_it():
    alone = evidence_of("two seeds")
    found = frames(replace(alone, elsewhere={"sudoku": alone.recordings}), "nano")
    assert frames(alone, "nano")["test_sets"].empty
    assert found["evaluations"].equals(frames(alone, "nano")["evaluations"])
    header, *rows = comparison.test_sets(found["test_sets"])
    assert {len(row) for row in rows} == {len(header)}
    forked = {row[0]: float(row[header.index("episodes with a Fork, %")].split()[0]) for row in rows}
    assert {name.partition(": ")[0] for name in forked} == {"sudoku"}
    assert forked["sudoku: AsyncThink"] == 100 and forked["sudoku: Sequential thinking"] == 0


def test_a_worker_is_drawn_in_the_first_slot_that_is_free_and_keeps_it_up_to_its_join():
    kinds = [("work", "worker 2", 3, 5), ("work", "worker 1", 1, 9), ("join", "organizer", 6, 7)]
    rows = pd.DataFrame(kinds, columns=["kind", "agent", "start", "end"]).assign(text="")
    rows.loc[rows.kind == "join", "text"] = "joins worker 2"
    for start, slot in ((6, "slot 3"), (7, "slot 2"), (9, "slot 2"), (20, "slot 2")):  # worker 1 is never joined
        later = pd.DataFrame([{"kind": "work", "agent": "worker 3", "start": start, "end": 30, "text": ""}])
        held = {"organizer": "organizer", "worker 1": "slot 1", "worker 2": "slot 2", "worker 3": slot}
        assert case_table.slots(pd.concat([rows, later], ignore_index=True)) == held


def test_the_frontier_says_which_traces_the_line_of_parallel_thinking_is_of():
    rows = [("parallel", "Parallel thinking", False), ("parallel", "Parallel thinking, longer", True)]
    rows += [("parallel", "Parallel thinking, diversified", True), ("sequential", "Sequential thinking", True)]
    table = pd.DataFrame(rows, columns=["way", "label", "best"])
    said = EXHIBITS["frontier"].reading(table)
    assert said.endswith("its line joins “Parallel thinking, longer” and “Parallel thinking, diversified”.")
    assert EXHIBITS["frontier"].reading(table[table.way == "sequential"]) == ""


def test_case_studies_are_chosen_by_rules_and_no_episode_twice():
    table = frames(evidence_of("two seeds"), "nano")["case_studies"]
    shown = table.drop_duplicates("case").set_index("case").episode
    wanted = {"Most stages": EXAMPLE, "The median": UNJOINED, "The nearest miss": READY}
    assert {case: shown[case] for case in wanted} == {case: identify(found) for case, found in wanted.items()}
    assert shown.isna()["Every worker contributes"]
    lanes = table[table.case == "Most stages"]
    assert lanes[lanes.agent == "organizer"].end.max() == EXAMPLE.schedule["latency"] == 100
    assert list(lanes[lanes.kind == "work"].text) == ["3 * 8", "5 + 19", "7 + 17"]
    only = [found for case, found in case_studies.chosen("countdown", [EXAMPLE]) if found]
    assert only == [EXAMPLE] and case_studies.stages(EXAMPLE) == 2 and case_studies.contributions(EXAMPLE) == 3
    other = {case.title for case, _ in case_studies.chosen("sudoku", [EXAMPLE])}
    assert other == {"Every worker contributes", "The nearest miss"}


def test_a_case_study_of_an_episode_that_contradicts_its_plan_is_refused_with_its_line(tmp_path):
    lying = written_episodes.asynchronous(0, "<FORK-1> 3 5 </FORK-1> <ANSWER> 1 </ANSWER>", {1: "<RETURN> 1 </RETURN>"})
    episode.write(tmp_path / "1.jsonl", [replace(lying, schedule={**lying.schedule, "latency": None})])
    with pytest.raises(InputError, match=r"1\.jsonl: line 1 is not an episode: schedule\.latency is None, but"):
        case_table.frame([tmp_path / "1.jsonl"], "nano")


def test_a_recording_without_its_schedule_and_score_has_the_case_studies_of_its_plan_and_answer(tmp_path):
    texts = "<FORK-1> 3 8 =24 </FORK-1> <JOIN-1> <ANSWER> 3 * 8 </ANSWER>", {1: "<RETURN> 3 * 8 </RETURN>"}
    right = replace(written_episodes.asynchronous(0, *texts), item={"numbers": [3, 8], "target": 24, "required": 1})
    episode.write(tmp_path / "whole.jsonl", [replace(right, score={"accuracy": 1.0})])
    episode.write(tmp_path / "bare.jsonl", [replace(right, schedule={"forks": 1}, score={})])
    whole, bare = (case_table.frame([tmp_path / f"{name}.jsonl"], "nano") for name in ("whole", "bare"))
    assert whole.equals(bare) and whole.episode.notna().any()


def test_case_studies_of_a_recording_that_is_given_twice_are_refused(tmp_path):
    episode.write(tmp_path / "1.jsonl", [EXAMPLE])
    with pytest.raises(InputError, match=r"1\.jsonl: line 1: an episode of the same key came before it"):
        case_table.frame([tmp_path / "1.jsonl"] * 2, "nano")


def test_a_table_is_read_as_it_was_written_whatever_a_model_said(tmp_path):
    texts = ["a\rb", "a\r\nb", 'a "b", c', "\u2028", "α\x00", " a ", "None", "N/A", "null", "nan"]
    table = pd.DataFrame({"text": texts, "scale": "nano"})
    (tmp_path / "cases.csv").write_text(tables.text(table), newline="")
    for read in (tables.read(tmp_path, "cases"), tables.as_read(table)):
        assert read.text.to_list() == texts


@pytest.mark.parametrize(("name", "column"), [("case_studies", "test_set"), ("claims", "id"), ("frontier", "way")])
def test_a_table_without_its_columns_is_refused(tmp_path, name, column):
    (tmp_path / f"{name}.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=rf"{name}\.csv: has no column {column}; run `snakemake --force"):
        tables.read(tmp_path, name, (case_table.COLUMNS if name == "case_studies" else tables.TABLES[name].columns))


@pytest.mark.parametrize("content", [b"", b"x\ty\n1\t2\n", b"\xff"])
def test_what_a_job_took_is_read_from_a_benchmark_alone(tmp_path, content):
    path = tmp_path / "times/sft/1.tsv"
    write_text(path, "s\tmax_rss\n2\t3\n")
    (taken,) = durations([path])
    assert (taken.step, taken.jobs, taken.seconds, taken.megabytes) == ("sft", 1, 2, 3)
    path.write_bytes(content)
    for wrong in (path, tmp_path / "sft/1.tsv"):
        with pytest.raises(InputError, match=r"1\.tsv: not what a job took"):
            durations([wrong])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("frontier", b"\xff", "not UTF-8"),
        ("frontier", b"text", "not an SVG"),
        ("fronteir", b"<svg/>", "not named as one of the report's tables; did you mean frontier?"),
    ],
)
def test_a_figure_is_an_svg_of_a_known_name(tmp_path, name, content, reason):
    (tmp_path / f"{name}.svg").write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}\.svg: {re.escape(reason)}"):
        report_command.figure(tmp_path / f"{name}.svg")


@pytest.mark.parametrize("key", ["interval", "judged"])
def test_a_ledger_whose_intervals_have_no_two_ends_is_refused(tmp_path, key):
    published = json.loads((ROOT / "metrics/reference/nano.json").read_text(encoding="utf-8"))
    published["claims"][0]["parts"][0][key] = [1.0]
    (tmp_path / "ledger.json").write_text(json.dumps(published))
    with pytest.raises(InputError, match=rf"not a ledger of claims: claims\[0\]\.parts\[0\]\.{key}"):
        ledger.read(tmp_path / "ledger.json")


@pytest.mark.parametrize("place", ["verdict", "state"])
def test_a_word_that_is_no_verdict_is_refused(tmp_path, place):
    published = json.loads((ROOT / "metrics/reference/nano.json").read_text(encoding="utf-8"))
    row = published["claims"][0]
    (row if place == "verdict" else row["parts"][0])[place] = "splendid"
    (tmp_path / "ledger.json").write_text(json.dumps(published))
    with pytest.raises(InputError, match=rf"not a ledger of claims: claims\[0\].*{place}.*splendid"):
        ledger.read(tmp_path / "ledger.json")


def test_a_readme_with_two_places_for_the_claims_is_refused():
    place = f"{claims_table.BEGIN}\n{claims_table.END}\n"
    with pytest.raises(InputError, match="more than one place"):
        claims_table.updated(place + place, [])


def test_what_was_tried_stands_under_a_claim_unless_it_is_reproduced(results):
    named = report.attempts()
    assert set(named) <= set(claims.CLAIMS) and all(text.endswith(".") for texts in named.values() for text in texts)
    told = {"not reproduced": True, "reproduced": False} | {f"{ONE_RUN}: not seen": True, f"{ONE_RUN}: seen": False}
    for verdict, shown in told.items():
        rows = [{**row, "verdict": verdict} for row in results.ledger["claims"]]
        text = page_of(replace(results, ledger={**results.ledger, "claims": rows}))
        assert ("What was tried" in text) == shown


def test_shares_of_topologies_add_up():
    table = frames(evidence_of("two seeds"), "nano")["topologies"]
    assert table.groupby("source").share.sum().tolist() == pytest.approx([100.0] * table.source.nunique())
    assert {"corpus", "asyncthink", "no_rl"} <= set(table.source)


def test_the_commands_write_the_same_tables_and_ledger_as_the_functions(tmp_path):
    made = recorded_experiment.experiment()
    (tmp_path / "params.yaml").write_text(json.dumps(made.params.to_mapping()))
    ledger = tmp_path / "claims.json"
    said = asyncthink("claims", *made.arguments, "--params", tmp_path / "params.yaml", "--ledger", ledger)
    asyncthink("tables", *made.arguments, "--ledger", ledger, "--tables", tmp_path / "tables")
    expected = frames(evidence_of("two seeds"), "nano")
    assert {path.stem for path in (tmp_path / "tables").iterdir()} == set(tables.TABLES)
    cases = tmp_path / "recorded/countdown/asyncthink/1.jsonl.gz"
    episode.write(cases, written_episodes.ALL)
    given = ("--params", tmp_path / "params.yaml", "--episodes", cases)
    asyncthink("case_studies", *given, "--table", tmp_path / "tables/case_studies.csv")
    for name, table in expected.items():
        assert (tmp_path / f"tables/{name}.csv").read_text() == tables.text(table), name
    by_function = claims.ledger(evidence_of("two seeds"), "nano")
    assert recorded_experiment.judged(json.loads(ledger.read_text())) == recorded_experiment.judged(by_function)
    assert said.count("\n") == len(claims.CLAIMS)
    figures = tmp_path / "figures/frontier.svg"
    style.save(plots.frontier(expected["frontier"]), figures)
    options = ("--tables", tmp_path / "tables", "--ledger", ledger, "--figures", figures)
    asyncthink("report", "--params", tmp_path / "params.yaml", *options, "--report", tmp_path / "report/index.html")
    assert "Accuracy against critical-path latency" in (tmp_path / "report/index.html").read_text()


def asyncthink(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "asyncthink", *map(str, arguments)]
    said = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert said.returncode == 0, said.stderr
    return said.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_without_outputs_and_has_its_parameters(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert sum(len(cell["source"]) for cell in cells) <= 30
    (given,) = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    assert {line.split(" = ")[0] for line in given["source"]} == {"tables", "figure"}
    text = "".join(cells[0]["source"])
    exhibit = {**EXHIBITS, "claims": LEDGER}[path.stem]
    assert text == f"# {exhibit.title}\n\n{exhibit.where}. {exhibit.how}"


@pytest.mark.parametrize("kind", SCALES)
def test_every_notebook_looks_at_its_table_whatever_was_run(kind, tmp_path):
    for name, table in frames(evidence_of(kind), SCALES[kind]).items():
        (tmp_path / f"{name}.csv").write_text(tables.text(table))
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        known = {}
        for source in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
            exec(source, known)
            known |= {"tables": tmp_path, "figure": tmp_path / f"{path.stem}.svg"}
        assert (tmp_path / f"{path.stem}.png").exists()


def test_the_tenths_of_a_run_are_those_of_its_own_steps():
    """An arm may be trained for a third of the steps of the others (leverage at the scale paper)."""
    cells = json.loads((ROOT / "notebooks/training_dynamics.ipynb").read_text(encoding="utf-8"))["cells"]
    (tenths,) = ("".join(cell["source"]) for cell in cells if "tenth = " in "".join(cell["source"]))
    rows = [
        {"label": name, "step": step, "accuracy": 0.5}
        for name, last in (("a", 60), ("b", 20))
        for step in range(1, last + 1)
    ]
    known = {"table": pd.DataFrame(rows).assign(concurrency_ratio=0.5, forks=1, latency=9)}
    exec(tenths, known)
    for name in ("a", "b"):
        assert set(known["tenth"][known["table"].label == name]) == set(range(1, 11))


def test_the_notebook_to_explore_in_answers_its_questions_of_any_recording(tmp_path):
    """As papermill runs it: with the episodes as its parameter."""
    given, ran = recorded_experiment.experiment().folder / "work/asyncthink/1.jsonl.gz", tmp_path / "explore.ipynb"
    command = [sys.executable, "-m", "papermill", ROOT / "notebooks/explore.ipynb", ran, "-p", "episodes", given]
    environment = {**os.environ, "JUPYTER_PATH": str(ROOT / "workflow")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    outputs = [cell["outputs"] for cell in json.loads(ran.read_text())["cells"] if cell["cell_type"] == "code"]
    assert ["image/svg+xml" in made[0]["data"] for made in outputs[-1:]] == [True]
    assert all(made for made in outputs[2:-1]) and len(outputs) == 7
    table = pd.DataFrame([{**each.key, **each.schedule} for each in episode.read(given)])
    counts = table[table.variant == "headline"].forks.value_counts()
    rows = re.findall(r"^(\d+) .* (\d+)$", "".join(outputs[3][0]["data"]["text/plain"]), re.MULTILINE)
    assert {int(forks): int(count) for forks, count in rows} == counts.to_dict()


def test_a_page_of_seven_thousand_episodes_takes_less_than_ten_megabytes():
    files = (recorded_experiment.experiment().folder / "work").rglob("1.jsonl.gz")
    recorded = [each for path in files for each in episode.read(path)]
    assert len(page.html(recorded)) / len(recorded) < 10e6 / 7000


def test_the_rule_draws_what_the_function_draws_whatever_kernel_is_called_python3(tmp_path):
    kernel = {"argv": ["/bin/false", "{connection_file}"], "display_name": "another", "language": "python"}
    (tmp_path / "jupyter/kernels/python3").mkdir(parents=True)
    (tmp_path / "jupyter/kernels/python3/kernel.json").write_text(json.dumps(kernel))
    scales.lay_out(ROOT, tmp_path, (ROOT / "params.yaml").read_text())
    found = frames(evidence_of("two seeds"), "nano")
    (tmp_path / "metrics/tables").mkdir(parents=True)
    for name, table in found.items():
        (tmp_path / f"metrics/tables/{name}.csv").write_text(tables.text(table))
    environment = {
        **os.environ,
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "JUPYTER_DATA_DIR": str(tmp_path / "jupyter"),
    }
    leaf = ("--cores", "1", "--allowed-rules", "figures", "--force", "--", "figures/ablations.svg")
    command = [sys.executable, "-m", "snakemake", *leaf]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = found["ablations"]
    style.save(plots.compared(tables.as_read(table)), tmp_path / "direct.svg")
    assert (tmp_path / "figures/ablations.svg").read_bytes() == (tmp_path / "direct.svg").read_bytes()
    assert (tmp_path / "figures/ablations.png").read_bytes() == (tmp_path / "direct.png").read_bytes()


class Page(html.parser.HTMLParser):
    """Tags that are left open, ids, references and text of a page."""

    VOID = ("meta", "path", "use", "rect", "image", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.tags, self.said = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        named = dict(attributes)
        self.ids += [named["id"]] if "id" in named else []
        for key, value in attributes:
            self.references += [(tag, key, value)] if key in ("src", "href", "xlink:href", "action") else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


def page_of(results):
    return report.html(results, FACTS, [Duration("grpo", 2, 75.4, 812.0)])


def test_the_report_stands_alone_and_is_well_formed(results):
    text = page_of(results)
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    for _, key, value in page.references:
        assert value.partition("#")[0] == "episodes.html" or (value.startswith("#") and value[1:] in page.ids), (
            key,
            value,
        )
    for target in re.findall(r"url\(#([^)]*)\)", text):
        assert target in page.ids
    assert "script" not in page.tags and "link" not in page.tags and "@import" not in text
    assert "url(http" not in text and "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_the_report_says_all_that_a_reader_asks_for(results):
    text = " ".join("".join(Page(page_of(results)).said).replace("\u00a0", " ").split())
    for name in claims.CLAIMS:
        assert f" {name} " in text
    for exhibit in EXHIBITS.values():
        assert exhibit.title in text
    assert all((exhibit.how in text) == style.has_data(results.tables[name]) for name, exhibit in EXHIBITS.items())
    for wanted in ("Deviations from the paper", "Reward-hacking watch", "Cost", "Base model", "1 min 15 s", "0123"):
        assert wanted in text, wanted
    if results.ledger["scale"] == "smoke":
        assert "smoke: shows the graph, not the science" in text
    assert "24.7" in text and "3694.7" in text and "not run at this scale" in text
    if not style.has_data(results.tables["ablations"]):
        assert text.count("Not run at this scale.") >= len(EXHIBITS)


def test_only_the_machine_and_the_time_differ_between_two_reports(results):
    first = report.html(results, FACTS, [Duration("grpo", 1, 60, 100)])
    second = report.html(results, {"Commit": "4567"}, [])
    above = [text.split("<footer>")[0] for text in (first, second)]
    assert above[0] == above[1] and first != second


HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">{{ 7 * 7 }}'


def test_text_is_shown_as_text_and_never_as_markup(results):
    poisoned = {name: table.copy() for name, table in results.tables.items()}
    for name in ("frontier", "hacking", "evaluations", "ablations", "training_dynamics"):
        poisoned[name]["label"] = HOSTILE
    rows = [{**row, "ours": HOSTILE, "claim": HOSTILE, "reason": HOSTILE} for row in results.ledger["claims"]]
    ledger = {**results.ledger, "claims": rows}
    page = Page(report.html(replace(results, tables=poisoned, figures={}, ledger=ledger), {HOSTILE: HOSTILE}, []))
    assert "script" not in page.tags and "img" not in page.tags
    assert "".join(page.said).count(HOSTILE) > 30


def test_what_other_scales_say_stands_beside_a_claim(results):
    theirs = claims.ledger(evidence_of("one seed"), "pretrained")
    shown = report.html(replace(results, others=[results.ledger, theirs]), FACTS, [])
    judged = [row for row in theirs["claims"] if row["verdict"] != "not run at this scale"]
    assert judged and shown.count("At scale pretrained") == len(judged)
    assert f"At scale {results.ledger['scale']}</span>" not in shown
    assert shown.count("test items, seeds 1)") == len(judged)
    assert "this training run only" in shown


def test_a_report_lists_the_deviations_of_its_own_scale():
    own = recorded_experiment.settings().to_mapping()

    def told(**sections):
        return {row[0]: row[2] for row in report.deviations(merged(own, sections))}

    scratch, theirs = told(), {"start_from": "Qwen/Qwen3-4B"}
    pretrained = told(model=theirs)
    assert "Base model" in scratch and "Base model" not in pretrained
    assert "another pretrained model" in told(model={"start_from": "SmolLM2-135M-Instruct"})["Base model"]
    taught = {"Teacher of the cold start", "Branches of the game", "Game"}
    asked = told(model=theirs, synthesize={"teacher": "openai"})
    assert taught <= scratch.keys() & pretrained.keys() and taught & asked.keys() == {"Game"}
    assert "Budget on the critical path" not in scratch and "Parallel thinking" in scratch.keys() & pretrained.keys()
    assert "Budget on the critical path" in told(thinking={"latency_budget": 128})
    assert "Thinking mode of the base model" in told(thinking={"prompts": "chat"}).keys() - scratch.keys()


def test_durations_are_summed_by_step(tmp_path):
    header = "s\th:m:s\tmax_rss\tcpu_time\n"
    for name, row in {
        "grpo/a/1.tsv": "10.5\t0:00:10\t100.0\t9",
        "grpo/b/1.tsv": "20.0\t0:00:20\t300.5\t9",
        "pretrain/1.tsv": "5\t0:00:05\tNA\t-",
    }.items():
        path = tmp_path / "results" / "times" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + row + "\n")
    found = {row.step: row for row in durations(tmp_path.rglob("*.tsv"))}
    assert (found["grpo"].jobs, found["grpo"].seconds, found["grpo"].megabytes) == (2, 30.5, 300.5)
    assert found["pretrain"].megabytes == 0 and durations([]) == []


@pytest.mark.parametrize("figure", ["sudoku", "correct_at_least_k"])
def test_a_value_without_an_interval_is_drawn_alone(figure):
    """One item of one seed: there is nothing to tell its spread by."""
    table = frames(evidence_of("two seeds"), "nano")[figure]
    bare = table.assign(low=float("nan"), high=float("nan"))
    assert not any("nan" in text for text in told_by(plots.FIGURES[figure](bare)))


def test_the_methods_table_over_the_concurrency_weight_is_that_of_its_record():
    record = (ROOT / "metrics/attempts/concurrency_weight_validation.jsonl").read_text(encoding="utf-8")
    rows = {row["arm"]: row for row in map(json.loads, record.splitlines())}
    method = (ROOT / "docs/method.md").read_text(encoding="utf-8")
    for arm, weight in {"no_concurrency_reward": 0.0, "lambda_01": 0.1, "asyncthink": 0.3, "lambda_10": 1.0}.items():
        row = rows.pop(arm)
        low, high = row["intervals"]["accuracy"]
        assert (
            f"| {weight} | {row['accuracy']:.1%} [{low:.1%}, {high:.1%}] | {row['all_correct']:.1%} |"
            f" {row['elapsed']:.0f} | {row['concurrency_ratio']:.1%} | {row['forks']:.1f} |"
        ).replace("%", "") in method
    assert not rows


def attempt(name):
    lines = (ROOT / "metrics/attempts" / name).read_text(encoding="utf-8").splitlines()
    return {(row["arm"], row["variant"], row["seed"]): row for row in map(json.loads, lines)}


def test_what_was_tried_at_sudoku_is_told_as_its_record_says():
    rows = attempt("sudoku_other_puzzles.jsonl")
    (text,) = [text for text in report.attempts()["C7"] if "sudoku_other_puzzles.jsonl" in text]
    share = {
        arm: f"{rows[arm, 'headline', 2]['accuracy']:.1%}"
        for arm in ("no_rl", "slower", "rehearsed_600", "rehearsed_4000")
    }
    forked = {arm: f"{rows[arm, 'headline', 2]['forked']:.1%}" for arm in share}
    bases = [f"{100 * rows['base', 'headline', seed]['accuracy']:.1f}" for seed in (2, 3, 4, 5)]
    for said in (
        f"the base alone solves {', '.join(bases[:3])} and {bases[3]} % (seeds 2 to 5)",
        f"leaves {share['no_rl']}, with a Fork in {forked['no_rl']} of the episodes",
        f"learning rate {share['slower']}, with a Fork in {forked['slower']}",
        f"12,000 demonstrations, {share['rehearsed_600']}, and of 4,000, {share['rehearsed_4000']}",
    ):
        assert said.replace("%", " %").replace("  ", " ") in text
    assert forked["rehearsed_600"] == forked["rehearsed_4000"] == "0.0%"


UNTAUGHT = ("no_cold_start", "sequential_untaught")


def test_the_readme_tells_of_a_pretrained_model_what_its_record_says():
    rows = attempt("pretrained_three_numbers_validation.jsonl")
    taught, untaught = rows["sequential", "headline", 1], [rows[arm, "headline", 1] for arm in UNTAUGHT]
    puzzles = taught["episodes"]
    right, formed = (round(puzzles * taught[name]) for name in ("accuracy", "valid"))
    said = f"answers {right} of {puzzles} validation puzzles and has the form in {formed}; untaught it answers none"
    assert said in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert all(row["correct"] == row["valid"] == 0 for row in untaught)
