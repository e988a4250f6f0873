"""What `make bench` writes and what `make bench-check` refuses. The benchmarks themselves are run by people."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import barrier, record, replay, solver, synthetic, table, turns  # noqa: E402
from benchmarks.__main__ import NAMES  # noqa: E402

ROW = {
    "what": "one thing",
    "against": "another",
    "goal": "≥ 2 times",
    "ratio": 3.0,
    "unit": "s",
    "ours": [1.0, 1.0, 1.1],
    "theirs": [3.0, 3.0, 3.3],
    "checked": "both",
}


def written(folder, *rows):
    folder.mkdir(exist_ok=True)
    whole = {"rows": [record.whole(row) for row in rows], "machine": record.machine()}
    (folder / "x.json").write_text(json.dumps(whole))
    return folder / "x.json"


@pytest.mark.parametrize(
    "goal, ratio, ours, met",
    [
        ("≥ 2 times", 2.0, [9.0], True),
        ("≥ 2 times", 1.9, [9.0], False),
        ("≤ 0.6 of it", 0.61, [9.0], False),
        ("≤ 60 s", None, [50.0, 70.0, 55.0], True),
        ("≤ 60 s", None, [], None),
        ("", 4.0, [9.0], None),
    ],
)
def test_a_goal_is_about_the_ratio_or_else_the_median(goal, ratio, ours, met):
    assert record.met({**ROW, "goal": goal, "ratio": ratio, "ours": ours}) is met


@pytest.mark.parametrize(
    "goal, now, worse",
    [
        ("≥ 2 times", 2.6, False),
        ("≥ 2 times", 2.4, True),
        ("≥ 2 times", 9.0, False),
        ("≤ 3 times", 3.5, False),
        ("≤ 3 times", 3.7, True),
        ("≤ 3 times", 0.1, False),
    ],
)
def test_a_ratio_that_is_worse_by_more_than_a_fifth_is_told(tmp_path, goal, now, worse):
    committed = written(tmp_path / "committed", {**ROW, "goal": goal})
    (comparison,) = table.compared(committed, written(tmp_path / "now", {**ROW, "goal": goal, "ratio": now}))
    assert comparison.worse is worse and "one thing" in str(comparison)


def test_seconds_of_one_side_alone_are_not_compared(tmp_path):
    row = {**ROW, "ratio": None, "theirs": []}
    assert list(table.compared(written(tmp_path / "a", row), written(tmp_path / "b", {**row, "ours": [9.0]}))) == []


def test_every_benchmark_is_found_and_has_a_committed_result():
    assert set(NAMES) == {path.stem for path in record.RESULTS.glob("*.json")}


def test_the_readme_has_the_table_of_the_committed_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    own = text.partition(f"{table.BEGIN}\n")[2].partition(table.END)[0]
    assert own == table.markdown(record.RESULTS)


def test_a_note_says_which_rows_it_is_about(tmp_path):
    rows = [{**ROW, "what": name, "note": "as told"} for name in ("time, load 1, p50", "time, load 1, p95", "memory")]
    written(tmp_path, *rows)
    assert "- **time, load 1, p50; p95; memory**: as told.\n" in table.markdown(tmp_path)


def test_the_plain_solver_finds_what_the_solver_finds():
    for numbers, target in solver.drawn(5):
        assert solver.plain(numbers, target) == solver.solver.solutions(numbers, target)


def test_synthetic_episodes_have_the_events_that_were_asked_for_and_no_format_error():
    for index in range(20):
        episode = synthetic.episode(index, 50)
        assert len(episode.plan["organizer"]) == 50
        assert episode.schedule["format_error"] is None and episode.score["accuracy"] == 0.75


def test_with_a_barrier_the_same_is_said_and_more_decoding_steps_are_taken():
    given = replay.nano()
    demonstrations = replay.demonstrations(given, 4, 2)
    local = replay.Local(*replay.random_model(given))
    script = replay.by_episode(demonstrations)
    engines = [kind(local, script) for kind in (replay.Replay, barrier.Barrier)]
    steps = [sum(barrier.turn(engine, given, demonstrations, load=1).steps) for engine in engines]
    assert steps[0] < steps[1]


@pytest.fixture(scope="module")
def prepared():
    with turns.prepared() as folder:
        yield folder


@pytest.mark.parametrize("step", ["pretrain", "sft", "grpo"])
def test_the_trainings_that_are_timed_take_a_step(prepared, step):
    command = [sys.executable, "-P", str(turns.CHILD), step, str(prepared), "1"]
    own = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, input="\n\n", env=own, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[0])["seconds"] > 0
