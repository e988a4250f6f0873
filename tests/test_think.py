"""`asyncthink think`: one episode on a model, watched."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from taught_model import WORDS, taught_model

from asyncthink import cli, episode, terminal
from asyncthink.cli import think as think_command
from asyncthink.cli.panes import Lines, Panes
from asyncthink.synthesis.surfaces import SURFACES
from asyncthink.tasks.countdown_search import branches

PUZZLE = ["--numbers", "3", "5", "8", "9", "11", "--uses", "2", "--target", "24"]
PARAMS = ["--params", str(Path(__file__).parent.parent / "params.yaml")]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    taught_model().save_pretrained(folder)
    WORDS.save_pretrained(folder)
    return str(folder)


def think(model: str, *flags: str) -> int:
    pool = [] if "--capacity" in flags else ["--capacity", "3"]
    return cli.main(["think", "--model", model, *PARAMS, *pool, *(flags if "--item" in flags else [*PUZZLE, *flags])])


def test_each_agents_lines_come_in_the_order_in_which_it_happens(model, capsys):
    assert think(model, "--greedy") == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line.split(maxsplit=1) for line in lines]
    organizer = [text for agent, text in told if agent == "organizer"]
    assert organizer[0] == "> <organizer> 11 9 8 5 3 =24"
    assert organizer[-1] == "<ANSWER> 8 * 3 </ANSWER>"
    assert "> 8 * 3 </JOIN-1>" in organizer
    starts = [place for place, (agent, text) in enumerate(told) if agent.startswith("worker") and text.startswith(">")]
    ends = [place for place, (agent, text) in enumerate(told) if "</RETURN>" in text]
    assert max(starts) < min(ends)
    assert lines[-6] == "asked      Make 24 out of 3 5 8 9 11 in 4 different ways, each time with 2 of the numbers."
    assert lines[-5].split() == ["answer", "8", "*", "3"]
    assert re.search(r"T = \d+ tokens", lines[-3])


def test_the_record_is_an_episode_that_can_be_read_again(model, capsys):
    assert think(model, "--json", "--seed", "3") == 0
    [line] = capsys.readouterr().out.splitlines()
    assert episode.to_json(episode.from_mapping(json.loads(line))) == line
    assert think(model, "--json", "--seed", "3") == 0
    assert capsys.readouterr().out.splitlines() == [line]


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_every_way_of_thinking_can_be_watched(model, mode, capsys):
    assert think(model, "--mode", mode, "--greedy", "--capacity", "2") == 0
    out = capsys.readouterr().out
    assert out.count("> <solve>") == {"sequential": 1, "parallel": 2}[mode]
    assert "answer     8 * 3" in out


REFUSED = {
    "a number that the model does not know": (["--numbers", "3", "977", "--target", "24"], "'977' is not among"),
    "no puzzle": (["--target", "24"], "give --numbers and --target"),
    "a task that is not there": (["--task", "chess", *PUZZLE], "no task 'chess'"),
    "an item that is none": (["--item", "[1]"], "--item is not a JSON object, but [1]"),
    "an item that is not JSON": (["--item", "{"], "--item is not JSON"),
    "a temperature that is no number": (
        [*PUZZLE, "--temperature", "nan"],
        "--temperature must be from 0 to 1000000000000, not nan",
    ),
    "too small a pool": ([*PUZZLE, "--capacity", "0"], "--capacity must be from 1 to 1000000000000, not 0"),
    "too large a pool": ([*PUZZLE, "--capacity", "1000000000001"], "--capacity must be from 1 to 1000000000000, not 1"),
    "too large a budget": ([*PUZZLE, "--budget", "1000000000001"], "--budget must be from 1 to 1000000000000, not 1"),
    "a pace that goes backwards": ([*PUZZLE, "--pace", "-1"], "--pace must be from 0 to 1000000000000, not -1.0"),
    "a pace that is no number": ([*PUZZLE, "--pace", "nan"], "--pace must be from 0 to 1000000000000, not nan"),
    "a temperature of greedy thinking": (
        [*PUZZLE, "--greedy", "--temperature", "1"],
        "argument --temperature: not allowed with argument --greedy; see `asyncthink think --help`",
    ),
    "more numbers than there are": ([*PUZZLE, "--uses", "9"], "uses must be"),
}


@pytest.mark.parametrize(("flags", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_said_in_one_line(model, flags, said, capsys):
    assert cli.main(["think", "--model", model, *PARAMS, *flags]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_flag_of_which_the_model_is_not_told_is_said(model, capsys):
    assert think(model, "--greedy", "--reasoning", "--uses", "2") == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: --")]
    assert "note: --reasoning changes nothing: the model's prompt has no switch for it" in notes and len(notes) == 2


def test_an_item_with_too_few_solutions_and_a_folder_that_is_none_are_said(model, capsys):
    assert think(model, "--greedy", "--required", "99") == 0
    assert re.search(r"^note: the item has \d+ solutions?; 99 are asked for$", capsys.readouterr().err, re.MULTILINE)
    assert cli.main(["think", "--model", "results/grpo/nothing/1", *PARAMS, *PUZZLE]) == 2
    said = "no such folder; `make reproduce` trains those of the graph; a hub name is ORG/NAME\n"
    assert capsys.readouterr().err.endswith(said)


def test_what_the_model_is_never_told_and_a_pool_without_a_worker_are_said(model, capsys):
    assert think(model, "--greedy", "--required", "2") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "the word language cannot say it" in line]
    assert [line.split()[1] for line in said] == ["--required", "--uses"]
    assert think(model, "--greedy", "--capacity", "1") == 0
    assert "pool_overflow: the model forked where none of the pool's 0 workers was free" in capsys.readouterr().err


def test_the_help_explains_the_language_that_nano_speaks():
    spoken = " ".join(step for each in branches((13, 12, 11, 10)) for step, _ in SURFACES["word"].steps(each, 3))
    explained = re.findall(r"`([^`]+)`", " ".join(think_command.WORDS.split()))
    assert len(explained) == 4 and all(example in f"{spoken} none" for example in explained)


def test_a_person_is_told_how_to_read_the_language_of_nano_and_a_program_is_not(model, capsys, monkeypatch):
    for person in (True, False):
        monkeypatch.setattr(terminal, "for_people", lambda args, person=person: person)
        assert think(model, "--greedy") == 0
        *_, last = capsys.readouterr().out.splitlines()
        assert last.startswith("notation   `| a-d 13 10 3`: a branch") == person


def test_panes_stand_side_by_side_and_show_who_waits():
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=90, height=20, color_system=None)
    with Panes(console, pace=0, steps=lambda: 0) as panes:
        for agent, prompt in (
            ("organizer", "<organizer> 3 5 =8"),
            ("worker-1", "<worker> 3 =8"),
            ("worker-2", "<worker> 5"),
        ):
            panes.given(agent, prompt)
            panes.begins(agent)
        for word in ("3", "+", "5", "8", "!", "?", "<JOIN-1>"):
            panes.says("organizer", f" {word}")
        panes.pauses("organizer")
        panes.says("worker-1", " <RETURN>")
        panes.ends("worker-2")
    last = out.getvalue().rsplit("╭─ organizer", 1)[1]
    first = last.splitlines()[0]
    assert first.startswith(", 7 tokens, waits") and "worker 1, 1 tokens, decodes" in first
    assert "worker 2, 0 tokens, has ended" in last
    assert all(len(line) <= 90 for line in last.splitlines()[1:])
    assert len(last.splitlines()) <= 20


def test_lines_are_flat():
    out = StringIO()
    lines = Lines(out)
    lines.given("organizer", "a\nb")
    lines.begins("organizer")
    lines.says("organizer", " c")
    lines.says("organizer", "\n d")
    lines.pauses("organizer")
    assert out.getvalue().splitlines() == ["organizer  > a b", "organizer    c d"]


def test_the_quick_start_of_the_readme_thinks_in_ten_lines(monkeypatch, capsys):
    root = Path(__file__).parent.parent
    (example,) = re.findall(r"^```python\n(.*?)^```$", (root / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in example.splitlines() if line]) == 10
    monkeypatch.chdir(root)
    known = {}
    exec(example, known)
    assert known["episode"].traces[0].decoded > 0
    assert capsys.readouterr().out.startswith(str(known["episode"].answer))
