"""One reader for all JSON Lines: what programs make of a file is read, and what is broken is named."""

import gzip
import io
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from written_episodes import sequential

from asyncthink import cli, episode, files
from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.tasks import sources

ROWS = [{"text": "α"}, {"text": "b"}]
BOM = b"\xef\xbb\xbf"
LINES = [json.dumps(row, ensure_ascii=False).encode() for row in ROWS]


@pytest.mark.parametrize(
    "data",
    [
        b"\n".join(LINES),
        b"\n".join([*LINES, b""]),
        BOM + b"\r\n".join([*LINES, b""]),
        b"\n \t\n".join([b"", *LINES, b"\r\n"]),
        BOM + b"\n" + LINES[0] + b"\n" + BOM + LINES[1],
        gzip.compress(b"\n".join(LINES), mtime=0),
        gzip.compress(LINES[0] + b"\n", mtime=0) + gzip.compress(BOM + LINES[1], mtime=0),
    ],
)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_what_programs_make_of_json_lines_is_read(data, name, tmp_path):
    path = tmp_path / name
    path.write_bytes(data)
    assert files.read_json_lines(path) == ROWS


@pytest.mark.parametrize(
    "line, says",
    [
        (b'{"a": NaN}', "is not JSON: NaN is not a JSON number"),
        (b'{"a": [-Infinity]}', "is not JSON: -Infinity is not a JSON number"),
        (b'{"a": 1e999}', "is not JSON: 1e999 is too large a number"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "is not JSON: the key 'c' comes twice in one object"),
        (b"{'a': 1}", "is not JSON: Expecting property name"),
        (b'{"a": 1,}', "is not JSON: "),
        (b'{"a": 1} {"a": 2}', "is not JSON: Extra data"),
        (b'{"a": "cut', "is not JSON: Unterminated string"),
        (b'[{"a": 1}]', "is not a JSON object, but [{'a': 1}]"),
        (b'"text"', "is not a JSON object, but 'text'"),
        (b'{"a": "\xe9"}', "is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8"),
        (b'{"a": ' * 100_000, "is not JSON: nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON: Exceeds the limit"),
    ],
)
def test_a_broken_line_is_named_with_its_file(line, says, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(LINES[0] + b"\n\n" + line + b"\n")
    with pytest.raises(InputError) as refusal:
        files.read_json_lines(path)
    assert str(refusal.value).startswith(f"{path}: line 3 {says}") and "\n" not in str(refusal.value)


NUMBERS = ["0", "-0", "-0.0", "1.0", "1e5", "1E5", "1e16", "1e-06", "0.1", "0.10", "1e999", "-7", str(2**64), "9" * 25]
TEXTS = ['""', '"a"', '" a"', '"a "', '"\\u0061"', '"\\ud800"', '"α"', '"\\n"', '"\t"', '"\\""', '":"', '"a,b"']
PLAIN = st.sampled_from([*NUMBERS, *TEXTS, "true", "null", "NaN", "[]", "{}"])


@st.composite
def written(draw, values):
    """A list or an object of some values as people write it: blanks anywhere, keys that may come twice."""
    blank = st.sampled_from(["", "", " ", "  ", "\t"])
    entries = draw(st.lists(values, max_size=3))
    if draw(st.booleans()):
        return f"[{draw(blank)}{','.join(entries)}{draw(blank)}]"
    pairs = [f"{draw(st.sampled_from(TEXTS))}{draw(blank)}:{draw(blank)}{value}{draw(blank)}" for value in entries]
    return "{" + f",{draw(blank)}".join(pairs) + "}"


@given(st.recursive(PLAIN, written, max_leaves=12))
@example('{"a":{"b":1,"b":1}}')
@example('{"a": 1, "b ": [1.5, true, "α β"]}')
@example('{"a":' * 300 + "1" + "}" * 300)
def test_a_line_that_is_read_the_quick_way_is_read_as_the_careful_way_reads_it(line):
    quick = files._plain(f"{line}\n".encode())
    assert quick is None or repr(quick) == repr(files.json_object(line, "here"))
    assert quick is not None or line != '{"a": 1, "b ": [1.5, true, "α β"]}'


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b"\n".join(LINES * 100))[:-9])
    for name, says in (("torn.gz", "not readable"), (".", "cannot be read: Is a directory"), ("none", "no such file")):
        with pytest.raises(InputError, match=says):
            list(files.json_lines(tmp_path / name))


@pytest.mark.parametrize("half", ["\ud800", "a\udfff", "\ud800 \udc00", "\udc00\ud800"])
def test_half_a_letter_is_refused_with_its_line_wherever_it_stands(half, tmp_path):
    for name, row in (("rows.jsonl", {"a": half}), ("rows.jsonl.gz", {"a": [{half: 1}]})):
        files.write_json_lines(tmp_path / name, [{"a": "\U00010000"}, row])
        with pytest.raises(InputError, match=r"line 2 holds \\ud[8cf][0f][0f], half a letter, which is no text"):
            files.read_json_lines(tmp_path / name)
        assert [given for _, given in files.json_lines(tmp_path / name, halves=True)] == [{"a": "\U00010000"}, row]


def test_a_whole_letter_that_json_says_in_two_halves_is_one(tmp_path):
    (tmp_path / "rows.jsonl").write_text(r'{"a": "\ud83d\ude00", "b": "\\ud800"}')
    assert files.read_json_lines(tmp_path / "rows.jsonl") == [{"a": "😀", "b": r"\ud800"}]


HALVED = episode.to_json(sequential(0, "<ANSWER> 3 * 5 </ANSWER>")).replace("3 * 5", r"3 * 5 \udead")
PARAMS = str(Path(__file__).parents[1] / "params.yaml")
READERS = [
    "measure FILE",
    "page FILE -o page.html",
    "page FILE -o picture.svg",
    "case_studies --params PARAMS --episodes FILE --table cases.csv",
    "estimate --params PARAMS --puzzles FILE",
    "think --model none --item ITEM",
]


@pytest.mark.parametrize("command", READERS)
def test_every_command_that_reads_episodes_or_items_refuses_half_a_letter_in_one_line(
    command, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text(HALVED)
    meant = {"FILE": "rows.jsonl", "PARAMS": PARAMS, "ITEM": r'{"question": "\udead"}'}
    assert cli.main([meant.get(word, word) for word in command.split()]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and r" holds \udead, half a letter" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]


EVALUATE = "evaluate --params PARAMS --arm asyncthink --seed 1 --model none --episodes e.jsonl.gz --recording r.json"
ITEM_READERS = [
    f"{EVALUATE} --test-set countdown --split test --items FILE",
    "synthesize --params PARAMS --arm asyncthink --puzzles FILE --demonstrations d.jsonl",
    "estimate --params PARAMS --puzzles FILE",
]


@pytest.mark.parametrize("command", ITEM_READERS)
def test_items_of_another_task_are_refused_with_their_line_before_anything_runs(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"numbers": [1, 2], "target": 3, "required": 1}\n{"puzzle": []}\n')
    assert cli.main([{"FILE": "rows.jsonl", "PARAMS": PARAMS}.get(word, word) for word in command.split()]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and ": rows.jsonl: line 2: the item has no numbers" in said


def test_a_test_set_that_is_not_there_is_told_before_its_split(tmp_path, capsys):
    words = f"{EVALUATE} --test-set chess --split validation --items FILE".replace("PARAMS", PARAMS).split()
    assert cli.main(words) == 2
    assert "no test set 'chess'" in capsys.readouterr().err


def test_half_a_letter_is_written_as_json_says_it(tmp_path):
    files.write_text(tmp_path / "text", "α\ud800")
    assert (tmp_path / "text").read_text(encoding="utf-8") == "α\\ud800"


def test_what_is_no_file_is_not_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(InputError, match=f"{name}: cannot be written: it is no file"):
            files.write_text(tmp_path / name, "text")
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "link").is_symlink() and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("place", ["", ".", "/"])
def test_a_folder_is_not_written_over(place):
    with pytest.raises(InputError, match="cannot be written: it is a folder"):
        files.write_text(place, "text")


def test_streams_that_a_shell_closed_read_and_write_nothing(tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps(PLAN))
    for closed, file, code in (("<&- >&-", "rows.jsonl", 0), ("<&-", "-", 0), ("2>&-", "nowhere", 2)):
        words = f"{sys.executable} -m asyncthink schedule {file} {closed}"
        done = subprocess.run(words, shell=True, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (code, "") and not done.stdout


def test_any_letter_is_printed_in_any_locale_and_what_is_refused_is_one_line(tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text(episode.to_json(sequential(0, "<ANSWER> 3 * 5 </ANSWER>", arm="α😀")))
    words = [sys.executable, "-m", "asyncthink", "measure", str(tmp_path / "rows.jsonl")]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and json.loads(done.stdout)["arm"] == "α😀", done.stderr
    assert cli.main(["measure", "no\n\x1b[2Jthing\u2028"]) == 2
    assert capsys.readouterr().err == "asyncthink measure: no\\n\\x1b[2Jthing\\u2028: no such file\n"


def test_nothing_is_written_over_what_is_read_or_over_another_result(tmp_path, capsys):
    path, other = tmp_path / "rows.jsonl", tmp_path / "other.jsonl"
    path.write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path)
    read = ["filter", "--arm=asyncthink", f"--demonstrations={path}"]
    for kept, rejected, said in ((tmp_path / "link/rows.jsonl", other, "--demonstrations"), (other, other, "--kept")):
        assert cli.main([*read, f"--kept={kept}", f"--rejected={rejected}", f"--metrics={tmp_path}/m.json"]) == 2
        assert f" would be written over {said}: " in capsys.readouterr().err
    assert cli.main(["measure", str(path), f"--recording={other}", f"--metrics={path}"]) == 2
    assert path.read_text() == "kept" and not other.exists()


def asked(monkeypatch, capsys, words, data=b""):
    """(exit code, standard output, standard error) of a command with `data` as its standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    code = cli.main(words)
    return code, *capsys.readouterr()


PLAN = {"capacity": 1, "organizer": [{"think": 12}, {"answer": 4}], "workers": {}}
GRADED = {"item": {"numbers": [2, 3, 4], "target": 24, "required": 1}, "answer": "2*3*4"}
COMMANDS = [
    (["schedule"], json.dumps(PLAN)),
    (["parse"], json.dumps({"text": "<ANSWER>1</ANSWER>"})),
    (["grade", "--task", "countdown"], json.dumps(GRADED)),
    (["measure"], episode.to_json(sequential(0, "<ANSWER> 3 * 5 </ANSWER>"))),
]


@pytest.mark.parametrize("words, line", COMMANDS, ids=[words[0] for words, _ in COMMANDS])
def test_every_command_reads_the_same_lines(words, line, tmp_path, monkeypatch, capsys):
    adorned = BOM + b"\r\n\r\n" + line.encode() + b"\r\n  \n"
    expected = asked(monkeypatch, capsys, [*words, "-"], line.encode())
    assert expected[0] == 0 and expected[1].count("\n") == 1 and expected[2] == ""
    assert asked(monkeypatch, capsys, [*words, "-"], adorned) == expected
    assert asked(monkeypatch, capsys, [*words, "-"], gzip.compress(adorned)) == expected
    path = tmp_path / "lines.jsonl.gz"
    path.write_bytes(gzip.compress(adorned))
    assert asked(monkeypatch, capsys, [*words, str(path)]) == expected
    path.write_bytes(adorned + line.replace(":", ": NaN, ", 1).encode())
    code, _, err = asked(monkeypatch, capsys, [*words, str(path)])
    assert code == 2 and err.startswith(f"asyncthink {words[0]}: {path}: line 5 is not JSON") and err.count("\n") == 1
    code, _, err = asked(monkeypatch, capsys, [*words, "-"], b"\n[]")
    assert code == 2 and "standard input: line 2 is not a JSON object" in err


CHOICE = {"question": "Which?", "options": ["x", "y", "z", "N/A", " n/a ", None], "answer": "C", "category": "math"}
SUM = {"problem": "1 + 1", "answer": 2}
GRID = {"task_name": "sudoku2", "meta": {"question": [[0] * 4] * 4}}
LOADERS = {"math": (sources.math, SUM), "choice": (sources.mmlu_pro, CHOICE), "sudoku": (sources.enigmata, GRID)}


def loaded(tmp_path, kind, *changes):
    path = tmp_path / "rows.jsonl"
    load, row = LOADERS[kind]
    path.write_text("\n\n".join(json.dumps(row | change) for change in ({}, *changes)))
    return load(str(path))


@pytest.mark.parametrize(
    "kind, change, says",
    [
        ("math", {"answer": True}, "answer must be a text or a number, not True"),
        ("math", {"answer": None}, "answer must be a text or a number, not None"),
        ("math", {"problem": True}, "problem (or question) must be a text, not True"),
        ("math", {"id": True}, "id must be a text or an integer, not True"),
        ("math", {"id": [1]}, "id must be a text or an integer, not [1]"),
        ("choice", {"question": None}, "question must be a text, not None"),
        ("choice", {"options": [True, False, "c"]}, "options must be a list of texts"),
        ("choice", {"options": "A, B, C"}, "options must be a list of texts"),
        ("choice", {"options": ["only one"]}, "the item is an object like"),
        ("choice", {"options": ["x", "N/A"], "answer": "A"}, "the item is an object like"),
        ("choice", {"answer": "G"}, "answer must be a letter from A to F"),
        ("choice", {"answer": 2}, "answer must be a letter from A to F"),
        ("choice", {"question_id": False}, "question_id must be a text or an integer, not False"),
        ("sudoku", {"meta": {"question": [[True] * 4] * 4}}, "puzzle is a list of 4 rows"),
        ("sudoku", {"meta": "{"}, "meta is not JSON"),
        ("sudoku", {"meta": 7}, "meta is not a JSON object, but 7"),
    ],
)
def test_a_record_that_is_no_item_is_named_with_its_line(kind, change, says, tmp_path):
    assert len(loaded(tmp_path, kind)) == 1
    with pytest.raises(InputError) as refusal:
        loaded(tmp_path, kind, change)
    assert says in str(refusal.value) and str(refusal.value).startswith(f"{tmp_path}/rows.jsonl: line 3")


def test_options_that_only_fill_up_are_dropped_and_the_others_keep_their_answer(tmp_path):
    (plain, moved, meant) = loaded(
        tmp_path,
        "choice",
        {"options": ["x", "N/A", "", "y", 3], "answer": "D"},
        {"options": ["x", "y", "N/A"], "answer": "C"},
    )
    assert (plain["choices"], plain["answer"], plain["options"]) == (["x", "y", "z"], "C", 3)
    assert (moved["choices"], moved["answer"], moved["options"]) == (["x", "y", "3"], "B", 3)
    assert (meant["choices"], meant["answer"]) == (["x", "y", "N/A"], "C")  # where it is the answer, it is no padding


def test_ids_that_come_twice_are_told(tmp_path, capsys):
    rows = [SUM | {"id": name} for name in ("a", "b", "a", 7, "7")]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    raw = params.read(Path(__file__).parents[1] / "params.yaml").to_mapping()
    raw["training_sets"]["competition_math"] = {"source": str(tmp_path / "sums.jsonl"), "items": 5}
    (tmp_path / "params.yaml").write_text(json.dumps(raw))
    paths = ["--params", str(tmp_path / "params.yaml"), "--items", str(tmp_path / "items.jsonl")]
    assert cli.main(["items", "--item-set", "competition_math", *paths]) == 0
    assert "items competition_math: 2 ids come more than once: sums-a, sums-7" in capsys.readouterr().err
    assert len(files.read_json_lines(tmp_path / "items.jsonl")) == 5


def test_the_examples_of_grades_help_are_right(capsys, monkeypatch):
    with pytest.raises(SystemExit):
        cli.main(["grade", "--help"])
    lines = capsys.readouterr().out.splitlines()
    examples = {
        line.split()[0]: following.strip()
        for line, following in pairwise(lines)
        if following.strip().startswith('{"item"')
    }
    assert list(examples) == ["countdown", "sudoku", "competition_math", "multiple_choice"]
    for task, shown in examples.items():
        code, out, _ = asked(monkeypatch, capsys, ["grade", "--task", task], shown.encode())
        assert code == 0 and json.loads(out)["accuracy"] == 1.0 and json.loads(out)["mistakes"] == []


def test_grade_says_what_is_wrong(capsys, monkeypatch):
    def mistakes(task, item, answer):
        given = json.dumps({"item": item, "answer": answer}).encode()
        return json.loads(asked(monkeypatch, capsys, ["grade", "--task", task], given)[1])["mistakes"]

    assert mistakes("countdown", GRADED["item"], "1. 2*3*3 = 18") == [
        {"text": "1. 2*3*3 = 18", "reason": "takes 3 more often than the item has it (1)"},
        {"text": "", "reason": "0 right expressions; 1 are required"},
    ]
    assert mistakes("competition_math", {"answer": "204"}, "205") == [
        {"text": "205", "reason": "is not the item's answer"}
    ]
    assert mistakes("competition_math", {"answer": "204"}, None) == [{"text": "", "reason": "holds no answer"}]
    assert mistakes("multiple_choice", {"answer": "C", "options": 4}, "B or C")[0]["text"] == "B or C"
    assert mistakes("sudoku", {"puzzle": [[0] * 4] * 4}, "1 2 3")[0]["reason"].startswith("holds no four rows")
