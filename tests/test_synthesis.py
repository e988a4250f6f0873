"""Demonstrations, documents and the filter, against arithmetic and readings of their own."""

import json
import re
from collections import Counter
from itertools import islice

import pytest
import yaml
from countdown_world import ITEMS, LINE, demonstrations, hits, is_first, settings_with, told
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncthink import protocol
from asyncthink.cli import main
from asyncthink.synthesis import demonstration, documents, format_filter, solver_teacher, structures
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.surfaces import COUNTS
from asyncthink.tasks import sudoku


def corpus(chosen, seed, start=0):
    """The documents of some parameters."""
    own = documents.Settings(chosen.puzzles, chosen.thinking, chosen.pretrain)
    return documents.documents(own, ITEMS, seed, start)


@pytest.mark.parametrize("form", ["asynchronous", "sequential"])
@pytest.mark.parametrize("prompts", ["word", "chat"])
@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 5])
def test_every_demonstration_of_the_solver_passes_the_filter(form, prompts, capacity):
    budgets = {"word": (96, 46), "chat": (240, 110)}[prompts]
    thinking = {"capacity": capacity, "prompts": prompts, "organizer_budget": budgets[0], "worker_budget": budgets[1]}
    chosen = settings_with(thinking=thinking, synthesize={"join_order": "random", "most_forks": 8})
    written = list(demonstrations(chosen, form, ITEMS))
    reasons = [format_filter.reason(each, chosen.thinking, COUNTS[prompts]) for each in written]
    assert Counter(reasons) == {None: 300}
    assert all(structures.followed(each.actions) == list(each.structure) for each in written)


@settings(max_examples=40, deadline=None)
@given(
    organizer=st.integers(14, 200),
    worker=st.integers(12, 80),
    capacity=st.integers(1, 5),
    correct=st.sampled_from([0.0, 1.0]),
    form=st.sampled_from(["asynchronous", "sequential"]),
    index=st.integers(0, 39),
)
def test_no_budget_is_exceeded_whatever_it_is(organizer, worker, capacity, correct, form, index):
    thinking = {"capacity": capacity, "organizer_budget": organizer, "worker_budget": worker}
    chosen = settings_with(thinking=thinking, synthesize={"demonstrations": 8, "correct_share": correct})
    for each in demonstrations(chosen, form, [ITEMS[index]]):
        assert format_filter.reason(each, chosen.thinking, COUNTS["word"]) is None


def test_an_answer_tells_what_the_search_and_the_joined_workers_found_in_that_order():
    for each in demonstrations(settings_with(thinking={"capacity": 4}), "asynchronous", ITEMS):
        known = []
        for action in each.actions:
            match action:
                case protocol.Think(text):
                    known += hits(text)
                case protocol.Join(i):
                    known += hits(protocol.returned(each.workers[i]))
        assert told(each.answer) == distinct(known)
        assert all(hits(protocol.returned(text)) == hits(search_of(text)) for text in each.workers.values())


def distinct(known):
    return [text for place, text in enumerate(known) if is_first(known, place)]


def search_of(text):
    """A worker's text before it returns."""
    return text.partition(protocol.RETURN_OPEN)[0]


def test_a_sequential_answer_tells_what_its_search_found():
    for each in demonstrations(settings_with(), "sequential", ITEMS):
        assert told(each.answer) == hits(each.organizer) and each.workers == {}


def test_without_correct_demonstrations_no_answer_tells_what_was_found():
    chosen = settings_with(synthesize={"correct_share": 0.0})
    found = [(each, hits(each.organizer)) for each in demonstrations(chosen, "sequential", ITEMS)]
    assert all(told(each.answer) != lines for each, lines in found if lines)
    assert sum(bool(lines) for _, lines in found) > 100


def check_lines(text, target):
    """Every line's arithmetic, and its mark; returns how many lines there are."""
    lines = LINE.findall(text)
    for x, operation, y, shown, mark in lines:
        value = {"+": int(x) + int(y), "-": int(x) - int(y), "*": int(x) * int(y)}[operation]
        assert shown == (str(value) if 0 <= value <= 60 else "void")
        assert (mark == "!") == (value == target and value <= 60)
    return len(lines)


def test_the_arithmetic_of_every_demonstration_is_right_and_its_hits_are_marked():
    for form in solver_teacher.FORMS:
        for each in demonstrations(settings_with(), form, ITEMS):
            for text in (each.organizer, *each.workers.values()):
                check_lines(text, each.item["target"])
            searches = map(search_of, each.workers.values())
            assert all(check_lines(text, each.item["target"]) == 6 for text in searches)


def test_a_worker_searches_exactly_what_its_sub_query_says():
    for each in demonstrations(settings_with(), "asynchronous", ITEMS):
        for i, query in each.queries.items():
            first, *partners, target = query.split()
            assert target == f"={each.item['target']}"
            pairs = [{x, y} for x, _, y, _, _ in LINE.findall(search_of(each.workers[i]))]
            assert pairs == [{first, partner} for partner in partners for _ in "+-*"]


def test_systematic_demonstrations_have_no_doubles_and_the_others_do():
    def doubles(**chosen):
        found = demonstrations(settings_with(synthesize=chosen), "asynchronous", ITEMS)
        texts = [each.organizer + " ".join(map(search_of, each.workers.values())) for each in found]
        pairs = [[(frozenset((x, y)), op) for x, op, y, _, _ in LINE.findall(text)] for text in texts]
        return sum(len(set(lines)) < len(lines) for lines in pairs)

    assert doubles(window_share=1.0) == 0
    assert doubles(window_share=0.0) > 100


def test_sequential_demonstrations_begin_with_the_first_branch_in_the_share_asked_for():
    def first(share):
        settings = settings_with(synthesize={"first_branch_share": share})
        found = list(demonstrations(settings, "sequential", ITEMS))
        begun = [str(each.item["numbers"][0]) in LINE.search(each.organizer).group(1, 3) for each in found]
        return sum(begun) / len(begun)

    assert first(1.0) == 1
    assert 0.1 < first(0.0) < 0.5


def test_thoughts_are_whole_branches_where_one_fits():
    thinking = {"organizer_budget": 128, "worker_budget": 58}
    chosen = settings_with(puzzles={"numbers": 6}, thinking=thinking)
    six = [{**item, "numbers": [*item["numbers"], 13]} for item in ITEMS]
    thoughts = Counter(
        len(LINE.findall(action.text))
        for each in demonstrations(chosen, "asynchronous", six)
        for action in each.actions
        if isinstance(action, protocol.Think)
    )
    assert set(thoughts) == {6, 9}


def test_sequential_traces_begin_at_every_branch_and_use_their_budget():
    chosen = settings_with()
    written = list(demonstrations(chosen, "sequential", ITEMS))
    starts = Counter(each.item["numbers"].index(first) for each in written if (first := first_anchor(each)) is not None)
    assert set(starts) == set(range(5)) and starts[0] > max(starts[place] for place in range(1, 5))
    lengths = [len(each.organizer.split()) for each in written]
    assert min(lengths) >= 96 - 30 - 5 and max(lengths) >= 94


def first_anchor(each):
    """The number that the first two pairs of a sequential trace share."""
    lines = LINE.findall(each.organizer)
    shared = {int(lines[0][0]), int(lines[0][2])} & {int(lines[3][0]), int(lines[3][2])}
    return shared.pop() if len(shared) == 1 else None


def test_demonstrations_and_documents_come_from_training_items_only():
    multisets = {tuple(sorted(item["numbers"])) for item in ITEMS}
    chosen = settings_with()
    for form in solver_teacher.FORMS:
        for each in demonstrations(chosen, form, ITEMS):
            assert tuple(sorted(each.item["numbers"])) in multisets
    for text, _ in islice(corpus(chosen, seed=1), 500):
        role, *rest = text.split()
        if role in ("<solve>", "<organizer>"):
            assert tuple(sorted(map(int, rest[:5]))) in multisets


def targets_of(text):
    return {int(word[1:]) for word in text.split() if word.startswith("=")}


def test_documents_are_right_in_every_line_and_tell_what_they_found():
    kinds, lengths = Counter(), []
    for text, _ in islice(corpus(settings_with(), seed=1), 2000):
        (target,) = targets_of(text)
        check_lines(text, target)
        role = text.split()[0]
        kinds[role] += 1
        lengths.append(len(text.split()))
        if role == "<worker>":
            assert hits(protocol.returned(text)) == hits(search_of(text))[:3]
        elif not role.startswith("<FORK"):
            assert told(protocol.parse(text)[-1].text) == distinct(hits(text))[:3]
            assert "<FORK" not in text
    assert kinds["<worker>"] / 2000 == pytest.approx(settings_with().pretrain.worker_share, abs=0.04)
    assert kinds["<solve>"] > 500 and kinds["<organizer>"] > 300
    assert 20 < 2000 - kinds["<worker>"] - kinds["<solve>"] - kinds["<organizer>"] < 70
    assert max(lengths) <= 260 and sum(length > 150 for length in lengths) > 100


ROW = re.compile(r"([a-d]) 1 (.) 2 (.) 3 (.) 4 (.) (\1 [1-4] [1-4] [1-4] [1-4])")


def test_sudoku_comes_in_the_place_of_some_countdown_solved_row_by_row_and_without_forks():
    plain, mixed = (
        list(islice(corpus(settings_with(pretrain={"sudoku_share": share}), seed=1), 1000)) for share in (0.0, 0.1)
    )
    added = [text for (text, _), old in zip(mixed, plain, strict=True) if text != old.text]
    assert len(added) / 1000 == pytest.approx(0.1, abs=0.03)
    kept = set(sudoku.of_split("test", sudoku.HALVES))
    for text in added:
        question, thought = text.split(" =10 ")
        given = dict(re.findall(r"([a-d])((?: [1-4_])+)", question))
        lines = ROW.findall(thought)
        for name, *marks, solved in lines:
            missing = "".join(digit for digit, mark in zip("1234", marks, strict=True) if mark == "!")
            assert solved == name + given[name].replace("_", missing)
        told_of = protocol.returned(text) if text.startswith("<worker>") else protocol.parse(text)[-1].text
        assert told_of.split(" ; ") == [solved for *_, solved in lines]
        assert not re.search("FORK|JOIN", text)
        if len(lines) == 4:
            in_order = " ".join(solved[2:] for *_, solved in sorted(lines))
            assert tuple(map(int, in_order.split())) not in kept


def test_document_weights_are_heavy_where_hits_are_told_from_misses():
    text = "<worker> 3 8 9 =24 8 + 3 11 . 8 * 3 24 ! <RETURN> 8 * 3 </RETURN>"
    assert documents.weights(text, 4.0) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1, 1, 1, 4, 1, 4, 4, 4, 4]
    for text, weights in islice(corpus(settings_with(), seed=1), 200):
        assert len(weights) == len(text.split())


def test_a_document_depends_only_on_the_seed_and_its_number():
    chosen = settings_with()
    first = list(islice(corpus(chosen, seed=1), 30))
    assert list(islice(corpus(chosen, seed=1, start=20), 10)) == first[20:]
    assert list(islice(corpus(chosen, seed=2), 30)) != first


def demo(organizer, workers=None, form="asynchronous"):
    return Demonstration("countdown", ITEMS[0], form, ("A",), organizer, workers or {})


FORK = "<FORK-1> 3 5 7 =24 </FORK-1>"
DONE = "3 + 5 8 . <RETURN> none </RETURN>"
END = "<ANSWER> none </ANSWER>"


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (demo(f"{FORK} <JOIN-1> {END}", {1: DONE}), None),
        (demo(f"{FORK} {END}", {1: DONE}), None),
        (demo(f"{FORK} <JOIN-1> {FORK} {END}", {1: DONE}), "duplicate_fork"),
        (demo(f"{FORK} {FORK.replace('-1', '-2')} {FORK.replace('-1', '-3')} {END}"), "pool_overflow"),
        (demo(f"{FORK} <JOIN-2> {END}", {1: DONE}), "dangling_join"),
        (demo(f"{FORK} <JOIN-1>", {1: DONE}), "no_answer"),
        (demo(f"{FORK} <JOIN-1> {END}"), "missing_worker"),
        (demo(f"{FORK} <JOIN-1> {END}", {1: DONE, 2: DONE}), "surplus_worker"),
        (demo(f"{FORK} <JOIN-1> {END}", {1: "3 + 5 8 ."}), "unreturned_worker"),
        (demo(f"{'3 + 5 8 . ' * 19} {END}"), "organizer_too_long"),
        (demo(f"{FORK} <JOIN-1> {END}", {1: "3 + 5 8 . " * 9 + DONE}), "worker_too_long"),
        (demo(f"3 + 5 8 . {END}", form="sequential"), None),
        (demo(f"{FORK} <JOIN-1> {END}", {1: DONE}, form="sequential"), "pool_overflow"),
    ],
)
def test_the_filter_names_the_first_thing_that_is_wrong(shown, reason):
    assert format_filter.reason(shown, settings_with().thinking, COUNTS["word"]) == reason


def test_demonstrations_survive_their_file(tmp_path):
    written = list(demonstrations(settings_with(), "asynchronous", ITEMS))
    demonstration.write(tmp_path / "d.jsonl", written)
    assert list(demonstration.read(tmp_path / "d.jsonl")) == written


@pytest.fixture
def steps(tmp_path):
    """Run synthesize and filter in a folder of their own; returns the folder and a caller."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings_with().to_mapping()))
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(item) + "\n" for item in ITEMS))

    def call(step, form="asynchronous", **paths):
        flags = [part for name, path in paths.items() for part in (f"--{name}", str(tmp_path / path))]
        return main(
            [
                step,
                "--params",
                str(tmp_path / "params.yaml"),
                "--arm",
                {"asynchronous": "asyncthink", "sequential": "sequential"}[form],
                *flags,
            ]
        )

    return tmp_path, call


@pytest.mark.parametrize("form", ["asynchronous", "sequential"])
def test_the_commands_write_the_same_bytes_from_run_to_run(steps, form):
    folder, call = steps
    for run in "ab":
        assert call("synthesize", form, puzzles="train.jsonl", demonstrations=f"{run}.jsonl") == 0
        outputs = {"kept": f"{run}.kept", "rejected": f"{run}.rejected", "metrics": f"{run}.json"}
        assert call("filter", form, demonstrations=f"{run}.jsonl", **outputs) == 0
    for ending in ("jsonl", "kept", "rejected", "json"):
        assert (folder / f"a.{ending}").read_bytes() == (folder / f"b.{ending}").read_bytes()
    metrics = json.loads((folder / "a.json").read_text())
    assert metrics["kept"] == 300 and metrics["rejected"] == {} and (folder / "a.rejected").read_text() == ""
    assert 0 < metrics["all_correct"] < metrics["accuracy"] < 1
    assert metrics["organizer_tokens"]["longest"] <= 96


def test_rejected_traces_go_to_their_own_file_with_the_reason(steps):
    folder, call = steps
    good, bad = demo(f"{FORK} <JOIN-1> {END}", {1: DONE}), demo(f"{FORK} <JOIN-1>", {1: DONE})
    demonstration.write(folder / "d.jsonl", [good, good, bad])
    assert call("filter", demonstrations="d.jsonl", kept="kept", rejected="rejected", metrics="m.json") == 0
    rejected = json.loads((folder / "rejected").read_text())
    assert rejected["reason"] == "no_answer" and rejected["organizer"] == bad.organizer
    assert list(demonstration.read(folder / "kept")) == [good, good]
    metrics = json.loads((folder / "m.json").read_text())
    assert (metrics["demonstrations"], metrics["kept"], metrics["rejected"]) == (3, 2, {"no_answer": 1})


def test_a_corpus_that_is_mostly_rejected_stops_with_the_most_common_reason(steps, capsys):
    folder, call = steps
    bad = [demo(f"{FORK} <JOIN-1>", {1: DONE})] * 1200 + [demo(f"{FORK} <JOIN-1> {END}")] * 3
    demonstration.write(folder / "d.jsonl", bad)
    assert call("filter", demonstrations="d.jsonl", kept="kept", rejected="rejected", metrics="m.json") == 2
    said = capsys.readouterr().err
    assert "kept 0 of 1,203 traces; see" in said and "most common reason: no_answer (1,200)" in said
    assert not (folder / "kept").exists() and len((folder / "rejected").read_text().splitlines()) == 1203


@pytest.mark.parametrize(
    "line", ["{}", '{"task": 3', '{"task":"countdown","item":[],"form":"x","structure":[],"organizer":"","workers":{}}']
)
def test_a_line_that_is_no_demonstration_is_one_clear_sentence(steps, capsys, line):
    folder, call = steps
    (folder / "d.jsonl").write_text(line + "\n")
    assert call("filter", demonstrations="d.jsonl", kept="kept", rejected="rejected", metrics="m.json") == 2
    assert "d.jsonl: line 1 is not" in capsys.readouterr().err
