import json
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from answer_pairs import DIFFERENT, EQUAL, UNSTATED, pairs
from written_episodes import sequential

from asyncthink import cli
from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.evaluation import measures, metrics
from asyncthink.tasks import TASKS, competition_math, equality, single_answer, sources
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


@pytest.mark.parametrize("gold, answer", pairs(EQUAL))
def test_what_people_write_for_the_right_answer_is_right(gold, answer):
    assert graded(gold, answer) == (1, 1)
    assert graded(gold, gold) == graded(gold, rf"\boxed{{{gold}}}") == (1, 1)


@pytest.mark.parametrize("gold, answer", pairs(DIFFERENT))
def test_what_is_not_the_right_answer_is_wrong(gold, answer):
    assert TASKS["competition_math"].score({"answer": gold}, answer)["accuracy"] == 0.0


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
    "answer",
    ["The number 42 is not the answer.", "It is 3, or it is 4.", r"\boxed{5} \boxed{7", "Not 4", "3 is wrong.", " "],
)
def test_a_negation_two_statements_and_an_open_box_are_no_answer(answer):
    assert competition_math.final(answer) is None
    assert graded("4", answer) == (0, 0)


@pytest.mark.parametrize("gold, answer", pairs(UNSTATED))
def test_a_number_in_a_sentence_that_states_nothing_is_no_answer(gold, answer):
    assert graded(gold, answer) == (0, 0)


@pytest.mark.parametrize(
    "text, content",
    [
        ("no box", None),
        (r"\boxed{a} \boxed{b", ""),
        (r"\boxed{a \boxed{b}", "b"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"} } \boxed {5} {", "5"),
        (r"\boxed{}", ""),
    ],
)
def test_the_last_box(text, content):
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
        assert comparer.equal("7", "14/2")
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
        assert comparer.equal("1/2", "0.5")
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
    for row in ({"problem": "p"}, {"problem": "p", "answer": True}, {"problem": "p", "answer": " "}, {"answer": "5"}):
        path.write_text(json.dumps(row) + "\n")
        with pytest.raises(InputError, match=r"contest\.jsonl: line 1"):
            sources.math(str(path))


# -- what must not decide a verdict -------------------------------------------------------------------------------

SLOW = ("(x+1)^{80}", "(x^2+2x+1)^{40}")  # a fifth of a second or so


@contextmanager
def comparing(comparer, gold, answer):
    """A comparison under way in another thread: its verdict, filled in at the end, in a list."""
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(comparer.compare(gold, answer)))
    assert comparer.equal("1/2", "0.5")
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
    assert equality.equal("1/2", "0.5")
    answers = [r"\frac{k}{7}", r"2\sqrt{2}", "x^2+2x+1", "(1,2]", r"\{1,2\}", SLOW[0]]
    others = [r"\frac{2k}{14}", r"\sqrt{8}", "(x+1)^2", "(1, 2]", "2,1", SLOW[1]]
    with one_percent_of_a_core(psutil.Process(equality._COMPARER._worker.pid)):
        scores = [TASKS["competition_math"].score({"answer": a}, b) for a, b in zip(answers, others, strict=True)]
    assert [score["accuracy"] for score in scores] == [1.0] * 6
    assert not any(score["out_of_time"] for score in scores)


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
    comparer = Comparer()
    assert comparer.equal("1/2", "0.5")
    comparer.patience = 2
    psutil.Process(comparer._worker.pid).suspend()
    with pytest.raises(InputError, match="not ended in 2 s"):
        comparer.compare("1/2", "0.5")
    comparer.patience = equality.PATIENCE
    assert comparer.equal("1/2", "0.5")
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


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "text", ["(", " ", "answer is ", r"\boxed{", "\\", "9", "$", r"\(", "is 5 ", "\n", ", not", r"\text{"]
)
def test_megabytes_are_read_in_linear_time(text):
    assert competition_math.score({"answer": "7"}, text * (2_000_000 // len(text)))["accuracy"] == 0.0


# -- right answers that do not equal themselves -------------------------------------------------------------------


def test_check_golds_lists_what_does_not_equal_itself(tmp_path, capsys):
    golds = ["3}", r"\$36", 27.0, r"\frac{1}{2", "It is 3 or 4", r"\text{no solution}"]
    path = tmp_path / "golds.jsonl"
    path.write_text("".join(json.dumps({"id": f"q{n}", "answer": gold}) + "\n" for n, gold in enumerate(golds)))
    assert cli.main(["check-golds", str(path)]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"record": 1, "id": "q0", "answer": "3}"},
        {"record": 4, "id": "q3", "answer": r"\frac{1}{2"},
    ]
    assert err == "check-golds: 2 of 6 right answers do not equal themselves\n"
    path.write_text('{"answer": "5"}\n{"answer": null}\n')
    assert cli.main(["check-golds", str(path)]) == 2
    assert "golds.jsonl: line 2: answer must be a text or a number, not None\n" in capsys.readouterr().err


def test_reading_a_data_set_says_how_many_right_answers_do_not_equal_themselves(tmp_path, capsys):
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps({"problem": "?", "answer": gold}) + "\n" for gold in ("5", "3}", r"\$36")))
    raw = params.read(Path(__file__).parents[1] / "params.yaml").to_mapping()
    raw["training_sets"]["competition_math"] = {"source": str(path), "items": 3}
    (tmp_path / "params.yaml").write_text(json.dumps(raw))
    paths = ["--params", str(tmp_path / "params.yaml"), "--items", str(tmp_path / "items.jsonl")]
    assert cli.main(["items", "--item-set", "competition_math", *paths]) == 0
    assert "1 right answers do not equal themselves; asyncthink check-golds" in capsys.readouterr().err
    assert cli.main(["check-golds", str(tmp_path / "items.jsonl")]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == "3}"


def test_what_ran_out_of_time_reaches_the_metrics_of_the_episodes():
    episodes = [sequential(n, f"<ANSWER>{n}</ANSWER>", task="competition_math") for n in (7, 8)]
    for recorded, late in zip(episodes, (0, 1), strict=True):
        recorded.item = {"answer": "7"}
        recorded.score = single_answer.scored(False, "9") | {"out_of_time": late}
    measured = metrics.measurement(list(map(measures.measures, episodes)))
    assert measured.values["out_of_time"].ravel().tolist() == [0.0, 1.0]
