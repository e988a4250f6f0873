import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncthink import cli
from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.tasks import TASKS, competition_math, multiple_choice, sources, sudoku

PUZZLE = {"puzzle": [[1, 0, 3, 0], [0, 4, 0, 2], [2, 0, 4, 0], [0, 3, 0, 1]]}
SOLUTION = "1234 3412 2143 4321"
MATH = {"answer": r"\frac{1}{2}"}
CHOICE = {"answer": "C", "options": 4}
WRONG_KINDS = [None, [], 3, "text", {}]


def graded(task, item, answer):
    score = TASKS[task].score(item, answer)
    return score["correct"], score["offered"]


# -- all tasks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("item", WRONG_KINDS)
def test_what_is_no_item_is_named(task, item):
    with pytest.raises(InputError):
        TASKS[task].check(item)


@pytest.mark.parametrize("task, item", [("sudoku", PUZZLE), ("competition_math", MATH), ("multiple_choice", CHOICE)])
@pytest.mark.parametrize("answer", [None, "", " \n", "\0", "no idea", "{" * 20])
def test_an_answer_that_answers_nothing_is_wrong(task, item, answer):
    score = TASKS[task].score(item, answer)
    assert (score["accuracy"], score["correct"], score["solutions"]) == (0.0, 0, [])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("task, item", [("sudoku", PUZZLE), ("multiple_choice", CHOICE)])
@pytest.mark.parametrize(
    "answer",
    ["(" * 2_000_000, " " * 2_000_000, "answer is " * 200_000, r"\boxed{" * 300_000, "\\" * 2_000_000, "9" * 2_000_000],
    ids=range(6),
)
def test_megabytes_are_graded_in_linear_time(task, item, answer):
    assert TASKS[task].score(item, answer)["accuracy"] == 0.0


@pytest.mark.parametrize(
    "task, item, answers, voted",
    [
        ("sudoku", PUZZLE, ["1" * 16, SOLUTION, "x", "\n".join(SOLUTION.split())], True),
        ("competition_math", MATH, ["7", r"\boxed{0.5}", r"so $\frac{2}{4}$", "7 / 3"], True),
        ("multiple_choice", CHOICE, ["A", "(C)", "the answer is c", None], True),
        ("multiple_choice", CHOICE, ["A", "C", "A"], False),
    ],
)
def test_a_vote_takes_what_most_answers_say(task, item, answers, voted):
    answer = TASKS[task].aggregate(item, answers)
    assert TASKS[task].score(item, answer)["accuracy"] == float(voted)
    assert TASKS[task].union(item, answers)["accuracy"] == 1.0


@pytest.mark.parametrize("task, item", [("sudoku", PUZZLE), ("competition_math", MATH), ("multiple_choice", CHOICE)])
def test_a_vote_without_answers_is_none(task, item):
    assert TASKS[task].aggregate(item, [None, None]) is None
    assert TASKS[task].union(item, [None, None])["accuracy"] == 0.0


# -- sudoku -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        SOLUTION,
        SOLUTION.replace(" ", ""),
        SOLUTION.replace(" ", "\n"),
        "[[1, 2, 3, 4], [3, 4, 1, 2], [2, 1, 4, 3], [4, 3, 2, 1]]",
        "The grid is:\n1 2 | 3 4\n3 4 | 1 2\n----+----\n2 1 | 4 3\n4 3 | 2 1",
    ],
)
def test_sixteen_digits_are_read_whatever_stands_between_them(answer):
    assert graded("sudoku", PUZZLE, answer) == (1, 1)


ROWS = SOLUTION.split()
LABELS = [
    "Row {n}: ",
    "R{n} | ",
    "{n}: ",
    "{n}) ",
    "| {n} | ",
    "{a} ",
    "**Row {n}:** ",
    "Row {n} (of 4) = ",
    "{nth} row: ",
]
NTH = ("First", "Second", "Third", "Fourth")


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("between", ["\n", "\n\n", ",\n"])
def test_a_grid_is_read_whatever_labels_stand_in_front_of_its_rows(label, between):
    names = [{"n": place + 1, "a": "abcd"[place], "nth": NTH[place]} for place in range(4)]
    grid = between.join(label.format(**name) + " ".join(row) for name, row in zip(names, ROWS, strict=True))
    assert graded("sudoku", PUZZLE, f"Here is the solved 4×4 Sudoku:\n\n{grid}\n") == (1, 1)


@pytest.mark.parametrize(
    "answer",
    [
        "Here is the solved 4×4 Sudoku:\n" + "\n".join(ROWS),
        "Here is the solved 4x4 Sudoku: " + SOLUTION,
        "The 2×2 boxes of the 4-by-4 grid:\n```\n1 2 | 3 4\n3 4 | 1 2\n----+----\n2 1 | 4 3\n4 3 | 2 1\n```",
        "| C1 | C2 | C3 | C4 |\n|---|---|---|---|\n"
        "| 1 | 2 | 3 | 4 |\n| 3 | 4 | 1 | 2 |\n| 2 | 1 | 4 | 3 |\n| 4 | 3 | 2 | 1 |",
        "┌─────┬─────┐\n│ 1 2 │ 3 4 │\n│ 3 4 │ 1 2 │\n├─────┼─────┤\n│ 2 1 │ 4 3 │\n│ 4 3 │ 2 1 │\n└─────┴─────┘",
        "[[1, 2, 3, 4],\n [3, 4, 1, 2],\n [2, 1, 4, 3],\n [4, 3, 2, 1]]",
        "Step 1: cell (1,2) is 2.\nStep 2: cell (2,1) is 3.\n[[1,2,3,4],[3,4,1,2],[2,1,4,3],[4,3,2,1]]",
        "Row 1: 1 2 3 4, Row 2: 3 4 1 2, Row 3: 2 1 4 3, Row 4: 4 3 2 1",
        "Row 1:\n1 2 3 4\nRow 2:\n3 4 1 2\nRow 3:\n2 1 4 3\nRow 4:\n4 3 2 1",
        "The puzzle:\n1 . 3 .\n. 4 . 2\n2 . 4 .\n. 3 . 1\nThe solution:\n"
        + "\n".join(ROWS)
        + "\n\nAll 4 rows hold 1 to 4.",
        "First try:\n4 3 2 1\n2 1 4 3\n3 4 1 2\n1 2 3 4\nThat is wrong. The grid:\n" + "\n".join(ROWS),
        "\n".join(ROWS) + "\nColumn 1: 1 3 2 4\nColumn 2: 2 4 1 3\nColumn 3: 3 1 4 2\nColumn 4: 4 2 3 1",
        '{"row1": [1, 2, 3, 4], "row2": [3, 4, 1, 2], "row3": [2, 1, 4, 3], "row4": [4, 3, 2, 1]}',
        "a 1 2 3 4 b 3 4 1 2 c 2 1 4 3 d 4 3 2 1",
        r"$$\begin{array}{|c|c|c|c|}\hline" "\n" + "\n".join(" & ".join(row) + r" \\ \hline" for row in ROWS),
        "1\ufe0f\u20e3 2 3 4\n**3** 4 1 **2**\n2 1 4 3\n4 3 2 1",
        "1234  (row 1)\n3412  (row 2)\n2143  (row 3)\n4321  (row 4)",
    ],
)
def test_the_last_grid_of_an_answer_is_read(answer):
    assert graded("sudoku", PUZZLE, answer) == (1, 1)


CHECKS = [
    "Check: each row has 1, 2, 3, 4.",
    "Each row contains 1, 2, 3, 4.",
    "All rows: 1,2,3,4",
    "Check: rows 1 2 3 4 ✓",
    "(All 1-4 used: 1 2 3 4)",
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("label", ["", *LABELS])
@pytest.mark.parametrize("between", ["\n", "\n\n"])
def test_a_sentence_below_a_grid_is_not_its_last_row(check, label, between):
    names = [{"n": place + 1, "a": "abcd"[place], "nth": NTH[place]} for place in range(4)]
    grid = "\n".join(label.format(**name) + " ".join(row) for name, row in zip(names, ROWS, strict=True))
    assert graded("sudoku", PUZZLE, grid + between + check) == (1, 1)


@pytest.mark.parametrize("first", ["Solution: ", "Here is the grid: a ", "Zeile 1: ", "Primera fila: ", "Top row: "])
def test_a_sentence_may_stand_in_front_of_the_first_row(first):
    labels = {"H": ("b ", "c ", "d "), "Z": ("Zeile 2: ", "Zeile 3: ", "Zeile 4: "), "T": ("Second row: ",) * 3}
    labels["P"] = ("Segunda fila: ", "Tercera fila: ", "Cuarta fila: ")
    rows = zip((first, *labels.get(first[0], ("",) * 3)), ROWS, strict=True)
    grid = "\n".join(label + " ".join(row) for label, row in rows)
    assert graded("sudoku", PUZZLE, f"{grid}\n\nRows: 1 2 3 4") == (1, 1)


@pytest.mark.parametrize(
    "answer, reason",
    [
        (None, "holds no four rows"),
        ("1234 3412 2143", "holds no four rows"),
        ("2143 4321 1234 3412", "row 1, column 1 is given as another digit"),
        ("1234 3412 2143 4311", "row 4 does not hold each digit once"),
        ("1234 2341 3412 4123", "row 2, column 2 is given as another digit"),
        (SOLUTION, None),
    ],
)
def test_what_is_wrong_with_a_grid_is_said(answer, reason):
    told = [mistake.reason for mistake in sudoku.mistakes(PUZZLE, answer)]
    assert told[0].startswith(reason) if reason else told == []


@pytest.mark.parametrize(
    "answer, offered",
    [
        ("2143 4321 1234 3412", 1),  # a grid, but not this puzzle's
        ("1134 3412 2143 4321", 1),
        ("1234 2341 3412 4123", 1),  # rows and columns hold, boxes do not
        (SOLUTION[:-1], 0),
        (SOLUTION + "1", 0),
        (SOLUTION.replace("4", "5"), 0),
        ("0" + SOLUTION, 0),
        ("1 1 2 3 4\n1 3 4 1 2\n1 2 1 4 3\n1 4 3 2 1", 0),  # rows of five
        ("12345\n34125\n21435\n43215", 0),
        ("1 2 3 4\n3 4 1 2\nand then\n2 1 4 3\n4 3 2", 0),
    ],
)
def test_what_is_not_the_grid_is_wrong(answer, offered):
    assert graded("sudoku", PUZZLE, answer) == (0, offered)


@pytest.mark.parametrize(
    "puzzle",
    [
        [],
        [[0] * 4] * 3,
        [[0] * 5] * 4,
        [[0, 0, 0, 5]] * 4,
        [[0, 0, 0, True]] * 4,
        [["1"] * 4] * 4,
        "0" * 16,
        [[0.0] * 4] * 4,
    ],
)
def test_a_bad_puzzle_is_named(puzzle):
    with pytest.raises(InputError, match="puzzle"):
        sudoku.check({"puzzle": puzzle})


def by_trial(puzzle):
    """Solutions by filling cells one after the other, without a list of grids."""
    cells = [digit for row in puzzle for digit in row]
    if 0 not in cells:
        return [tuple(cells)]
    place = cells.index(0)
    row, column = divmod(place, 4)
    seen = set()
    for other, digit in enumerate(cells):
        r, c = divmod(other, 4)
        if r == row or c == column or (r // 2, c // 2) == (row // 2, column // 2):
            seen.add(digit)
    filled = [[*cells[:place], digit, *cells[place + 1 :]] for digit in range(1, 5) if digit not in seen]
    return [grid for each in filled for grid in by_trial([each[4 * row : 4 * row + 4] for row in range(4)])]


def test_there_are_288_grids():
    assert len(sudoku.grids()) == 288
    assert set(sudoku.grids()) == set(by_trial([[0] * 4] * 4))


@pytest.mark.parametrize("clues, solutions", [(4, 1), (6, 1), ((7, 12), 1), ((4, 8), 2), ((3, 9), 3)])
def test_generated_puzzles_have_their_clues_and_their_number_of_solutions(clues, solutions):
    least, most = (clues, clues) if isinstance(clues, int) else clues
    items = sudoku.generate({"train": 8, "test": 8}, 0, clues, solutions)
    for item in (item for split in items.values() for item in split):
        found = by_trial(item["puzzle"])
        assert len(set(found)) == item["solutions"] == solutions
        assert least <= sum(digit > 0 for row in item["puzzle"] for digit in row) == item["clues"] <= most
        assert all(sudoku.score(item, sudoku.shown(grid))["accuracy"] == 1.0 for grid in found)


def test_generated_splits_are_repeatable_disjoint_and_of_grids_of_their_own():
    sizes = {"train": 40, "test": 20}
    items = sudoku.generate(sizes, 0)
    assert json.dumps(items) == json.dumps(sudoku.generate(sizes, 0)) != json.dumps(sudoku.generate(sizes, 1))
    solved = {split: {by_trial(item["puzzle"])[0] for item in items[split]} for split in sizes}
    other = {by_trial(item["puzzle"])[0] for item in sudoku.generate(sizes, 1)["test"]}
    assert solved["train"].isdisjoint(solved["test"] | other)
    assert len({json.dumps(item["puzzle"]) for split in items.values() for item in split}) == 60


def test_puzzles_that_cannot_be_had_are_said_so():
    with pytest.raises(InputError, match="sudoku test: 0 of 5 puzzles with 3 to 3 clues"):
        sudoku.generate({"test": 5}, 0, 3)


def test_a_row_has_no_more_gaps_than_asked_for():
    items = sudoku.generate({"train": 60, "test": 60}, 0, 12, most_gaps=1)["test"]
    assert len(items) == 60
    assert all(row.count(0) == 1 for item in items for row in item["puzzle"])


def item_set(folder, name, **entry):
    """The items that the command makes of one entry of params.yaml."""
    raw = params.read(Path(__file__).parents[1] / "params.yaml").to_mapping()
    given = {
        "subset": None,
        "items": None,
        "clues": None,
        "gaps": None,
        "samples": 1,
        "arms": ["no_rl"],
        "thinking": {},
    }
    table = "training_sets" if name == "competition_math" else "test_sets"
    raw[table][name] = entry if name == "competition_math" else given | entry
    (folder / "params.yaml").write_text(json.dumps(raw))
    paths = ["--params", str(folder / "params.yaml"), "--items", str(folder / "items.jsonl")]
    if cli.main(["items", "--item-set", name, *paths]):
        return None
    return [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]


def test_items_come_from_the_source_that_params_yaml_names(tmp_path):
    rows = [{"problem": f"{n} + 1", "answer": n + 1} for n in range(5)]
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, own in (("sums", {"task": "competition_math"}), ("competition_math", {})):
        found = item_set(tmp_path, name, source=str(path), items=3, **own)
        assert [(item["problem"], item["answer"]) for item in found] == [("0 + 1", "1"), ("1 + 1", "2"), ("2 + 1", "3")]
    made = item_set(tmp_path, "puzzles", task="sudoku", source="generated", items=4, clues=9, gaps=2)
    assert [item["clues"] for item in made] == [9] * 4


def test_nought_gaps_and_nought_clues_are_asked_for_like_any_other_number(tmp_path, monkeypatch, capsys):
    whole = item_set(tmp_path, "puzzles", task="sudoku", source="generated", items=4, clues=16, gaps=0)
    assert [item["clues"] for item in whole] == [16] * 4
    monkeypatch.setattr(sudoku, "_MOST_DRAWS", 10)
    assert item_set(tmp_path, "puzzles", task="sudoku", source="generated", items=4, clues=0) is None
    assert "puzzles with 0 to 0 clues" in capsys.readouterr().err


def test_what_cannot_be_generated_is_said_in_one_line(tmp_path, capsys):
    assert item_set(tmp_path, "sums", task="competition_math", source="generated", items=3) is None
    said = capsys.readouterr().err
    assert said.endswith(
        "sums.source is generated; allowed: a name on the hub or a file: only sudoku, countdown can be generated\n"
    )
    assert said.count("\n") == 1


def test_sudoku_is_asked_in_both_languages():
    assert sudoku.prompt(PUZZLE, "word") == "a 1 _ 3 _ b _ 4 _ 2 c 2 _ 4 _ d _ 3 _ 1 =10"
    assert "1 . 3 .\n. 4 . 2\n2 . 4 .\n. 3 . 1" in sudoku.prompt(PUZZLE, "chat")


def test_the_puzzles_of_enigmata_are_loaded(tmp_path):
    meta = {"id": "sudoku2_easy_0", "question": PUZZLE["puzzle"], "dataset_name": "sudoku2", "difficulty_level": "easy"}
    rows = [
        {"prompt": "...", "task_name": "sudoku2", "meta": meta},
        {"prompt": "...", "task_name": "sudoku2", "meta": json.dumps(meta | {"id": "as text"})},
        {"prompt": "...", "task_name": "sudoku", "meta": {"question": [[0] * 9] * 9}},
        meta | {"id": "bare"},
    ]
    path = tmp_path / "enigmata.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = sources.enigmata(str(path))
    assert [item["id"] for item in items] == ["sudoku2_easy_0", "as text", "bare"]
    assert all(item["puzzle"] == PUZZLE["puzzle"] and item["solutions"] == 1 for item in items)


# -- multiple choice ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        "C",
        "c",
        " (C) ",
        "C.",
        "**C**",
        "C) a tree",
        "(C) A tree",
        r"\boxed{C}",
        r"\boxed{\text{C}}",
        r"A or B? \boxed{(C)}",
        "The answer is C.",
        "the answer is (C), not B",
        "The answer is A. No, the answer is C",
        "Answer: C",
        "I think it must be C",
        "Option C it is",
        "(c) none of the above",
        "c) none of the above",
        "'C'",
        "'c'",
        '"c"',
        "**c**",
        "`c`",
        "**(c)**",
        r"\boxed{c}",
        r"$\boxed{\mathrm{(C)}}$",
        r"\boxed{\textbf{C. 42}}",
        r"\[ \boxed{C} \]",
        r"Therefore $\boxed{\text{(c)}}$.",
        "The answer is a decrease in pressure (C).",
        "Answer: I think C",
        "Answer: I believe it's (c).",
        "I would say the answer is C because A and B are too small.",
        "Wait, the answer is C",
        "The answer is A. Wait, the answer is C.",
        r"\boxed{A} Wait, the answer is C",
        "The answer is B. Hmm, no. Actually, it's C.",
        "The answer is B. Wait, no, C.",
        "The answer is A? No. The answer is C.",
        "A is wrong. B is wrong. So it must be C.",
        "A and B are both incorrect; therefore, C.",
        "I eliminate A and B and choose C.",
        "It's not A, it's C.",
        "Not A but C",
        "The answer is not A but C.",
        "The answer is C, not A or B",
        "The answer isn't B. It is C.",
        "C is the correct answer.",
        "A is tempting, but C is correct.",
        "If the answer is A, then x = 2, which is false. The answer is C.",
        "**Answer:** C",
        "**Answer**: **C**",
        "## Answer\n\nC",
        "Final answer:\n\n(C)",
        "ANSWER - C",
        "Answer = C",
        "answer → C",
        "The correct option is C.",
        "The correct answer choice is C) 5 m/s.",
        "The answer to the question is **C**.",
        "The answer must be C.",
        "C: A tree",
        "C. Vitamin A deficiency",
        "(C) Type A and type B blood",
        "The answer is (C) Type A blood",
        "Vitamin A deficiency, so C",
        "A tree has n - 1 edges, so it is C.",
        "I know that B cells mature in bone marrow: (C)",
        "The answer is C (since A and D have the wrong sign).",
        "<think>A? B?</think>\nThe answer is C",
        "P(A) = 0.5 and f(x) = 2, which is C.",
        "The answer is\u00a0C",
        "The answer is option c.",
        "答案是C。",
        "If it were A, x would be 2; if it were B, 3. So it must be C.",
        "C) 5, because A) 3 and B) 4 are too small",
        "The answer is none other than C.",
        "Nothing but C",
        "All but C are false, so C.",
        "The answer is C - the tree",
    ],
)
def test_the_letter_is_read(answer):
    assert graded("multiple_choice", CHOICE, answer) == (1, 1)


@pytest.mark.parametrize(
    "answer",
    [
        "A, B, C, D",
        "A or C",
        "none of them",
        "",
        "E",
        "Cat",
        "3",
        "the answer is clear",
        "The answer is B or C",
        "The answer is either B, a plant, or C, an animal",
        "Answer: A B C D E F G H I J",
        "Answer: A, C",
        "The answer is C, or maybe B",
        "The answer is C, but it could also be D.",
        "The answer is not (C).",
        "The answer isn't C",
        "The answer cannot be C.",
        "It is definitely not C",
        "C is wrong",
        "(C) is not correct.",
        "The answer is C. Wait, the answer is not C.",
        "Neither A nor C",
        "None of A, B or C",
        "Both B and C",
        "(B) and (C)",
        "B or C is correct",
        "A) 3\nB) 4\nC) 5\nD) 6",
        r"\boxed{B} or \boxed{C}",
        r"\boxed{\text{B and C}}",
        r"With (C) I get \boxed{42}",
        r"First \boxed{C} and then \boxed{B",
        "The answer is a decrease in pressure.",
        "Answer: A plant cell",
        "A plant cell",
        "I do not know",
        "I think so",
        "Vitamin C",
        "the distance d is 5",
        "Could the answer be C?",
        "A) 3 B) 4 C) 5 D) 6",
        "A: 3, B: 4, C: 5, D: 6",
        "(A) 3 (B) 4 (C) 5 (D) 6",
        "The answer is: A) 3 B) 4 C) 5 D) 6",
        "The answer is anything but C.",
        "Anyone but C",
        "Any option but C",
        "Anything but C is correct.",
        "Any letter other than C",
        "Except for C, all are true.",
        "Apart from C, all are true.",
        "The answer is unlikely to be C.",
        "C is unlikely.",
        "The answer is hardly C.",
        "The answer is far from C",
        "The answer is C.e. unclear",
        "The answer is A-level physics",
        "The answer is C-14",
        "The answer is one of A-C",
        "The answer is C+",
        "The answer is C++",
        "The answer is B+C",
    ],
)
def test_an_answer_that_names_no_single_option_offers_nothing(answer):
    assert graded("multiple_choice", CHOICE, answer) == (0, 0)


def test_another_letter_is_wrong():
    assert graded("multiple_choice", CHOICE, "B") == (0, 1)


@pytest.mark.parametrize(
    "item",
    [CHOICE | {"options": bad} for bad in (1, 27, True, "4", 4.0, None)]
    + [CHOICE | {"answer": bad} for bad in ("E", "", 3)],
)
def test_a_bad_choice_item_is_named(item):
    with pytest.raises(InputError):
        multiple_choice.check(item)


@pytest.mark.parametrize(
    "answer, letter", [("I", "I"), ("The answer is I.", "I"), ("I think J", "J"), ("I is right", "I")]
)
def test_the_ninth_option_is_no_pronoun(answer, letter):
    assert multiple_choice.read(answer, 10) == letter


@pytest.mark.parametrize(
    "task, item",
    [("competition_math", MATH), ("competition_math", MATH | {"problem": 3}), ("multiple_choice", CHOICE)]
    + [
        ("multiple_choice", CHOICE | {"question": "Which?", "choices": bad})
        for bad in ("abcd", ["a", "b", "c", 4], list("abc"), list("abcde"))
    ],
)
def test_an_item_that_can_be_graded_but_not_asked_is_named(task, item):
    TASKS[task].check(item)
    with pytest.raises(InputError, match=r"the item has nothing to ask: its (problem|question)"):
        TASKS[task].prompt(item, "chat")


def test_an_abbreviation_is_no_option():
    assert multiple_choice.read("The answer is I.e. unclear", 10) is None


def test_what_is_wrong_with_a_choice_is_said():
    told = [multiple_choice.mistakes(CHOICE, answer) for answer in ("B", "B or C", None, "C")]
    assert [[mistake.reason for mistake in each] for each in told] == [
        ["is not the right option"],
        ["states no single letter from A to D"],
        ["states no single letter from A to D"],
        [],
    ]


def test_the_subsets_of_mmlu_pro_are_chosen_by_category_and_words(tmp_path):
    questions = [
        "How many spanning trees has a graph?",
        "What is 2 + 2?",
        "Which allele is dominant?",
        "What is a cell?",
    ]
    rows = [
        {"question_id": place, "question": question, "options": ["x", "y", "z"], "answer": "B", "category": category}
        for place, (category, question) in enumerate(product(("math", "biology"), questions))
    ]
    path = tmp_path / "mmlu.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(sources.mmlu_pro(str(path))) == 8
    (graph,) = sources.mmlu_pro(str(path), "graph-theory")
    (gene,) = sources.mmlu_pro(str(path), "genetics")
    assert (graph["question"], gene["question"]) == (questions[0], questions[2])
    assert (graph["options"], graph["answer"]) == (3, "B")
    assert "A. x\nB. y\nC. z" in multiple_choice.prompt(graph, "chat")
    with pytest.raises(InputError, match="graph-theory, genetics"):
        sources.mmlu_pro(str(path), "botany")


@given(st.text(max_size=40))
def test_any_text_is_graded(text):
    for task, item in (("sudoku", PUZZLE), ("multiple_choice", CHOICE)):
        assert TASKS[task].score(item, text)["accuracy"] in (0.0, 1.0)
    competition_math.boxed(text)
