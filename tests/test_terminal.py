"""What a person sees on a terminal where a script gets JSON Lines, and the commands that open, compare and complete."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from recorded_experiment import experiment
from written_episodes import EXAMPLE

from asyncthink import cli, episode, terminal
from asyncthink.evaluation import differences
from asyncthink.evaluation.statistics import Estimate

ROOT = Path(__file__).parents[1]
PLAN = {"capacity": 2, "organizer": [{"think": 12}, {"fork": 1, "tokens": 6}, {"answer": 4}], "workers": {"1": 5}}
GIVEN = {
    "schedule": [PLAN, PLAN | {"capacity": 1}],
    "parse": [{"text": "so <FORK1> a </FORK-1> <JOIN-2>"}],
    "grade --task countdown": [{"item": {"numbers": [1, 2], "target": 3, "required": 1}, "answer": "1+2; 1-2"}],
}
SHOWN = {
    "schedule": """\
line   latency      work    busy     η/c  forks  joins
   1        22        27    1.18    0.59      1      0
   2         –         –       –       –      –      –  a Fork while capacity - 1 workers have their slots
""",
    "parse": """\
line  action   id   text
   1  think         so <FORK1> a </FORK-1>
   1  note          <FORK1> is no tag, so it is thought
   1  join     2
   1  error         dangling_join: a Join of an id that is not out with a worker
""",
    "grade --task countdown": """\
line  accuracy  correct  offered         answer
   1      1.00        1        2  right  2 + 1
   1                              wrong  1-2: is -1, not 3
""",
}


@pytest.fixture
def person(capsys, monkeypatch):
    """Standard output is taken for one."""
    monkeypatch.setattr(terminal, "for_people", lambda args: not args.json)
    return capsys


def test_a_terminal_is_known_as_one():
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "asyncthink", "schedule"]
    subprocess.run(command, input=json.dumps(PLAN).encode(), stdout=theirs, check=True, timeout=120)
    assert os.read(ours, 1000).decode().replace("\r", "") == SHOWN["schedule"].rpartition("   2")[0]


@pytest.mark.parametrize("command", GIVEN)
def test_a_person_sees_a_table_with_every_reason_and_a_script_json_lines(command, person, tmp_path):
    path = tmp_path / "given.jsonl"
    path.write_text("\n".join(map(json.dumps, GIVEN[command])))
    assert cli.main([*command.split(), str(path)]) == 0
    assert person.readouterr().out == SHOWN[command]
    assert cli.main([*command.split(), str(path), "--json"]) == 0
    assert len([json.loads(line) for line in person.readouterr().out.splitlines()]) == len(GIVEN[command])


def test_what_a_text_says_to_a_terminal_is_shown_and_not_done():
    assert terminal.cell("a\x1b[2J\u202eb \x00\n c α") == "a\\x1b[2J\\u202eb \\x00 c α"


def test_the_metrics_of_episodes_are_a_row_a_group(person):
    path = experiment().folder / "work/parallel/1.jsonl.gz"
    assert cli.main(["measure", str(path)]) == 0
    head, first, *_, last = person.readouterr().out.splitlines()
    assert "all correct, %" in head and re.match(r"countdown +parallel vote +1 +headline +24 ", first)
    assert last.startswith("latency, work: tokens")


def test_what_was_not_measured_is_a_dash_to_a_person(person, tmp_path):
    """Of a seed without a trace right in form there is no η/c, of a recording without a key no seed and no variant."""
    sudoku = "metrics/reference/nano/evaluate/sudoku"
    assert cli.main(["compare", f"{ROOT}/{sudoku}/parallel/4.json", f"{ROOT}/{sudoku}/sequential/4.json"]) == 0
    assert re.search(r"^η/c, % +– +50\.0 +not measured +cannot tell$", person.readouterr().out, re.MULTILINE)
    episode.write(tmp_path / "1.jsonl", [replace(EXAMPLE, key={})])
    assert cli.main(["measure", str(tmp_path / "1.jsonl")]) == 0
    assert re.match(r"countdown +asyncthink +– +– +1 ", person.readouterr().out.splitlines()[1])


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0 and re.fullmatch(r"asyncthink \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_two_arms_are_compared_by_the_example_of_the_help(monkeypatch, capsys):
    from asyncthink.cli import compare

    monkeypatch.chdir(experiment().folder)
    assert cli.main(shlex.split(compare.EXAMPLE.replace("\\\n", ""))[1:]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["measure"] for row in rows} == set(differences.MEASURES)
    assert all(row["difference"] == pytest.approx(row["other"] - row["one"]) for row in rows)
    assert all(row["interval"][0] < row["difference"] < row["interval"][1] for row in rows)
    metrics = json.loads(Path("metrics/evaluate/countdown/parallel/1.json").read_text())
    right = metrics["evaluations"]["headline"]["episodes"]["accuracy"]
    (accuracy,) = (row for row in rows if row["measure"] == "accuracy")
    assert accuracy["unit"] == "%" and accuracy["one"] == pytest.approx(100 * sum(right) / len(right))


def test_a_run_agrees_with_itself_and_a_folder_without_one_is_refused(person, tmp_path):
    run = str(experiment().folder / "metrics")
    assert cli.main(["compare", run, run, "--arm", "asyncthink"]) == 0
    said = person.readouterr().out
    assert "the same items, paired over seeds 1, 2" in said and said.count(" same") == 1 + len(differences.MEASURES)
    assert cli.main(["compare", run, str(tmp_path)]) == 2
    assert "holds no evaluations" in person.readouterr().err


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.143, 0.015, "differs in these runs"),
        (-0.143, 0.015, "differs in these runs"),
        (0.01, 0.02, "agrees in these runs"),
        (0.06, 0.02, "cannot tell"),
        (float("nan"), float("nan"), "cannot tell"),
    ],
)
def test_of_two_single_runs_it_is_told_whether_they_differ_and_that_this_is_of_them_alone(value, error, expected):
    assert differences.of_two_runs(Estimate(value, error), 0.05) == expected


def test_the_difference_of_independent_estimates_is_welchs():
    """Errors of 3 and 4 tenths are 5 tenths together, with the degrees of freedom of Welch's formula."""
    difference = differences.welch(Estimate(5.0, 0.3, 9), Estimate(4.0, 0.4, 4))
    assert (difference.value, difference.error) == (1.0, pytest.approx(0.5))
    assert difference.freedom == pytest.approx(0.5**4 / (0.3**4 / 9 + 0.4**4 / 4))


def test_a_page_is_opened_in_the_browser_or_its_path_is_said(tmp_path, monkeypatch, capsys):
    page = tmp_path / "index.html"
    page.write_text("<html></html>")
    seen = []
    for opened, said in ((True, f"{page}\n"), (False, f"no browser here; the page is {page}\n")):
        monkeypatch.setattr("webbrowser.open", lambda url, opened=opened: seen.append(url) or opened)
        assert cli.main(["open", "--folder", str(tmp_path)]) == 0
        assert capsys.readouterr().out == said
    assert seen == [page.as_uri()] * 2


def test_a_shell_completes_commands_flags_and_files():
    script = """
    eval "$(python -m asyncthink completion bash)"
    COMP_WORDS=(asyncthink gra); COMP_CWORD=1; _shtab_asyncthink; echo ${COMPREPLY[@]}
    COMP_WORDS=(asyncthink grade --ta); COMP_CWORD=2; _shtab_asyncthink; echo ${COMPREPLY[@]}
    for command in schedule page measure "page -o"; do
        COMP_WORDS=(asyncthink $command pyproject); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _shtab_asyncthink
        echo ${COMPREPLY[@]}
    done
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout.split(), done.stderr) == (["grade", "--task", *["pyproject.toml"] * 4], "")
