"""`asyncthink schedule`, `parse` and `grade` as scripts call them: lines in, lines out, exit 2 with one line."""

import json
import os
import subprocess
import sys

import pytest

PLAN = {
    "capacity": 2,
    "organizer": [{"think": 12}, {"fork": 1, "tokens": 6}, {"think": 7}, {"join": 1, "tokens": 3}, {"answer": 4}],
    "workers": {"1": 25},
}
COUNTDOWN = {"numbers": [3, 5, 7, 9], "target": 24, "required": 4}


def call(*arguments, given=""):
    """(exit code, standard output, standard error) of one command in a process of its own."""
    given = given if isinstance(given, bytes) else given.encode()
    command = [sys.executable, "-m", "asyncthink", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, timeout=300)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def answers(*arguments, rows):
    """The objects printed for objects given; the command must end well."""
    code, out, err = call(*arguments, given="".join(json.dumps(row) + "\n" for row in rows))
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def refusal(*arguments, given):
    """The one line of a command that refuses its input."""
    code, out, err = call(*arguments, given=given)
    assert (code, err.count("\n")) == (2, 1) and err.endswith("\n") and "Traceback" not in err
    return err, out


def test_schedule_answers_a_line_for_a_line():
    error = {"capacity": 1, "organizer": [{"fork": 1, "tokens": 1}], "workers": {"1": 1}}
    assert answers("schedule", rows=[PLAN, error, PLAN | {"slot_release": "completion"}]) == [
        {
            "format_error": None,
            "latency": 47,
            "work": 57,
            "concurrency": 57 / 47,
            "concurrency_ratio": 57 / 94,
            "forks": 1,
            "joins": 1,
        },
        {
            "format_error": "pool_overflow",
            "latency": None,
            "work": None,
            "concurrency": None,
            "concurrency_ratio": None,
            "forks": None,
            "joins": None,
        },
        {
            "format_error": None,
            "latency": 47,
            "work": 57,
            "concurrency": 57 / 47,
            "concurrency_ratio": 57 / 94,
            "forks": 1,
            "joins": 1,
        },
    ]


def test_parse_answers_with_actions_answer_and_error():
    text = "think <FORK-1> 3 5 =24 </FORK-1>\n<JOIN-1><ANSWER> 3*8 </ANSWER> more"
    rows = [{"text": text, "capacity": 2}, {"text": text, "capacity": 1}, {"text": text}, {"text": ""}]
    actions = [
        {"kind": "think", "text": "think "},
        {"kind": "fork", "id": 1, "query": "3 5 =24"},
        {"kind": "join", "id": 1},
        {"kind": "answer", "text": "3*8"},
    ]
    right = {"actions": actions, "answer": "3*8", "format_error": None}
    nothing = {"actions": [], "answer": None, "format_error": "no_answer"}
    assert answers("parse", rows=rows) == [right, right | {"format_error": "pool_overflow"}, right, nothing]


def test_grade_answers_for_each_task():
    cases = [
        ("countdown", COUNTDOWN, "3+5+7+9; 9*5-7*3 = 24; 3*8", (0.5, 2, 3)),
        ("sudoku", {"puzzle": [[0] * 4] * 4}, "1234341221434321", (1.0, 1, 1)),
        ("competition_math", {"answer": "204"}, r"\boxed{204}", (1.0, 1, 1)),
        ("multiple_choice", {"answer": "C", "options": 4}, "(B)", (0.0, 0, 1)),
    ]
    for task, item, answer, expected in cases:
        (score,) = answers("grade", "--task", task, rows=[{"item": item, "answer": answer}])
        assert (score["accuracy"], score["correct"], score["offered"]) == expected
        (score,) = answers("grade", "--task", task, rows=[{"item": item, "answer": None}])
        assert (score["accuracy"], score["correct"], score["offered"]) == (0.0, 0, 0)


def test_keys_of_an_item_that_a_grader_does_not_need_are_no_error():
    item = COUNTDOWN | {"id": "countdown-test-7", "solutions": 4}
    assert answers("grade", "--task", "countdown", rows=[{"item": item, "answer": "3+5+7+9"}])[0]["correct"] == 1


@pytest.mark.parametrize("command", [("schedule",), ("parse",), ("grade", "--task", "countdown")])
def test_nothing_in_is_nothing_out(command):
    for given in ("", "\n \n\t\n"):
        assert call(*command, given=given) == (0, "", "")


def test_a_file_is_read_like_standard_input(tmp_path):
    path = tmp_path / "plans.jsonl"
    path.write_text(json.dumps(PLAN) + "\r\n\n" + json.dumps(PLAN))  # no line end at the end
    code, out, err = call("schedule", str(path))
    assert (code, err, out.count("\n")) == (0, "", 2)
    assert call("schedule", "-", given=json.dumps(PLAN))[1] == out.splitlines(keepends=True)[0]
    err, _ = refusal("schedule", str(tmp_path / "missing.jsonl"), given="")
    assert "missing.jsonl" in err
    refusal("schedule", str(tmp_path), given="")


@pytest.mark.parametrize(
    "given, names",
    [
        ("plan", "line 1"),
        ("[]", "line 1"),
        ("null", "line 1"),
        (json.dumps(PLAN) + "\n\n{", "line 3"),
        (json.dumps(PLAN | {"capacity": True}), "capacity"),
        (json.dumps(PLAN | {"capacity": float("nan")}), "NaN"),
        (json.dumps(PLAN | {"capacity": float("inf")}), "Infinity"),
        (json.dumps(PLAN | {"capacity": 1.0}), "capacity"),
        (json.dumps(PLAN | {"extra": 1}), "extra"),
        (json.dumps(PLAN | {"workers": {}}), "worker 1"),
        (json.dumps(PLAN).replace("25", "-25"), "line 1"),
        (json.dumps(PLAN).replace("25", "9" * 5000), "line 1"),
        ('{"capacity": ' * 100_000, "line 1"),
        ("[" * 100_000, "line 1"),
        (b'{"capacity": "\xff"}', "UTF-8"),
        ('{"capacity": 2} {"capacity": 2}', "line 1"),
    ],
)
def test_a_bad_plan_is_one_line_that_names_its_own(given, names):
    err, out = refusal("schedule", given=given)
    assert names in err and "line" in err
    assert out.count("\n") == (1 if "line 3" in names else 0)


@pytest.mark.parametrize(
    "row, names",
    [
        ({}, "text"),
        ({"text": 7}, "text"),
        ({"text": None}, "text"),
        ({"text": "", "capacity": 0}, "capacity"),
        ({"text": "", "capacity": "2"}, "capacity"),
        ({"text": "", "capacity": True}, "capacity"),
        ({"text": "", "capasity": 2}, "capasity"),
    ],
)
def test_a_bad_line_of_parse_is_named(row, names):
    assert names in refusal("parse", given=json.dumps(row))[0]


@pytest.mark.parametrize(
    "row, names",
    [
        ({}, "item"),
        ({"item": COUNTDOWN}, "answer"),
        ({"item": COUNTDOWN, "answer": 7}, "answer"),
        ({"item": COUNTDOWN, "answer": "", "anwser": ""}, "anwser"),
        ({"item": [], "answer": ""}, "item"),
        ({"item": COUNTDOWN | {"target": True}, "answer": ""}, "target"),
    ],
)
def test_a_bad_line_of_grade_is_named(row, names):
    assert names in refusal("grade", "--task", "countdown", given=json.dumps(row))[0]


def test_an_unknown_task_is_refused_with_the_tasks_there_are():
    err, _ = refusal("grade", "--task", "chess", given="")
    assert "chess" in err and "countdown, sudoku, competition_math, multiple_choice" in err


@pytest.mark.timeout(300)
def test_hostile_text_goes_through_the_commands():
    texts = [
        "<FORK-1>" * 1_250_000,
        "<JOIN-1>" * 100_000,
        "\0",
        "\ud800 <ANSWER>\udfff</ANSWER>",
        "(" * 500 + ")" * 500,
    ]
    parsed = answers("parse", rows=[{"text": text, "capacity": 2} for text in texts])
    assert [each["format_error"] for each in parsed] == ["no_answer", "dangling_join", "no_answer", None, "no_answer"]
    assert parsed[3]["answer"] == "\udfff"
    texts += ["9" * 5_000, "(" * 500 + "3+5+7+9" + ")" * 500]
    scores = answers("grade", "--task", "countdown", rows=[{"item": COUNTDOWN, "answer": text} for text in texts])
    assert [score["correct"] for score in scores] == [0] * 6 + [1]


def test_ten_thousand_plans_go_through_one_call_without_a_deep_learning_library():
    assert answers("schedule", rows=[PLAN] * 10_000) == answers("schedule", rows=[PLAN]) * 10_000
    probe = "import sys, asyncthink.cli.schedule, asyncthink.cli.parse, asyncthink.cli.grade\n"
    probe += "sys.exit(bool({'torch', 'transformers', 'numpy', 'sympy', 'datasets'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", probe], env=os.environ).returncode == 0


def test_puzzles_are_written_with_their_manifest(tmp_path):
    from asyncthink.config import params

    settings = params.read(os.path.join(os.path.dirname(__file__), os.pardir, "params.yaml")).to_mapping()
    settings["puzzles"] |= {"train": 20, "validation": 4, "test": 6}
    (tmp_path / "params.yaml").write_text(json.dumps(settings))  # JSON is YAML
    for run in ("first", "second"):
        paths = {name: str(tmp_path / run / f"{name}.jsonl") for name in ("train", "validation", "test", "manifest")}
        flags = [word for name, path in paths.items() for word in (f"--{name}", path)]
        assert call("puzzles", "--params", str(tmp_path / "params.yaml"), *flags)[0] == 0
    for name, count in {"train": 20, "validation": 4, "test": 6}.items():
        first, second = ((tmp_path / run / f"{name}.jsonl").read_bytes() for run in ("first", "second"))
        assert first == second and first.count(b"\n") == count
        manifest = json.loads((tmp_path / "first" / "manifest.jsonl").read_text())
        assert manifest["splits"][name]["items"] == count


def test_a_script_can_talk_to_a_command_line_by_line():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-m", "asyncthink", "parse"], **pipes) as command:
        for text in ("first", "second"):
            command.stdin.write(json.dumps({"text": text}).encode() + b"\n")
            command.stdin.flush()
            assert json.loads(command.stdout.readline())["actions"] == [{"kind": "think", "text": text}]
        command.stdin.close()
    assert command.returncode == 0
