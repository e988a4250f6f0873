import json
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress

import psutil
import pytest

from asyncthink.errors import InputError
from asyncthink.tasks import TASKS, competition_math, equality, sources
from asyncthink.tasks.equality import Comparer
from asyncthink.tasks.judge import Verdict


def graded(gold, answer):
    score = TASKS["competition_math"].score({"answer": gold}, answer)
    return score["correct"], score["offered"]


@pytest.mark.parametrize(
    "gold, answer",
    [
        ("204", "204"),
        ("204", r"First \boxed{7}, no: \boxed{204}"),
        ("204", "The answer is $204$."),
        ("025", "25"),
        (r"\frac{1}{2}", "0.5"),
        (r"\frac{1}{2}", r"\boxed{\dfrac{2}{4}}"),
        (r"\sqrt{2}", r"2^{1/2}"),
        ("x^2+2x+1", "(x+1)^2"),
        ("1024", "2^{10}"),
        ("(1,2)", r"\boxed{(1, 2)}"),
        (r"\boxed{12}", "12"),
    ],
)
def test_equal_answers_are_right(gold, answer):
    assert graded(gold, answer) == (1, 1)


@pytest.mark.parametrize(
    "gold, answer",
    [
        ("204", "205"),
        ("204", r"\boxed{204} or rather \boxed{7}"),
        ("2", "2^{10}"),
        (r"\frac{1}{2}", r"\frac{1}{3}"),
        ("204", r"\boxed{}"),
        ("(1,2)", "(2,1)"),
    ],
)
def test_other_answers_are_wrong(gold, answer):
    assert TASKS["competition_math"].score({"answer": gold}, answer)["accuracy"] == 0.0


@pytest.mark.parametrize(
    "text, content",
    [
        ("no box", None),
        (r"\boxed{a} \boxed{b", "a"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"} } \boxed {5} {", "5"),
        (r"\boxed{}", ""),
    ],
)
def test_the_last_box_that_is_closed(text, content):
    assert competition_math.boxed(text) == content


@pytest.mark.timeout(120)
def test_a_hostile_answer_costs_no_more_than_the_limit_and_the_next_is_compared_again():
    comparer = Comparer(limit=0.5)
    try:
        for answer in [
            "9^{9^{9}}",
            "(" * 500 + "1" + ")" * 500,
            r"\frac{" * 500,
            "9" * 5_000,
            "\0",
            "1+" * 5_000 + "2",
        ]:
            assert not comparer.equal("7", answer)
        assert comparer.equal("7", "7")
    finally:
        comparer.close()


def test_a_worker_that_was_killed_is_started_again():
    comparer = Comparer()
    try:
        assert comparer.equal("1/2", "0.5")
        first = comparer._worker.pid
        os.kill(first, signal.SIGKILL)
        assert comparer.equal("1/2", "0.5") and comparer._worker.pid != first
    finally:
        comparer.close()


def test_one_worker_serves_many_comparisons_from_many_threads():
    comparer, verdicts = Comparer(), []
    try:
        assert comparer.equal("0", "0")
        first = comparer._worker.pid

        def ask(number):
            verdicts.append(comparer.equal(str(number), f"{2 * number}/2") and not comparer.equal(str(number), "-1"))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert verdicts == [True] * 40 and comparer._worker.pid == first
    finally:
        comparer.close()


@pytest.mark.parametrize("answer", [7, None, "", " ", ["7"]])
def test_a_math_item_without_an_answer_is_named(answer):
    with pytest.raises(InputError, match="answer"):
        competition_math.check({"answer": answer})


def test_math_is_loaded_from_a_file_of_either_kind(tmp_path):
    path = tmp_path / "contest.jsonl"
    rows = [
        {"id": 60, "problem": "p", "answer": "025"},
        {"question": "q", "answer": 27.0},
        {"problem": "r", "answer": 1.5},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [(item["id"], item["answer"]) for item in sources.math(str(path))] == [
        ("contest-60", "025"),
        ("contest-1", "27"),
        ("contest-2", "1.5"),
    ]
    assert "p" in competition_math.prompt(sources.math(str(path))[0], "chat")
    path.write_text('{"problem": "p"}\n')
    with pytest.raises(InputError, match="record 1"):
        sources.math(str(path))


# -- what must not decide a verdict -------------------------------------------------------------------------------

SLOW = ("(x+1)^{80}", "(x^2+2x+1)^{40}")  # a fifth of a second or so


@contextmanager
def comparing(comparer, gold, answer):
    """A comparison under way in another thread: its verdict, filled in at the end, in a list."""
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(comparer.compare(gold, answer)))
    assert comparer.equal("0", "0")
    worker = psutil.Process(comparer._worker.pid)
    before = sum(worker.cpu_times()[:2])
    thread.start()
    while sum(worker.cpu_times()[:2]) < before + 0.02:
        time.sleep(0.001)
    yield worker, verdicts
    thread.join()


@pytest.mark.timeout(120)
def test_a_comparison_that_is_stopped_for_ten_seconds_ends_as_it_would_have():
    comparer = Comparer(limit=5)
    with comparing(comparer, *SLOW) as (worker, verdicts):
        worker.suspend()
        time.sleep(10)
        assert not verdicts
        worker.resume()
    comparer.close()
    assert verdicts == [Verdict.EQUAL]


@contextmanager
def one_percent_of_a_core(worker):
    """The process runs a hundredth of the time until the block ends."""
    ended = threading.Event()

    def duty_cycle():
        while not ended.is_set():
            worker.suspend()
            time.sleep(0.099)
            worker.resume()
            time.sleep(0.001)

    thread = threading.Thread(target=duty_cycle)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.timeout(400)
def test_right_answers_are_right_on_one_percent_of_a_core():
    assert equality.equal("0", "0")
    answers = [r"\frac{k}{7}", r"2\sqrt{2}", "x^2+2x+1", "(1,2]", r"\{1,2\}", SLOW[0]]
    others = [r"\frac{2k}{14}", r"\sqrt{8}", "(x+1)^2", "(1, 2]", "2,1", SLOW[1]]
    start = time.monotonic()
    with one_percent_of_a_core(psutil.Process(equality._COMPARER._worker.pid)):
        scores = [TASKS["competition_math"].score({"answer": a}, b) for a, b in zip(answers, others, strict=True)]
    assert [score["accuracy"] for score in scores] == [1.0] * 6
    assert not any(score["out_of_time"] for score in scores)
    assert time.monotonic() - start > 10  # of wall time, where they take a fraction of a second of CPU time


@contextmanager
def killing(comparer):
    """Any worker is killed as soon as it is seen."""
    ended = threading.Event()

    def kill():
        while not ended.is_set():
            with suppress(psutil.NoSuchProcess, AttributeError):
                psutil.Process(comparer._worker.pid).kill()
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.timeout(120)
def test_a_worker_that_starts_slowly_is_waited_for_whatever_a_comparison_may_take():
    comparer = Comparer(limit=0.2)  # less than it takes to load the library
    assert comparer.compare("1/2", "0.5") is Verdict.EQUAL
    comparer.close()


def test_a_comparison_that_never_ends_on_the_wall_clock_is_an_error_and_no_verdict():
    comparer = Comparer(patience=2)
    assert comparer.equal("1", "1")
    psutil.Process(comparer._worker.pid).suspend()
    with pytest.raises(InputError, match="not ended in 2 s"):
        comparer.compare("1", "1")
    assert comparer.equal("1", "1")
    comparer.close()


def test_a_worker_that_is_killed_twice_is_an_error_and_no_verdict():
    comparer = Comparer()
    with pytest.raises(InputError, match="SIGKILL"), killing(comparer):
        comparer.compare("7", "9^{9^{9}}")
    comparer.close()


def test_what_runs_out_of_time_is_counted_in_grades_and_votes_and_told(capsys, monkeypatch):
    comparer = Comparer(limit=0.3)
    monkeypatch.setattr(competition_math, "compare", comparer.compare)
    hostile, item = r"\boxed{9^{9^{9}}}", {"answer": "7"}
    score = competition_math.score(item, hostile)
    assert (score["accuracy"], score["offered"], score["out_of_time"]) == (0.0, 1, 1)
    assert "out of time (0.3 s of CPU): is '9^{9^{9}}' '7'?" in capsys.readouterr().err
    union = competition_math.union(item, [hostile, "7", hostile])
    assert (union["accuracy"], union["offered"], union["out_of_time"]) == (1.0, 3, 2)
    assert competition_math.score(item, "8")["out_of_time"] == 0
    comparer.close()
