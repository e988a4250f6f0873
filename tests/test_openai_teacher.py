"""The teacher behind an API, from lessons to demonstrations, against a server that writes what a teacher would."""

import asyncio
import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest
import yaml
from batch_server import BatchServer
from checkout import of_arms
from misbehaving_server import KEY, ChatServer
from obedient_teacher import teacher
from taught_chat_model import tokenizer as byte_tokenizer

from asyncthink import cli, protocol
from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.files import write_json_lines
from asyncthink.settings import TrainedTask
from asyncthink.synthesis import demonstration, format_filter, lessons
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.cost_estimate import estimate
from asyncthink.synthesis.cost_estimate import told as in_one_line
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.lessons import read_traces
from asyncthink.synthesis.openai_client import Endpoint
from asyncthink.synthesis.openai_teacher import demonstrate
from asyncthink.synthesis.replay import replay
from asyncthink.synthesis.response_journal import ResponseJournal, read_records
from asyncthink.synthesis.structures import followed, topology_class
from asyncthink.tasks import TASKS

ROOT = Path(__file__).parent.parent
BASE = params.read(ROOT / "params.yaml")
ITEMS = [
    {"id": str(n), "numbers": [3, 5, 8, 9, n], "target": 24, "required": 2, "uses": 2, "operations": "+-*"}
    for n in range(10, 20)
]


def settings(count: int, **teacher):
    """The project's own parameters with a chat model's budgets, for `count` demonstrations."""
    return dataclasses.replace(
        BASE,
        thinking=dataclasses.replace(
            BASE.thinking, prompts="chat", organizer_budget=2000, worker_budget=2000, latency_budget=None
        ),
        synthesize=dataclasses.replace(BASE.synthesize, demonstrations=count),
        teacher=dataclasses.replace(
            BASE.teacher, **({"attempts": 8, "time_limit": 60.0, "budget_dollars": None, "max_tokens": 300} | teacher)
        ),
    )


async def briefly(seconds: float) -> None:
    await asyncio.sleep(seconds / 1000)


def given(wanted, form="asynchronous"):
    """What the teacher is told of the parameters, but for the filter's share."""
    return Assignment(form, wanted.seed, wanted.synthesize, wanted.thinking), wanted.teacher


def taught(server, path, wanted, form="asynchronous", items=ITEMS, sleep=briefly, **options):
    where = Endpoint("gpt-4o", server.url, KEY)
    fewest = wanted.filter.fewest_kept
    return list(demonstrate(*given(wanted, form), fewest, items, where, path, sleep, **options))


def reasons(demonstrations, wanted):
    return [format_filter.reason(each, wanted.thinking, lambda text: len(text.split())) for each in demonstrations]


def test_demonstrations_follow_the_sampled_sequences_and_pass_the_filter(tmp_path):
    wanted = settings(40)
    with ChatServer(teacher) as server:
        written = taught(server, tmp_path, wanted)
    assert [each.item for each in written] == [ITEMS[n % 10] for n in range(40)]
    assert reasons(written, wanted) == [None] * 40
    assert all(tuple(followed(each.actions)) == each.structure for each in written)
    assert len({each.structure for each in written}) > 20
    assert all("3 * 8</JOIN" not in each.organizer for each in written)
    assert len(server.calls) == 80


def test_the_second_question_holds_the_examples_the_fragments_and_the_sequence(tmp_path):
    with ChatServer(teacher) as server:
        [written] = taught(server, tmp_path, settings(1))
    first, second = (call.body["messages"] for call in server.calls)
    assert [message["role"] for message in first] == ["system", "user"]
    assert [message["role"] for message in second] == ["system", *("user", "assistant") * 3, "user"]
    examples = [message["content"] for message in second[1:-1]]
    assert examples == [turn for kind in lessons.EXAMPLES for turn in lessons.example("countdown", kind)]
    asked = second[-1]["content"]
    assert first[1]["content"] in asked and "24" in first[1]["content"]
    assert "1. Sub-query: pairs with 3 for 24" in asked
    assert tuple(told(asked)) == written.structure


def told(question):
    """The sequence of actions that a question asks for."""
    actions = re.findall(r"^\d+\. (\w)\w+ ?(\d*)$", question.split("Sequence of actions:")[1], re.MULTILINE)
    return [kind.upper() + i for kind, i in actions]


COUNTDOWN = {"target": 24, "required": 2, "uses": 2, "operations": "+-*"}
EXAMPLE_ITEMS = {
    ("countdown", "interleaved"): COUNTDOWN | {"numbers": [4, 6, 10, 18]},
    ("countdown", "batched"): COUNTDOWN | {"numbers": [3, 8, 9, 15]},
    ("countdown", "overlapping"): COUNTDOWN | {"numbers": [2, 3, 5, 9], "target": 30, "uses": 3},
    ("competition_math", "interleaved"): {
        "problem": "How many positive integers less than 100 are divisible by 4 or by 6, but not by both?",
        "answer": "24",
    },
    ("competition_math", "batched"): {
        "problem": "How many ordered pairs (a, b) of positive integers satisfy ab = 36 or ab = 100?",
        "answer": "18",
    },
    ("competition_math", "overlapping"): {
        "problem": "How many three-digit positive integers have digits that add up to 5?",
        "answer": "15",
    },
}
CLASSES = {"interleaved": "interleaved", "batched": "batch", "overlapping": "other"}


def test_every_task_that_a_teacher_is_asked_has_its_three_worked_examples():
    assert sorted(lessons.TASK_OF.values()) == sorted(get_args(TrainedTask))
    assert EXAMPLE_ITEMS.keys() == {(task, kind) for task in lessons.TASK_OF.values() for kind in lessons.EXAMPLES}


@pytest.mark.parametrize(("task", "kind"), EXAMPLE_ITEMS)
def test_the_worked_examples_keep_the_rules_that_they_teach(task, kind):
    question, answer = lessons.example(task, kind)
    organizer, workers, joined = read_traces(answer)
    example = Demonstration(task, {}, "asynchronous", tuple(told(question)), organizer, workers, joined)
    thinking = dataclasses.replace(settings(1).thinking, capacity=3)
    assert format_filter.reason(example, thinking, lambda text: len(text.split())) is None
    assert tuple(followed(example.actions)) == example.structure
    assert topology_class(example.structure) == CLASSES[kind]
    assert joined == {i: protocol.returned(text) for i, text in workers.items()}


@pytest.mark.parametrize(("task", "kind"), EXAMPLE_ITEMS)
def test_the_worked_examples_ask_as_the_task_asks_and_are_right(task, kind):
    question, answer = lessons.example(task, kind)
    item = EXAMPLE_ITEMS[task, kind]
    assert lessons.task_of(item) == task
    assert question.startswith(f"Problem:\n{TASKS[task].prompt(item, 'chat')}\n\n")
    assert TASKS[task].score(item, protocol.answer(protocol.parse(answer)))["accuracy"] == 1


def test_an_item_of_no_task_is_told():
    with pytest.raises(InputError, match="of no task"):
        lessons.task_of({"question": "?"})


def test_sequential_demonstrations_take_one_question_each(tmp_path):
    wanted = settings(12)
    with ChatServer(teacher) as server:
        written = taught(server, tmp_path, wanted, "sequential")
    assert len(server.calls) == 12
    assert reasons(written, wanted) == [None] * 12
    assert {each.structure for each in written} == {("T", "A")}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text.replace("</ANSWER>", "</ANSWER"), "no_answer"),
        (lambda text: re.sub(r"<FORK-1>(.*?)</FORK-1>", r"<FORK-1>\1</FORK-2>", text), "no_answer"),
        (lambda text: text.replace("<JOIN-1>", "<JOIN-7>"), "dangling_join"),
        (lambda text: text.replace("</RETURN>", ""), "unreturned_worker"),
        (lambda text: text.replace("=== WORKER 1 ===", "Worker one:"), "missing_worker"),
        (lambda text: text.replace("===", "~~~"), "missing_worker"),
        (lambda text: text[: len(text) // 2], "no_answer"),
        (lambda text: "I cannot help with that.", "no_answer"),
        (lambda text: "=== ORGANIZER ===\n=== ORGANIZER ===", "no_answer"),
    ],
)
def test_a_text_with_broken_tags_becomes_a_demonstration_that_the_filter_rejects(spoil, reason, tmp_path):
    wanted = settings(6)
    wanted = dataclasses.replace(wanted, synthesize=dataclasses.replace(wanted.synthesize, interleaved=1.0, batch=0.0))
    spoiled = lambda call: spoil(text) if "WORKER" in (text := teacher(call)) else text  # noqa: E731
    with ChatServer(spoiled) as server:
        written = taught(server, tmp_path, wanted)
    assert len(written) == 6
    assert reasons(written, wanted) == [reason] * 6


def test_what_is_injected_at_a_join_is_cut_out_and_nothing_else():
    organizer, workers, joined = read_traces(
        "preamble\n=== worker 2 ===\nb\n== WORKER 1 ==\na\n=== WORKER 2 ===\nagain\n"
        "=== ORGANIZER ===\nx <JOIN-1>one\ntwo</JOIN-1> y <JOIN-2> z <JOIN-3>three</JOIN-2>"
    )
    assert organizer == "x <JOIN-1> y <JOIN-2> z <JOIN-3>three</JOIN-2>"
    assert workers == {1: "a", 2: "b"}
    assert joined == {1: "one\ntwo"}


def test_the_same_parameters_ask_the_same_questions_on_every_run(tmp_path):
    with ChatServer(teacher) as server:
        first = taught(server, tmp_path / "a", settings(10))
        second = taught(server, tmp_path / "b", settings(10, concurrency=3, attempts=2))
    assert first == second
    assert sorted(call.data for call in server.calls[:20]) == sorted(call.data for call in server.calls[20:])


def test_faults_change_nothing_and_a_run_without_an_answer_to_all_says_what_is_missing(tmp_path):
    flaky = lambda call: random.Random(f"{call.prompt}/{call.number}").choice(["cut", "no_text", None])  # noqa: E731
    wanted = settings(30, attempts=2)
    with ChatServer(teacher, flaky) as server:
        with pytest.raises(InputError, match=r"of 30 demonstrations are missing: .*All answers are kept: run it again"):
            taught(server, tmp_path, wanted)
        server.fault = lambda call: None
        written = taught(server, tmp_path, wanted)
        assert set(server.billed.values()) <= {1, 2, 3}  # one text for each of three times that an item was asked
    with ChatServer(teacher) as server:
        assert taught(server, tmp_path / "calm", wanted) == written
    names = [record["name"] for record in read_records(tmp_path / "asynchronous.jsonl") if record["fault"] is None]
    assert sorted(names) == sorted(f"asynchronous/{n}/{step}" for n in range(30) for step in ("fragments", "traces"))


def test_an_endpoint_that_only_fails_is_taken_for_dead(tmp_path):
    with ChatServer(teacher, lambda call: "server_error") as server:
        with pytest.raises(InputError, match="in a row had no answer"):
            taught(server, tmp_path, settings(500, attempts=2, concurrency=8))
        assert len(server.calls) < 100


def test_a_budget_stops_the_run_and_a_larger_one_goes_on_where_it_stood(tmp_path):
    with ChatServer(teacher) as server:
        with pytest.raises(InputError, match=r"teacher.budget_tokens is 20,000.*run it again"):
            taught(server, tmp_path, settings(30, budget_tokens=20_000, concurrency=4))
        bought = len(server.calls)
        assert 0 < bought < 60
        assert len(taught(server, tmp_path, settings(30))) == 30
        assert len(server.calls) == 60


def test_an_estimate_asks_nothing_and_counts_what_a_run_then_asks(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("ASYNCTHINK_TEACHER_MODEL", "gpt-4o")
    wanted = settings(25, max_tokens=4096, input_price=2.5, output_price=10.0)
    before = estimate(*given(wanted), ITEMS, responses=tmp_path)
    assert (before["requests"], before["answered"], before["spent_dollars"]) == (50, 0, 0)
    assert 0 < before["dollars"] < before["most_dollars"]
    with ChatServer(teacher) as server:
        written = taught(server, tmp_path, wanted)
        prompts = sum(len(message["content"]) for call in server.calls for message in call.body["messages"]) / 4
    assert len(written) == 25
    assert prompts < before["prompt_tokens"] < 2 * prompts
    after = estimate(*given(settings(40, max_tokens=4096)), ITEMS, responses=tmp_path)
    assert (after["requests"], after["answered"]) == (30, 50)
    assert after["spent_dollars"] > 0
    assert after["completion_tokens"] < before["completion_tokens"] / 4  # by now it is known how short the answers are
    tokens = after["prompt_tokens"] + after["completion_tokens"]
    for budget, short in ((after["spent_tokens"] + tokens, False), (after["spent_tokens"] + tokens - 1, True)):
        assert ("will not last" in in_one_line(after | {"budget_tokens": budget})) is short


@pytest.mark.parametrize("spoil", [lambda call: None, lambda call: random.Random(call.prompt).choice([None, "error", "missing", "no_choice"])])  # fmt: skip  # noqa: E501
def test_batches_fill_the_journal_at_half_the_price_and_the_rest_is_asked_one_by_one(spoil, tmp_path):
    wanted = settings(20, batch=True)
    with BatchServer(teacher, lambda call: spoil(call) if "batches" in call.path else None) as server:
        written = taught(server, tmp_path, wanted)
        alone = [call for call in server.calls if call.path.endswith("/chat/completions")]
    with ChatServer(teacher) as server:
        assert taught(server, tmp_path / "calm", settings(20)) == written
    records = list(read_records(tmp_path / "asynchronous.jsonl"))
    in_batches = [record for record in records if record["price_share"] == 0.5 and record["fault"] is None]
    assert len(in_batches) + len(alone) == 40
    assert len(server.calls) == 40 and (spoil(server.calls[0]) is not None or len(alone) < 40)
    assert len([record for record in records if record["fault"] is None]) == 40


def test_an_answer_of_a_batch_may_hold_line_ends_of_every_kind(tmp_path):
    def write(call):
        return f"{teacher(call)}\u2028\x85\x0c\r\n"

    with BatchServer(write) as server:
        written = taught(server, tmp_path, settings(6, batch=True))
        assert len(written) == 6
        assert sum(call.path.endswith("/chat/completions") for call in server.calls) == 1


def test_a_run_that_ends_while_a_batch_is_under_way_finds_it_again(tmp_path):
    class Gone(Exception):
        pass

    async def leave(seconds):
        raise Gone

    wanted = settings(8, batch=True)
    with BatchServer(teacher) as server:
        for _ in range(2):
            with pytest.raises(Gone):
                taught(server, tmp_path, wanted, sleep=leave)
        written = taught(server, tmp_path, wanted)
        assert len(written) == 8
        assert len(server.batches) == 2  # one a step
        assert set(server.billed.values()) == {1} and len(server.billed) == 16


def test_a_batch_whose_worst_case_is_above_the_budget_is_not_handed_in(tmp_path):
    with BatchServer(teacher) as server:
        with pytest.raises(InputError, match=r"a batch of 50 requests may cost .*teacher.budget_dollars is 0.01"):
            taught(server, tmp_path, settings(50, batch=True, budget_dollars=0.01))
        assert not server.batches and not server.billed


KILLED = """
import sys
from asyncthink.synthesis.openai_teacher import demonstrate
sys.path.insert(0, {tests!r})
import test_openai_teacher as test
where = test.Endpoint("gpt-4o", {url!r}, test.KEY)
wanted = test.settings(120, concurrency=8)
demonstrate(*test.given(wanted), wanted.filter.fewest_kept, test.ITEMS, where=where, responses={path!r})
"""


def test_a_run_that_is_killed_goes_on_without_asking_twice(tmp_path):
    """kill -9 while eight requests are under way: at most those eight are asked a second time."""
    path = tmp_path / "asynchronous.jsonl"
    with ChatServer(teacher, pause=0.02) as server:
        code = KILLED.format(tests=str(ROOT / "tests"), url=server.url, path=str(tmp_path))
        with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"}) as run:
            while len(server.calls) < 60 and run.poll() is None:
                time.sleep(0.01)
            run.send_signal(signal.SIGKILL)
        assert 20 < len(path.read_bytes().splitlines()) < 240
        assert len(taught(server, tmp_path, settings(120))) == 120
        assert len(server.calls) <= 240 + 8
    names = [record["name"] for record in read_records(path) if record]
    assert len(names) == len(set(names)) == 240


def test_two_corpora_are_written_at_once_and_share_what_was_paid_for(tmp_path):
    wanted = settings(10)
    with ChatServer(teacher) as server:
        with ResponseJournal(tmp_path / "one.jsonl"):
            first = taught(server, tmp_path, wanted, corpus="two")
        assert taught(server, tmp_path, wanted, corpus="one") == first
        assert len(server.calls) == 20
    assert estimate(*given(wanted), ITEMS, tmp_path, "gpt-4o", "one")["spent_dollars"] == 0
    assert not (tmp_path / "one.jsonl").read_text()


def without_plans(wanted):
    """Parameters without the arms that a chat model's prompts rule out, and without what names these."""
    ruled_out = {"plan", "diversified"}
    return of_arms(
        wanted.to_mapping(),
        [arm for arm, keys in wanted.arms.items() if not ruled_out & set(keys.get("thinking", ()))],
    )


def test_the_command_asks_whom_the_environment_names(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    wanted = settings(4)
    asked = dataclasses.replace(wanted, synthesize=dataclasses.replace(wanted.synthesize, teacher="openai"))
    Path("params.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(without_plans(asked)))))
    write_json_lines("train.jsonl", ITEMS)
    paths = ["--puzzles", "train.jsonl", "--demonstrations", "written.jsonl"]
    with ChatServer(teacher) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("ASYNCTHINK_TEACHER_MODEL", "local-teacher")
        assert cli.main(["synthesize", "--arm", "asyncthink", *paths, "--estimate"]) == 0
        assert json.loads(capsys.readouterr().out)["requests"] == 8 and not server.calls
        assert cli.main(["synthesize", "--arm", "asyncthink", *paths]) == 0
    assert {call.body["model"] for call in server.calls} == {"local-teacher"}
    assert reasons(demonstration.read("written.jsonl"), wanted) == [None] * 4
    assert Path("work/synthesize/responses/asyncthink.jsonl").exists()


def test_what_the_teacher_wrote_is_replayed_word_for_word(tmp_path):
    wanted, words = settings(5), byte_tokenizer()
    with ChatServer(teacher) as server:
        written = taught(server, tmp_path, wanted)
    for each in written:
        episode = replay(each, words, wanted.thinking)
        assert episode.schedule["format_error"] is None
        assert [trace.own_text for trace in episode.traces[1:]] == list(each.workers.values())
        assert episode.traces[0].own_text == each.organizer
        joined = [segment.text for segment in episode.traces[0].segments if segment.injected]
        assert all(text.startswith("3 * 8</JOIN-") for text in joined) and len(joined) == len(each.workers)


def test_the_key_is_in_nothing_that_is_printed_or_kept(tmp_path, capfd):
    with ChatServer(lambda call: teacher(call) + f" Your key is {KEY}.") as server:
        written = taught(server, tmp_path, settings(3))
    assert KEY not in str(written) and KEY not in "".join(capfd.readouterr())
    assert KEY not in (tmp_path / "asynchronous.jsonl").read_text()
