"""Demonstrations, documents and the filter, against arithmetic and readings of their own."""

import json
import operator
import re
from collections import Counter
from fractions import Fraction
from itertools import islice

import pytest
import yaml
from countdown_world import BRANCH, ITEMS, NAME, demonstrations, hits, named, searched, settings_with, told
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from asyncthink import protocol
from asyncthink.cli import main
from asyncthink.errors import InputError
from asyncthink.synthesis import demonstration, documents, format_filter, solver_teacher, structures
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.surfaces import SURFACES
from asyncthink.tasks import countdown, sudoku
from asyncthink.tasks.countdown_puzzles import number_sets
from asyncthink.tasks.countdown_search import BRANCH_NAMES, branches
from asyncthink.tasks.expressions import read

VALUES = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": Fraction}


def corpus(chosen, seed, start=0):
    """The documents of some parameters."""
    return documents.documents(documents.Settings(chosen.puzzles, chosen.pretrain), seed, start)


@pytest.mark.parametrize("form", ["asynchronous", "sequential"])
@pytest.mark.parametrize("prompts", ["word", "chat"])
@pytest.mark.parametrize("capacity", [1, 2, 3, 5])
def test_every_demonstration_of_the_solver_passes_the_filter(form, prompts, capacity):
    budgets = {"word": (260, 160), "chat": (700, 400)}[prompts]
    thinking = {"capacity": capacity, "prompts": prompts, "organizer_budget": budgets[0], "worker_budget": budgets[1]}
    chosen = settings_with(thinking=thinking, synthesize={"join_order": "random", "most_forks": 8})
    written = list(demonstrations(chosen, form, ITEMS))
    reasons = [format_filter.reason(each, chosen.thinking, SURFACES[prompts].count) for each in written]
    assert Counter(reasons) == {None: 300}
    assert all(structures.followed(each.actions) == list(each.structure) for each in written)


@settings(max_examples=40, deadline=None)
@given(
    organizer=st.integers(40, 500),
    worker=st.integers(30, 300),
    capacity=st.integers(1, 5),
    form=st.sampled_from(["asynchronous", "sequential"]),
    index=st.integers(0, 39),
)
def test_no_budget_is_exceeded_whatever_it_is(organizer, worker, capacity, form, index):
    thinking = {"capacity": capacity, "organizer_budget": organizer, "worker_budget": worker}
    chosen = settings_with(thinking=thinking, synthesize={"demonstrations": 8})
    for each in demonstrations(chosen, form, [ITEMS[index]]):
        assert format_filter.reason(each, chosen.thinking, SURFACES["word"].count) is None


# How SmolLM2 and Qwen3 cut a text before they look for their tokens: no token reaches over a cut.
CUTS = {
    "SmolLM2": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    ),
    "Qwen3": pre_tokenizers.Split(
        Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"
    ),
}


@pytest.mark.parametrize("family", CUTS)
def test_sentences_keep_their_budgets_in_the_tokens_of_a_real_model_too(family):
    chosen = settings_with(thinking={"prompts": "chat", "organizer_budget": 450, "worker_budget": 300})
    pieces = [
        (len(CUTS[family].pre_tokenize_str(text)), SURFACES["chat"].count(text))
        for form in ("asynchronous", "sequential")
        for each in demonstrations(chosen, form, ITEMS)
        for text in (each.organizer, *each.workers.values())
    ]
    assert all(cut <= counted for cut, counted in pieces)
    assert sum(counted for _, counted in pieces) < 1.1 * sum(cut for cut, _ in pieces)


def test_a_search_in_sentences_is_of_equations_and_goes_on_after_a_solution_with_a_sentence_of_its_own():
    for item in ITEMS:
        numbers, target = tuple(sorted(item["numbers"], reverse=True)), item["target"]
        for branch in branches(numbers):
            steps = list(SURFACES["chat"].steps(branch, target))
            assert all(re.match(r"\d|With \d|Also ", text) and text.endswith(".") for text, _ in steps)
            found = [solution for _, solution in steps if solution]
            assert [read(each).text for each in found] == [read(each).text for each in branch.hits(target)]
            for text, solution in (step for step in steps if step[1]):
                spelled = re.findall(rf"(?:, |so |Also )([()\d+*/-]+)={target}(?=, |\.$)", text)
                assert len(spelled) == 3 and spelled[-1] == solution
                assert all(read(each).value == target for each in spelled)
            told = " ".join(text for text, _ in steps)
            equations = re.findall(r"(?<![\d()*/+-])(\d+)([-+*/])(\d+)=(\d+)", told)
            assert all(VALUES[operation](int(a), int(b)) == int(value) for a, operation, b, value in equations)
            goals = [each.split(" or ") for each in re.findall(r"make ([^:]*):", told)]
            for said, line in zip(goals, branch.lines, strict=True):
                wanted = {goal for _, goal in line.goals(target)}
                assert {goal.split("=")[-1] for goal in said} == (set(map(str, wanted)) or {"nothing"})
                assert len(set(said)) == len(said)
                made = [move for move in line.moves if move.hits(target) or move.result not in wanted]
                for move in made:
                    assert (str(line.left), move.operation, str(line.right), str(move.result)) in equations


@pytest.mark.parametrize(
    ("prompts", "ordered", "item"),
    [
        ("chat", 0.0, {"numbers": [7, 5, 3, 3], "target": 50}),  # searched as three numbers, 10 * 5 would be a solution
        ("chat", 0.0, {"numbers": [9, 7, 5, 3, 1], "target": 24}),
        ("chat", 0.0, {"numbers": [8, 3, 0], "target": 24}),
        ("chat", 0.0, {"numbers": [8, 3], "target": 24}),
        ("chat", 0.0, {"numbers": [8, 7, 3], "target": 18, "uses": 2}),
        ("chat", 0.0, {"numbers": [8, 7, 3], "target": 18, "operations": "+-"}),
        ("chat", 1.0, {"numbers": [8, 7, 3], "target": 18}),  # no good order of three numbers is known
        ("word", 0.0, {"numbers": [8, 7, 3], "target": 18}),
    ],
)
def test_the_solver_refuses_an_item_that_its_search_is_not_of(prompts, ordered, item):
    wanted = settings_with(thinking={"prompts": prompts}, synthesize={"ordered_share": ordered})
    with pytest.raises(InputError, match=r"^mine: its branches are not known, .*; allowed: (3 or )?4 different"):
        next(demonstrations(wanted, "asynchronous", [{"id": "mine", **item, "required": 1}]))


def test_an_answer_tells_what_the_search_and_the_joined_workers_found_in_that_order():
    for each in demonstrations(settings_with(thinking={"capacity": 4}), "asynchronous", ITEMS):
        known = []
        for action in each.actions:
            match action:
                case protocol.Think(text):
                    known += hits(text)
                case protocol.Join(i):
                    known += told(protocol.returned(each.workers[i]))
        assert told(each.answer) == list(dict.fromkeys(known))[:3]
        for text in each.workers.values():
            assert told(protocol.returned(text)) == list(dict.fromkeys(hits(text)))[:3]


def test_a_sequential_answer_tells_what_its_search_found():
    for each in demonstrations(settings_with(), "sequential", ITEMS):
        assert told(each.answer) == hits(each.organizer) and each.workers == {}


@pytest.mark.parametrize("form", ["asynchronous", "sequential"])
def test_as_soon_as_all_solutions_are_in_hand_the_answer_follows(form):
    complete = 0
    for each in demonstrations(settings_with(), form, ITEMS):
        known = set()
        for action in each.actions:
            if isinstance(action, protocol.Answer) or len(known) == 3:
                assert isinstance(action, protocol.Answer)
                complete += len(known) == 3
                break
            if isinstance(action, protocol.Think):
                known |= set(hits(action.text))
                assert len(known) < 3 or action.text.rstrip().endswith(hits(action.text)[-1])
            elif isinstance(action, protocol.Join):
                known |= set(told(protocol.returned(each.workers[action.id])))
    assert complete > 20


def value(expression):
    return eval(re.sub(r"(\d+)", r"Fraction(\1)", expression), {"Fraction": Fraction})


def check_lines(text, numbers, target):
    """The numbers and the arithmetic of every branch, and that hits are right; how many branches there are."""
    found = BRANCH.findall(text)
    assert len(found) == text.count("|")
    for name, left, right, result, rest in found:
        assert named(name, numbers) == f"{left}{name[1]}{right}"
        assert value(named(name, numbers)) == int(result)
        for solution in hits(rest):
            assert value(solution) == target
    return len(found)


def test_the_arithmetic_of_every_demonstration_is_right_and_its_hits_reach_the_target():
    for form in solver_teacher.FORMS:
        for each in demonstrations(settings_with(), form, ITEMS):
            for text in (each.organizer, *each.workers.values()):
                check_lines(text, each.item["numbers"], each.item["target"])
            assert countdown.score(each.item, each.answer)["correct"] == len(told(each.answer))


def test_a_worker_searches_exactly_what_its_sub_query_says():
    for each in demonstrations(settings_with(), "asynchronous", ITEMS):
        for i, query in each.queries.items():
            *numbers, rest = query.split(" ", 4)
            target, *branches = rest.split()
            assert sorted(map(int, numbers)) == sorted(each.item["numbers"])
            assert target == f"={each.item['target']}"
            begun = searched(each.workers[i])
            assert begun == branches[: len(begun)]
            assert begun == branches or len(hits(each.workers[i])) >= 3 or len(each.workers[i].split()) > 60


def test_systematic_demonstrations_have_no_doubles_and_the_others_do():
    def doubles(share):
        found = demonstrations(settings_with(synthesize={"systematic_share": share}), "asynchronous", ITEMS)
        begun = [
            [name for text in (each.organizer, *each.workers.values()) for name in searched(text)] for each in found
        ]
        return sum(len(set(names)) < len(names) for names in begun)

    assert doubles(1.0) == 0
    assert doubles(0.0) > 30


@pytest.mark.parametrize("budget", [90, 180, 360])
def test_sequential_traces_use_their_budget(budget):
    for each in demonstrations(settings_with(thinking={"organizer_budget": budget}), "sequential", ITEMS):
        length = len(each.organizer.split())
        assert length <= budget
        assert len(told(each.answer)) == 3 or length > budget - 150


def test_documents_are_of_number_sets_that_no_puzzle_has():
    chosen = settings_with()
    base = set(number_sets(chosen.puzzles)["base"])
    assert not base & {tuple(sorted(item["numbers"], reverse=True)) for item in ITEMS}
    for text, _ in islice(corpus(chosen, seed=1), 500):
        role, *rest = text.split()
        assert role != "<worker>"
        if role in ("<solve>", "<organizer>"):
            assert tuple(map(int, rest[:4])) in base


QUESTION = re.compile(r"(\d+ \d+ \d+ \d+) =")


def is_list(text):
    """Whether a document names branches, and neither searches nor answers."""
    return text.startswith(("<solve>", "<organizer>")) and "|" not in text and "<ANSWER>" not in text


def test_documents_are_right_and_tell_what_they_found():
    kinds, asked = Counter(), 0
    for text, weights in islice(corpus(settings_with(), seed=1), 1500):
        assert len(weights) == len(text.split())
        (target,) = {int(word[1:]) for word in text.split() if word.startswith("=")}
        (numbers,) = {tuple(map(int, question.split())) for question in QUESTION.findall(text)}
        check_lines(text, numbers, target)
        role = text.split()[0]
        kinds[role] += 1
        if role in ("<solve>", "<organizer>"):
            assert "<FORK" not in text
            if is_list(text):
                continue
            answer = told(protocol.parse(text)[-1].text)
            assert all(value(solution) == target for solution in answer) and len(set(answer)) == len(answer) <= 3
            prompt = text.partition(" |")[0].split()[6:]
            if prompt and all(NAME.fullmatch(word) for word in prompt):
                asked += 1
                assert searched(text) == prompt[: len(searched(text))]
    assert asked / 1500 == pytest.approx(settings_with().pretrain.asked_share, abs=0.04)
    assert kinds["<organizer>"] > 200 and 10 < kinds.total() - kinds["<solve>"] - kinds["<organizer>"] < 60


def test_a_list_names_every_branch_once_and_those_that_hold_a_hit_first():
    lists = [text.split() for text, _ in islice(corpus(settings_with(), seed=1), 1500) if is_list(text)]
    assert len(lists) / 1500 == pytest.approx(settings_with().pretrain.listed_share, abs=0.04)
    mixed = grouped = 0
    for _, *numbers, target, after in ((*words[:6], words[6:]) for words in lists):
        in_order = [word for word in after if word in BRANCH_NAMES]
        question = f"{' '.join(numbers)} {target}"
        groups = [group.split() for group in " ".join(after).split(question)]
        grouped += len(groups) > 1
        assert [name for group in groups for name in group] == in_order
        assert len(groups) == 1 or (not groups[0] and {len(group) for group in groups[1:]} <= {1, 2, 3})
        own = branches(tuple(map(int, numbers)))
        holding = {branch.name for branch in own if branch.hits(int(target.removeprefix("=")))}
        assert len(in_order) == len(own)
        assert set(in_order) == {branch.name for branch in own}
        assert set(in_order[: len(holding)]) == holding
        mixed += 0 < len(holding) < len(own)
    assert mixed > 100 and grouped / len(lists) == pytest.approx(0.5, abs=0.08)


ROW = re.compile(r"([a-d]) 1 (.) 2 (.) 3 (.) 4 (.) (\1 [1-4] [1-4] [1-4] [1-4])")


def test_sudoku_comes_in_the_place_of_some_countdown_solved_row_by_row_and_without_forks():
    plain, mixed = (
        list(islice(corpus(settings_with(pretrain={"sudoku_share": share}), seed=1), 1000)) for share in (0.0, 0.1)
    )
    assert not any(re.search(r"=10 [a-d]( |$)", text) for text, _ in plain)
    added = [text for text, _ in mixed if re.search(r"=10 [a-d] 1 ", text)]
    assert len(added) / 1000 == pytest.approx(0.1, abs=0.03)
    kept = set(sudoku.of_split("test", sudoku.HALVES))
    for text in added:
        question, thought = text.split(" =10 ")
        given = dict(re.findall(r"([a-d])((?: [1-4_])+)", question))
        lines = ROW.findall(thought)
        for name, *marks, solved in lines:
            missing = "".join(digit for digit, mark in zip("1234", marks, strict=True) if mark == "!")
            assert solved == name + given[name].replace("_", missing)
        assert protocol.parse(text)[-1].text.split(" ; ") == [solved for *_, solved in lines]
        assert not re.search("FORK|JOIN", text)
        if len(lines) == 4:
            in_order = " ".join(solved[2:] for *_, solved in sorted(lines))
            assert tuple(map(int, in_order.split())) not in kept


def test_document_weights_are_heavy_where_hits_are_told_from_misses():
    text = "| a-d 9 1 8 2 !* 12 8 3 * 24 + 11 !+ ((9 - 1) + 3) + 2 - 5 <ANSWER> none </ANSWER>"
    heavy = [word for word, weight in zip(text.split(), documents.weights(text, 4.0), strict=True) if weight == 4.0]
    assert heavy == ["+", "!+", "((9", "-", "1)", "+", "3)", "+", "2", "-", "<ANSWER>", "none", "</ANSWER>"]


def test_a_document_depends_only_on_the_seed_and_its_number():
    chosen = settings_with()
    first = list(islice(corpus(chosen, seed=1), 30))
    assert list(islice(corpus(chosen, seed=1, start=20), 10)) == first[20:]
    assert list(islice(corpus(chosen, seed=2), 30)) != first


def demo(organizer, workers=None, form="asynchronous"):
    return Demonstration("countdown", ITEMS[0], form, ("A",), organizer, workers or {})


FORK = "<FORK-1> 3 5 7 9 =24 9 + 7 </FORK-1>"
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
        (demo(f"{'3 + 5 8 . ' * 60} {END}"), "organizer_too_long"),
        (demo(f"{FORK} <JOIN-1> {END}", {1: "3 + 5 8 . " * 40 + DONE}), "worker_too_long"),
        (demo(f"3 + 5 8 . {END}", form="sequential"), None),
        (demo(f"{FORK} <JOIN-1> {END}", {1: DONE}, form="sequential"), "pool_overflow"),
    ],
)
def test_the_filter_names_the_first_thing_that_is_wrong(shown, reason):
    assert format_filter.reason(shown, settings_with().thinking, SURFACES["word"].count) == reason


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
    assert metrics["organizer_tokens"]["longest"] <= 600


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


NONE = [demonstration.to_mapping(demo(END)) | bad for bad in ({"item": []}, {"item": {}}, {"task": "x"}, {"form": "x"})]


@pytest.mark.parametrize("line", ["{}", '{"task": 3', *map(json.dumps, NONE)])
def test_a_line_that_is_no_demonstration_is_one_clear_sentence(steps, capsys, line):
    folder, call = steps
    (folder / "d.jsonl").write_text(line + "\n")
    assert call("filter", demonstrations="d.jsonl", kept="kept", rejected="rejected", metrics="m.json") == 2
    assert "d.jsonl: line 1 is not" in capsys.readouterr().err
