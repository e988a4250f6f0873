"""Structures, demonstrations, documents and the filter, against arithmetic and readings of their own."""

import json
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import combinations, islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncthink import params, protocol
from asyncthink.cli import main
from asyncthink.synthesis import demonstration, documents, format_filter, search, solver_teacher, structures
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.randomness import keyed
from asyncthink.synthesis.surfaces import COUNTS
from asyncthink.tasks import countdown, expressions

ROOT = Path(__file__).parents[1]
WORLD = {"numbers": 5, "smallest": 1, "largest": 12, "uses": 2, "operations": "+-*", "largest_result": 60}
THINKING = {"capacity": 3, "organizer_budget": 96, "worker_budget": 46, "latency_budget": None, "prompts": "word"}
SYNTHESIZE = {
    "teacher": "solver",
    "demonstrations": 300,
    "interleaved": 0.33,
    "batch": 0.33,
    "fewest_forks": 1,
    "most_forks": 5,
    "join_order": "first_in_first_out",
    "overlap": 0.5,
    "think_share": 0.5,
    "window_share": 0.35,
    "correct_share": 1.0,
}
LINE = re.compile(r"(\d+) ([-+*/]) (\d+) (\d+|void) ([.!])")


@cache
def committed():
    return params.read(ROOT / "params.yaml").to_mapping()


def settings_with(**sections) -> params.Params:
    """The committed file with this test's own world, so that a change of scale changes no test."""
    raw = params.merged(committed(), {"reward": {"concurrency_target": 1.0}})
    own = {"puzzles": {**WORLD, "required": 3}, "thinking": THINKING, "synthesize": SYNTHESIZE}
    return params.from_mapping(params.merged(params.merged(raw, own), sections))


def values(numbers):
    """Every pair with every operation, worked out here: (expression, value)."""
    for x, y in combinations(sorted(numbers, reverse=True), 2):
        yield from ((f"{x} + {y}", x + y), (f"{x} - {y}", x - y), (f"{x} * {y}", x * y))


def puzzles(count=40, required=3):
    """Items with exactly three solutions."""
    rng, items = keyed("tests", count), []
    while len(items) < count:
        numbers = rng.sample(range(1, 13), 5)
        targets = Counter(value for _, value in values(numbers) if 0 < value <= 60)
        fitting = sorted(target for target, times in targets.items() if times == 3)
        if fitting:
            item = {"id": str(len(items)), "numbers": numbers, "target": rng.choice(fitting), "required": required}
            items.append(item | {"uses": 2, "operations": "+-*", "solutions": 3})
    return items


ITEMS = puzzles()


def same(expression):
    return expressions.read(expression).text


def hits(text):
    """The pairs that a word text marks as hits."""
    return [f"{x} {operation} {y}" for x, operation, y, _, mark in LINE.findall(text) if mark == "!"]


def told(text):
    return [] if text == "none" else text.split(" ; ")


def is_first(found, place):
    return same(found[place]) not in map(same, found[:place])


def actions_of(structure):
    kinds = {"T": lambda _: protocol.Think("x"), "A": lambda _: protocol.Answer("x")}
    kinds |= {"F": lambda i: protocol.Fork(int(i), "x"), "J": lambda i: protocol.Join(int(i))}
    return [kinds[action[0]](action[1:]) for action in structure]


share = st.floats(0, 1)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    capacity=st.integers(1, 6),
    forks=st.tuples(st.integers(0, 8), st.integers(0, 8)).map(sorted),
    shares=st.tuples(share, share).filter(lambda both: sum(both) <= 1),
    order=st.sampled_from(["first_in_first_out", "random"]),
    overlap=share,
    think=share,
)
def test_every_structure_is_legal_under_its_capacity(seed, capacity, forks, shares, order, overlap, think):
    chosen = replace(
        settings_with().synthesize,
        interleaved=shares[0],
        batch=shares[1],
        fewest_forks=forks[0],
        most_forks=forks[1],
        join_order=order,
        overlap=overlap,
        think_share=think,
    )
    structure = structures.sample(keyed(seed), chosen, capacity)
    forked = [int(action[1:]) for action in structure if action[0] == "F"]
    joined = [int(action[1:]) for action in structure if action[0] == "J"]
    assert protocol.format_error(actions_of(structure), capacity) is None
    assert structures.followed(actions_of(structure)) == structure
    assert forked == list(range(1, len(forked) + 1)) and sorted(joined) == forked
    assert structure[-1] == "A" and structure.count("A") == 1
    assert len(forked) == 0 if capacity == 1 else forks[0] <= len(forked) <= forks[1]
    if order == "first_in_first_out":
        assert joined == forked


def test_with_full_overlap_the_organizer_thinks_only_while_a_worker_runs():
    chosen = replace(settings_with().synthesize, overlap=1.0, think_share=1.0)
    for seed in range(50):
        running = 0
        for action in structures.sample(keyed(seed), chosen, 4):
            running += {"F": 1, "J": -1}.get(action[0], 0)
            assert action != "T" or running


@pytest.mark.parametrize(
    ("structure", "kind"),
    [
        ("T A", "none"),
        ("F1 J1 A", "interleaved"),
        ("T F1 T J1 F2 J2 A", "interleaved"),
        ("F1 F2 J1 J2 A", "batch"),
        ("F1 F2 T J2 J1 A", "batch"),
        ("F1 F2 J1 J2 F3 F4 J3 J4 A", "batch"),
        ("F1 F2 J1 J2 F3 J3 A", "batch"),
        ("F1 J1 F2 F3 J2 J3 A", "other"),
        ("F1 F2 J1 F3 J2 J3 A", "other"),
    ],
)
def test_a_structure_has_the_class_of_its_topology(structure, kind):
    assert structures.topology_class(structure.split()) == kind


def test_random_structures_hold_more_topologies_than_the_two_of_an_unguided_teacher():
    def report(**shares):
        chosen = settings_with(synthesize=shares, thinking={"capacity": 4})
        return format_filter.topologies(list(solver_teacher.demonstrate(chosen, "asynchronous", ITEMS)))

    guided, unguided = report(), report(interleaved=0.5, batch=0.5)
    assert guided["beyond_the_two"] >= 10
    assert unguided["beyond_the_two"] == 0 and unguided["classes"]["other"]["demonstrations"] == 0
    assert sum(kind["demonstrations"] for kind in guided["classes"].values()) == 300
    assert sum(kind["distinct"] for kind in guided["classes"].values()) == guided["distinct"]


@pytest.mark.parametrize("count", range(2, 9))
def test_the_branches_begin_with_every_pair_and_operation_exactly_once(count):
    numbers = list(range(2, 2 + count))
    world = search.World(2, "+-*/", 10**6)
    lines = [step for branch in search.branches(numbers) for step in search.steps(branch, -1, world)]
    found = Counter((frozenset((step.left, step.right)), step.operation) for step in lines)
    assert set(found.values()) == {1}
    assert len(found) == count * (count - 1) // 2 * 4


@pytest.mark.parametrize(
    ("numbers", "uses"), [([2, 3, 5, 7], 3), ([1, 3, 4, 6], 4), ([2, 2, 5, 9], 3), ([1, 2, 3, 4, 8], 3)]
)
def test_a_deep_search_finds_every_solution_without_void_steps(numbers, uses):
    def made(values_left, size):
        """All (expression, value) of `size` numbers, by joining any two results in any order."""
        if size == 1:
            yield from ((f"{value}", value, frozenset([place])) for place, value in values_left)
            return
        for cut in range(1, size):
            for a, x, p in made(values_left, cut):
                for b, y, q in made(values_left, size - cut):
                    if not p & q:
                        for operation, value in (("+", x + y), ("-", x - y), ("*", x * y)):
                            if 0 <= value <= 40:
                                yield f"( {a} ) {operation} ( {b} )", value, p | q

    world = search.World(uses, "+-*", 40)
    everything = {(same(text), value) for text, value, _ in made(list(enumerate(numbers)), uses)}
    for target in (0, 1, 7, 24, 30):
        found = {
            same(step.expression)
            for branch in search.branches(numbers)
            for step in search.steps(branch, target, world)
            if step.hit
        }
        assert found == {text for text, value in everything if value == target}


@pytest.mark.parametrize("uses", [2, 3, 4])
def test_a_deep_search_finds_what_the_solver_of_the_task_counts(uses):
    for seed in range(12):
        rng = keyed("deep", uses, seed)
        numbers, target = rng.choices(range(1, 10), k=4), rng.randint(1, 30)
        found = {
            same(step.expression)
            for branch in search.branches(numbers)
            for step in search.steps(branch, target, search.World(uses, "+-*/", 100))
            if step.hit
        }
        assert found == set(countdown.solve(numbers, target, uses, "+-*/", 100))


@pytest.mark.parametrize("form", ["asynchronous", "sequential"])
@pytest.mark.parametrize("prompts", ["word", "chat"])
@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 5])
def test_every_demonstration_of_the_solver_passes_the_filter(form, prompts, capacity):
    budgets = {"word": (96, 46), "chat": (240, 110)}[prompts]
    thinking = {"capacity": capacity, "prompts": prompts, "organizer_budget": budgets[0], "worker_budget": budgets[1]}
    chosen = settings_with(thinking=thinking, synthesize={"join_order": "random", "most_forks": 8})
    written = list(solver_teacher.demonstrate(chosen, form, ITEMS))
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
    for each in solver_teacher.demonstrate(chosen, form, [ITEMS[index]]):
        assert format_filter.reason(each, chosen.thinking, COUNTS["word"]) is None


def test_an_answer_tells_what_the_search_and_the_joined_workers_found_in_that_order():
    for each in solver_teacher.demonstrate(settings_with(thinking={"capacity": 4}), "asynchronous", ITEMS):
        known = []
        for action in each.actions:
            match action:
                case protocol.Think(text):
                    known += hits(text)
                case protocol.Join(i):
                    known += told(protocol.returned(each.workers[i]))
        assert told(each.answer) == [text for place, text in enumerate(known) if is_first(known, place)]
        assert all(told(protocol.returned(text)) == hits(text) for text in each.workers.values())


def test_a_sequential_answer_tells_what_its_search_found():
    for each in solver_teacher.demonstrate(settings_with(), "sequential", ITEMS):
        assert told(each.answer) == hits(each.organizer) and each.workers == {}


def test_without_correct_demonstrations_no_answer_tells_what_was_found():
    chosen = settings_with(synthesize={"correct_share": 0.0})
    found = [(each, hits(each.organizer)) for each in solver_teacher.demonstrate(chosen, "sequential", ITEMS)]
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
        for each in solver_teacher.demonstrate(settings_with(), form, ITEMS):
            for text in (each.organizer, *each.workers.values()):
                check_lines(text, each.item["target"])
            assert all(check_lines(text, each.item["target"]) == 6 for text in each.workers.values())


def test_a_worker_searches_exactly_what_its_sub_query_says():
    for each in solver_teacher.demonstrate(settings_with(), "asynchronous", ITEMS):
        for i, query in each.queries.items():
            first, *partners, target = query.split()
            assert target == f"={each.item['target']}"
            pairs = [{x, y} for x, _, y, _, _ in LINE.findall(each.workers[i])]
            assert pairs == [{first, partner} for partner in partners for _ in "+-*"]


def test_systematic_demonstrations_have_no_doubles_and_the_others_do():
    def doubles(**chosen):
        found = solver_teacher.demonstrate(settings_with(synthesize=chosen), "asynchronous", ITEMS)
        texts = [each.organizer + " ".join(each.workers.values()) for each in found]
        pairs = [[(frozenset((x, y)), op) for x, op, y, _, _ in LINE.findall(text)] for text in texts]
        return sum(len(set(lines)) < len(lines) for lines in pairs)

    assert doubles(window_share=1.0) == 0
    assert doubles(window_share=0.0) > 100


def test_thoughts_are_whole_branches_where_one_fits():
    thinking = {"organizer_budget": 128, "worker_budget": 58}
    chosen = settings_with(puzzles={"numbers": 6}, thinking=thinking)
    six = [{**item, "numbers": [*item["numbers"], 13]} for item in ITEMS]
    thoughts = Counter(
        len(LINE.findall(action.text))
        for each in solver_teacher.demonstrate(chosen, "asynchronous", six)
        for action in each.actions
        if isinstance(action, protocol.Think)
    )
    assert set(thoughts) == {6, 9}


def test_sequential_traces_begin_at_every_branch_and_use_their_budget():
    chosen = settings_with()
    written = list(solver_teacher.demonstrate(chosen, "sequential", ITEMS))
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
        for each in solver_teacher.demonstrate(chosen, form, ITEMS):
            assert tuple(sorted(each.item["numbers"])) in multisets
    for text, _ in islice(documents.documents(chosen, ITEMS, seed=1), 500):
        role, *rest = text.split()
        if role in ("<solve>", "<organizer>"):
            assert tuple(sorted(map(int, rest[:5]))) in multisets


def targets_of(text):
    return {int(word[1:]) for word in text.split() if word.startswith("=")}


def test_documents_are_right_in_every_line_and_tell_what_they_found():
    kinds, lengths = Counter(), []
    for text, _ in islice(documents.documents(settings_with(), ITEMS, seed=1), 2000):
        (target,) = targets_of(text)
        check_lines(text, target)
        role = text.split()[0]
        kinds[role] += 1
        lengths.append(len(text.split()))
        if role == "<worker>":
            assert told(protocol.returned(text)) == hits(text)[:3]
        elif not role.startswith("<FORK"):
            assert told(protocol.parse(text)[-1].text) == hits(text)[:3]
            assert "<FORK" not in text
    assert kinds["<worker>"] / 2000 == pytest.approx(0.25, abs=0.04)
    assert kinds["<solve>"] > 600 and kinds["<organizer>"] > 600
    assert 20 < 2000 - kinds["<worker>"] - kinds["<solve>"] - kinds["<organizer>"] < 70
    assert max(lengths) <= 260 and sum(length > 150 for length in lengths) > 100


def test_document_weights_are_heavy_where_hits_are_told_from_misses():
    text = "<worker> 3 8 9 =24 8 + 3 11 . 8 * 3 24 ! <RETURN> 8 * 3 </RETURN>"
    assert documents.weights(text, 4.0) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1, 1, 1, 4, 1, 4, 4, 4, 4]
    for text, weights in islice(documents.documents(settings_with(), ITEMS, seed=1), 200):
        assert len(weights) == len(text.split())


def test_a_document_depends_only_on_the_seed_and_its_number():
    chosen = settings_with()
    first = list(islice(documents.documents(chosen, ITEMS, seed=1), 30))
    assert list(islice(documents.documents(chosen, ITEMS, seed=1, start=20), 10)) == first[20:]
    assert list(islice(documents.documents(chosen, ITEMS, seed=2), 30)) != first


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
    written = list(solver_teacher.demonstrate(settings_with(), "asynchronous", ITEMS))
    demonstration.write(tmp_path / "d.jsonl", written)
    assert list(demonstration.read(tmp_path / "d.jsonl")) == written


@pytest.fixture
def steps(tmp_path):
    """Run synthesize and filter in a folder of their own; returns the folder and a caller."""
    import yaml

    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings_with().to_mapping()))
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(item) + "\n" for item in ITEMS))

    def call(step, form="asynchronous", **paths):
        flags = [part for name, path in paths.items() for part in (f"--{name}", str(tmp_path / path))]
        return main([step, "--params", str(tmp_path / "params.yaml"), "--form", form, *flags])

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
