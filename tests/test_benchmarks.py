"""What `make bench` writes and what `make bench-check` refuses. The benchmarks themselves are run by people."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from asyncthink.engines import Request  # noqa: E402
from asyncthink.errors import InputError  # noqa: E402
from benchmarks import __main__ as command  # noqa: E402
from benchmarks import barrier, earlier, record, replay, solver, synthetic, table, trl_step, turns  # noqa: E402
from benchmarks.__main__ import NAMES  # noqa: E402
from benchmarks.comparison import compared  # noqa: E402

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


def whole(*rows):
    return {"rows": [record.whole(row) for row in rows], "machine": record.machine()}


def written(folder, *rows, name="x"):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(whole(*rows)))
    return folder / f"{name}.json"


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
def test_a_ratio_that_is_worse_by_more_than_a_fifth_is_told(goal, now, worse):
    (line,) = compared("x", whole({**ROW, "goal": goal}), whole({**ROW, "goal": goal, "ratio": now}))
    assert line.failed is worse and str(line).startswith("WORSE" if worse else "ok") and "x: one thing" in str(line)


ALONE = {**ROW, "ratio": None, "theirs": []}


def test_seconds_of_one_side_alone_are_not_compared():
    assert list(compared("x", whole(ALONE), whole({**ALONE, "ours": [9.0]}))) == []


@pytest.mark.parametrize("unit", ["", "MiB", "MiB of HTML"])
def test_exponents_and_memory_are_compared_and_less_is_better(unit):
    row = {**ALONE, "unit": unit, "goal": "≤ 1.1" if not unit else ""}
    for value, worse in ((1.15, False), (1.3, True), (0.5, False)):
        (line,) = compared("x", whole({**row, "ours": [1.0]}), whole({**row, "ours": [value]}))
        assert line.failed is worse


def test_a_ratio_of_which_nothing_else_is_recorded_is_compared():
    row = {**ROW, "goal": "≤ 1.1 times", "ours": [], "theirs": []}
    (line,) = compared("x", whole(row), whole({**row, "ratio": 4.0}))
    assert line.failed


@pytest.mark.parametrize("now, worse", [(0.019, False), (0.09, True)])
def test_a_small_share_may_be_worse_by_what_is_noise(now, worse):
    row = {**ROW, "goal": "≤ 0.1 of it", "ratio": 0.0158}
    (line,) = compared("x", whole(row), whole({**row, "ratio": now}))
    assert line.failed is worse


def test_rows_that_are_missing_or_new_are_told():
    lines = list(compared("x", whole(ROW, {**ALONE, "what": "seconds"}), whole({**ROW, "what": "more"})))
    assert [(line.name, line.verdict) for line in lines] == [
        ("x: one thing", "MISSING"),
        ("x: seconds", "MISSING"),
        ("x: more", "new"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"rows": [',
        "[]",
        '{"machine": {}}',
        json.dumps(whole(ROW)).replace('"ratio": 3.0', '"ratio": [3.0]'),
        json.dumps(whole(ROW)).replace('"ratio": 3.0', '"ratio": "3"'),
        json.dumps(whole(ROW)).replace('"ratio": 3.0', '"ratio": NaN'),
        json.dumps(whole(ROW)).replace('"ratio": 3.0', '"ratio": -3.0'),
        json.dumps(whole(ROW)).replace('"value": 3.0', '"value": null'),
        None,
    ],
)
def test_a_bad_committed_result_is_refused_in_a_line_before_anything_is_measured(tmp_path, monkeypatch, capsys, text):
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "_run", lambda name, into: pytest.fail("was measured"))
    if text is not None:
        (tmp_path / "solver.json").write_text(text)
    assert command.main(["--check", "solver"]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path / "solver.json") in told and told.count("\n") == 1


@pytest.mark.parametrize("ratio", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_ratio_that_is_none_is_not_written(ratio):
    with pytest.raises(InputError, match="one thing"):
        record.whole({**ROW, "ratio": ratio})


def test_what_fails_or_is_skipped_hides_no_other_comparison(tmp_path, monkeypatch, capsys):
    for name in ("growth", "solver", "vllm"):
        written(tmp_path, ROW, name=name)
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    failing = {"growth"}

    def run(name, into):
        if name == "solver":
            written(into, ROW, name=name)
        return int(name in failing)

    monkeypatch.setattr(command, "_run", run)
    assert command.main(["--check", "growth", "solver", "vllm"]) == 1
    told = capsys.readouterr()
    assert "solver: one thing" in told.out and "skipped vllm" in told.out and "1 ok, 0 WORSE" in told.out
    assert "failed: growth" in told.err and "skipped growth" not in told.out
    failing.clear()
    assert command.main(["--check", "solver", "vllm"]) == 0


def test_a_run_that_is_interrupted_leaves_a_table_of_what_is_measured(tmp_path, monkeypatch):
    written(tmp_path / "results", ROW)
    (tmp_path / "README.md").write_text(f"{table.BEGIN}\n{table.END}\n")
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(command, "ROOT", tmp_path)

    def run(name, into):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_run", run)
    assert command.main(["solver"]) == record.INTERRUPTED
    assert "one thing" in (tmp_path / "README.md").read_text()


def test_what_cannot_be_measured_here_leaves_the_earlier_result(tmp_path, monkeypatch, capsys):
    def measure():
        raise record.NotMeasured("it is not installed")

    monkeypatch.setattr(sys, "argv", ["x", "--into", str(tmp_path)])
    record.main(measure)
    assert "not measured here: it is not installed" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_of_two_turns_the_spread_is_half_their_range():
    row = record.whole({**ROW, "ours": [1.0, 3.0], "theirs": [1.0, 2.0, 3.0, 4.0]})
    assert (row["ours_spread"], row["theirs_spread"]) == (0.5, 0.2)


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


def test_an_engine_that_decodes_fewer_tokens_than_are_said_is_refused():
    async def one_token(request):
        return SimpleNamespace(ids=(1,))

    engine = replay.Replay(SimpleNamespace(vocabulary=None, encode=None, decode=None, complete=one_token), None)
    asyncio.run(engine.decoding(Request(("a",), (1,), (), 1, 0, 0.0), 1))
    with pytest.raises(AssertionError, match="1 tokens were decoded where 3 are said"):
        asyncio.run(engine.decoding(Request(("b",), (1,), (), 1, 0, 0.0), 3))
    assert engine.tokens == 1


def test_an_episode_that_says_something_else_is_told():
    written = SimpleNamespace(organizer="a b", workers={1: "c"}, item={})
    traces = [SimpleNamespace(fork=None, own_text=" a b"), SimpleNamespace(fork=1, own_text="c")]
    replay.compare(SimpleNamespace(traces=traces), written)
    with pytest.raises(AssertionError, match="said otherwise"):
        replay.compare(SimpleNamespace(traces=traces[:1]), written)


@pytest.mark.parametrize("mean, parameters, alike", [(100.0, 7, True), (90.0, 7, False), (100.0, 8, False)])
def test_both_sides_of_a_grpo_step_train_as_large_a_model_on_as_many_tokens(mean, parameters, alike):
    own = SimpleNamespace(model=SimpleNamespace(num_parameters=lambda: 7))
    logs = [{"loss": 0.1, "completions/mean_length": mean}, {"train_runtime": 1.0}]
    peer = SimpleNamespace(
        model=SimpleNamespace(num_parameters=lambda: parameters), state=SimpleNamespace(log_history=logs)
    )
    steps = SimpleNamespace(trained=[own, peer], engines=[SimpleNamespace(tokens=1000)], written=[None] * 10)
    if alike:
        assert trl_step.Steps.checked(steps) == (1000, 1000)
    else:
        with pytest.raises(AssertionError):
            trl_step.Steps.checked(steps)


def test_why_a_side_ended_is_told(tmp_path):
    side = turns.Side(["-c", "import sys; sys.exit('no such weights')"], dict(os.environ), tmp_path / "log")
    with pytest.raises(ChildProcessError, match="no such weights"):
        side.step()
    side.end()


@pytest.mark.parametrize("git, advice", [(True, "--unshallow"), (False, "is not a git checkout")])
def test_a_checkout_without_the_earlier_commit_is_told_what_to_do(tmp_path, git, advice):
    if git:
        subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    with pytest.raises(InputError, match=advice):
        earlier.checkout(tmp_path / "earlier", tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    turns.write_inputs(folder)
    return folder


@pytest.mark.parametrize("step", ["pretrain", "sft", "grpo"])
def test_the_trainings_that_are_timed_take_a_step(prepared, step):
    command = [sys.executable, "-P", str(turns.CHILD), step, str(prepared), "1"]
    own = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, input="\n\n", env=own, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[0])["seconds"] > 0
