import ast
import hashlib
import json
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncthink.errors import InputError
from asyncthink.files import write_json_lines
from asyncthink.settings import Puzzles
from asyncthink.tasks import countdown, countdown_puzzles, expressions, notation, solver
from asyncthink.tasks.countdown_search import branches, sorted_numbers

WORLD = Puzzles(
    smallest=1,
    largest=13,
    base_largest=15,
    largest_target=40,
    required=2,
    most_solutions=5,
    train=60,
    validation=15,
    test=25,
)
ITEM = {"numbers": [3, 5, 7, 9], "target": 24, "required": 4}
ALL_FOUR = ["(5 - 7/3) * 9", "(9+3)*(7-5)", "9*5 - 7*3", "9 + 7 + 5 + 3"]

SOME_MARKS = st.text(alphabet="0123456789+-*/() ", max_size=14)


@st.composite
def expression_texts(draw, depth=3):
    """Well-formed expressions with superfluous parentheses and blanks here and there."""
    if depth == 0 or draw(st.booleans()):
        text = str(draw(st.integers(0, 9)))
    else:
        left, right = draw(expression_texts(depth - 1)), draw(expression_texts(depth - 1))
        text = f"{left}{draw(st.sampled_from(['+', ' - ', '*', ' / ']))}{right}"
    return f"({text})" if draw(st.booleans()) else text


def parsed(text):
    """Python's own reading of an expression, or None where it is not one of the contract's grammar."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None
    allowed = (ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Constant)
    return tree if all(isinstance(node, allowed) for node in ast.walk(tree)) else None


def flattened(tree):
    """The contract's identity, recursively: ("+", signed terms), ("*", factors with exponents) or a number."""
    if isinstance(tree, ast.Constant):
        return tree.value
    kind = "+" if isinstance(tree.op, ast.Add | ast.Sub) else "*"
    sign = 1 if isinstance(tree.op, ast.Add | ast.Mult) else -1

    def parts(form):
        return form[1] if isinstance(form, tuple) and form[0] == kind else frozenset({((1, form), 1)})

    merged = Counter(dict(parts(flattened(tree.left))))
    for (exponent, form), count in parts(flattened(tree.right)):
        merged[exponent * sign, form] += count
    return kind, frozenset(merged.items())


def exactly(tree):
    if isinstance(tree, ast.Constant):
        return Fraction(tree.value)
    left, right = exactly(tree.left), exactly(tree.right)
    if left is None or right is None or (isinstance(tree.op, ast.Div) and right == 0):
        return None
    return {
        ast.Add: lambda: left + right,
        ast.Sub: lambda: left - right,
        ast.Mult: lambda: left * right,
        ast.Div: lambda: left / right,
    }[type(tree.op)]()


def every_text(numbers, operations):
    """Brute force: every fully parenthesized expression over the numbers in the order given."""
    if len(numbers) == 1:
        yield str(numbers[0])
    for cut in range(1, len(numbers)):
        for left in every_text(numbers[:cut], operations):
            for right in every_text(numbers[cut:], operations):
                for operation in operations:
                    yield f"({left}{operation}{right})"


def brute_force(numbers, uses, operations):
    """target -> the distinct solutions as flattened forms, over all orders of all choices."""
    reached = {}
    for chosen in set(permutations(numbers, uses)):
        for text in every_text(chosen, operations):
            tree = parsed(text)
            value = exactly(tree)
            if value is not None and value.denominator == 1:
                reached.setdefault(int(value), set()).add(flattened(tree))
    return reached


def canonical(expression):
    return expressions.read(notation.plain(expression)).text


# -- expressions --------------------------------------------------------------------------------------------------


@given(SOME_MARKS | expression_texts())
def test_the_grammar_is_pythons_without_signs_and_powers(text):
    plain = " ".join(text.split())
    # Python forbids leading zeros and tells ** and // from * and /; a text without them reads the same in both
    if not any(mark in plain for mark in ("**", "//", "0")):
        assert expressions.is_expression(plain) == (parsed(plain) is not None)


@given(expression_texts())
def test_the_value_is_exact(text):
    assert expressions.read(text).value == exactly(parsed(text))


@given(expression_texts(), expression_texts())
def test_two_expressions_are_the_same_exactly_if_they_flatten_to_the_same(one, other):
    same = flattened(parsed(one)) == flattened(parsed(other))
    assert (canonical(one) == canonical(other)) == same


@given(expression_texts())
def test_the_canonical_form_is_an_expression_with_the_same_meaning(text):
    form = canonical(text)
    assert flattened(parsed(form)) == flattened(parsed(text))
    assert canonical(form) == form


@pytest.mark.parametrize(
    "one, other",
    [
        ("1-(2-3)", "1+3-2"),
        ("8/(4/2)", "8*2/4"),
        ("(1+2)*3", "3*(2+1)"),
        ("((1))+((2+3))", "3+2+1"),
        ("2 × 3 ÷ 4 − 1", "2*3/4-1"),
        ("6/2/3", "6/(3*2)"),
        ("1-(2-(3-4))", "1+3-2-4"),
        ("(2*3)*(4+5)", "2*(5+4)*3"),
    ],
)
def test_expressions_that_are_the_same(one, other):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("(5-3)*(9-7)", "(3-5)*(7-9)"),
        ("3*1", "3/1"),
        ("2*(3+4)", "2*3+2*4"),
        ("4-2", "2-4"),
        ("2+2", "2*2"),
        ("(1-2)*3", "3*1-2"),
        ("5-(3-2)*4", "5+(2-3)*4"),
    ],
)
def test_expressions_that_are_not_the_same(one, other):
    assert canonical(one) != canonical(other)


# -- grading ------------------------------------------------------------------------------------------------------


def graded(answer, **item):
    score = countdown.score(ITEM | item, answer)
    return score["correct"], score["offered"]


@pytest.mark.parametrize("separator", ["\n", ";", " ; ", "\r\n", "\n\n;\n"])
def test_all_solutions_however_separated_score_one(separator):
    score = countdown.score(ITEM, separator.join(ALL_FOUR))
    assert (score["accuracy"], score["correct"], score["offered"]) == (1.0, 4, 4)


def test_accuracy_is_the_share_of_what_is_required():
    for count in range(5):
        assert countdown.score(ITEM, ";".join(ALL_FOUR[:count]))["accuracy"] == count / 4
        assert countdown.score(ITEM | {"required": 2}, ";".join(ALL_FOUR[:count]))["accuracy"] == min(count, 2) / 2


@pytest.mark.parametrize(
    "answer, correct, offered",
    [
        (None, 0, 0),
        ("", 0, 0),
        ("none", 0, 0),
        (" ;; \n ; ", 0, 0),
        ("9+7+5+3", 1, 1),
        ("9+7+5+3 = 24", 1, 1),
        ("9+7+5+3=24", 1, 1),
        ("9+7+5+3 = 25", 0, 1),
        ("9+7+5+3 = ", 0, 1),
        ("9+7+5+3 = 24 = 24", 0, 1),
        ("9+7+5+3 = 24.0", 1, 1),
        ("9+7+5+3 = 24.5", 0, 1),
        ("24 = 9+7+5+3", 1, 1),
        ("25 = 9+7+5+3", 0, 1),
        ("24 = 9+7+5+3 = 24", 0, 1),
        ("9*5-7*3 = 45-21", 0, 1),
        ("9+7+5+3 = -24", 0, 1),
        ("9 + 7 + 5 + 3; 3+5+7+9", 1, 2),
        ("9×5−7×3", 1, 1),
        ("(5 - 7÷3)*9", 1, 1),
        ("3*8", 0, 1),
        ("9+7+5+3+0", 0, 1),
        ("9+7+5+3-3+3", 0, 1),
        ("9+7+8", 0, 1),
        ("9+15", 0, 1),
        ("24", 0, 1),
        ("-3+5+7+9", 0, 0),
        ("9+7+5+-3", 0, 0),
        ("3(5+7)9", 0, 0),
        ("3**5+7+9", 0, 0),
        ("3//5+7+9", 0, 0),
        ("3^5", 0, 0),
        ("9+7+5+3 1", 0, 0),
        ("9+7+5+3!", 0, 0),
        ("9.0+7+5+3", 0, 0),
        ("9+7+(5+3", 0, 0),
        ("9+7)+(5+3", 0, 0),
        ("()9+7+5+3", 0, 0),
        ("x = 9+7+5+3", 0, 0),
        ("the answer: 9+7+5+3", 1, 1),
        ("the answer is 9+7+5+3", 0, 0),
        ("９+7+5+3", 0, 0),
        ("9/(7-7)+5", 0, 1),
        ("3/(5-5+7-7)", 0, 1),
    ],
)
def test_what_counts_and_what_does_not(answer, correct, offered):
    assert graded(answer) == (correct, offered)


def test_a_negative_target_takes_a_negative_tail():
    assert graded("3 - 5 = -2", numbers=[3, 5], target=-2, required=1) == (1, 1)
    assert graded("3 - 5 = −2", numbers=[3, 5], target=-2, required=1) == (1, 1)
    assert graded("3 - 5 = (-2)", numbers=[3, 5], target=-2, required=1) == (1, 1)
    assert graded("-2.0 = 3 - 5", numbers=[3, 5], target=-2, required=1) == (1, 1)
    assert graded("3 - 5 = 2", numbers=[3, 5], target=-2, required=1) == (0, 1)


def test_a_number_may_be_used_as_often_as_the_item_has_it():
    assert graded("6*6-12", numbers=[6, 6, 12], target=24, required=1) == (1, 1)
    assert graded("6*6-12", numbers=[6, 12, 12], target=24, required=1) == (0, 1)


def test_uses_asks_for_exactly_so_many_numbers():
    item = {"numbers": [3, 8, 12, 2], "target": 24, "uses": 2}
    assert graded("3*8; 12*2; 8*3", **item) == (2, 3)
    assert graded("3*8; 3*8*2/2; 12*(8-3*2)", **item) == (1, 3)


def test_operations_allows_only_those():
    item = {"numbers": [3, 8, 48, 2], "target": 24, "uses": 2}
    assert graded("3*8; 48/2", **item, operations="+-*") == (1, 2)
    assert graded("3*8; 48÷2", **item, operations="*/") == (2, 2)


def test_the_first_eight_expressions_are_read_and_all_are_counted():
    assert graded(";".join(["1+1"] * 7 + ALL_FOUR)) == (1, 11)
    assert graded(";".join(["no expression"] * 9 + ALL_FOUR)) == (4, 4)


@pytest.mark.parametrize(
    "written",
    [
        "1. 2*3*4 = 24",
        "1) 2*3*4",
        "12\\. 2*3*4",
        "• 2*3*4 = 24",
        "- 2*3*4",
        "- 24 = 2*3*4",
        "– 24 = 2 × 3 × 4",
        "* 2*3*4 = 24",
        "– 2*3*4",
        "- 1. **2*3*4**",
        "Solution 1: 2*3*4 = 24",
        "### Way 1: 2*3*4",
        "### 1. 2*3*4",
        "## $2 \\times 3 \\times 4$",
        "> 2*3*4 = 24",
        "解法1：2×3×4 = 24",
        "**Way 1:** 2*3*4 = 24",
        "**Way 1**: `2*3*4`",
        "**1.** 2 * 3 * 4 = **24**",
        "**2 * 3 * 4** = 24 ✓",
        "***2*3*4***",
        "*2*3*4 = 24*",
        "_2*3*4_",
        "`2*3*4` = `24`",
        "```2*3*4```",
        "2*3*4 = 24.",
        "2*3*4,",
        "2*3*4 = 24 ✅.",
        "✅ 2*3*4 = 24",
        "2*3*4 = 24 ✔️",
        "$2 \\times 3 \\times 4 = 24$",
        "$$2 \\cdot 3 \\cdot 4$$",
        "$2$ * $3$ * $4$ = $24$",
        "\\(2 \\times 3 \\times 4\\) = 24",
        "\\[ 2\\,\\times\\,3\\;\\times\\;4 \\]",
        "\\boxed{2*3*4}",
        "\\boxed{2*3*4 = 24}.",
        "2*3*4 = \\boxed{24}",
        "Answer: $\\boxed{2 \\times 3 \\times 4}$",
        "\\boxed{\n2*3*4\n}",
        "\\left(2 \\times 3\\right) \\times 4",
        "2 · 3 · 4",
        "2 ⋅ 3 ⋅ 4 = 24",
        "2 \\* 3 \\* 4",
        "2\u00a0×\u202f3 × 4",
        "```\n2*3*4\n```",
        "Here are the ways:\n\n1. 2*3*4 = 24\n\nThere is no other.",
    ],
)
def test_what_chat_models_put_around_an_expression_is_taken_off(written):
    assert graded(written, numbers=[2, 3, 4], target=24, required=1) == (1, 1)


@pytest.mark.parametrize(
    "written, numbers, target",
    [
        (r"9 \cdot \left(5 - \frac{7}{3}\right) = 24", [3, 5, 7, 9], 24),
        (r"$\dfrac{9}{3} + 5$", [9, 3, 5], 8),
        (r"$\frac{8}{\frac{4}{2}}$", [8, 4, 2], 4),
        (r"8 \div \frac{4}{2}", [8, 4, 2], 4),
        (r"\frac{ 8 + 4 } { 2 }", [8, 4, 2], 6),
        ("8 ÷ 4 − 2 = 0", [8, 4, 2], 0),
    ],
)
def test_fractions_and_signs_mean_what_they_say(written, numbers, target):
    assert graded(written, numbers=numbers, target=target, required=1) == (1, 1)


@pytest.mark.parametrize(
    "written",
    [
        "3**5+7+9",
        "3 ** 5 + 7 ** 9",
        "(3)**(5)+7+9",
        "**3**5+7+9**",
        "3^{5}+7+9",
        r"3\cdot",
        r"9\frac{7}{3}+5",
        r"\frac{9+7}{5+3",
        r"\boxed{9+7+5+3",
        r"\sqrt{9}+7+5+3",
        r"\text{9+7+5+3}",
        "{9+7+5+3}",
        "[9+7+5+3]",
        "*9+7+5+3",
        "9+7+5+3*",
        "+9+7+5+3",
        "-9+7+5+3",
        "-(3-5)+7+9",
        "Answer: - 3 + 5 + 7 + 9",
        "$9+7+5+3",
        "9+7+5+3 is 24",
        "9 7 5 3",
        "1.9+7+5+3",
        "9x7",
        "9_7 + 5_3",
        "9+7+5+3 (used all)",
    ],
)
def test_what_is_no_expression_does_not_become_one(written):
    assert graded(written) == (0, 0)


@pytest.mark.parametrize(
    "answer, reasons",
    [
        ("9+7+5+3; 3+5+7+9", ["the same as one before", "1 right expressions; 2 are required"]),
        ("9+7+5-3", ["is 18, not 24", "0 right"]),
        ("9+7+5+5", ["takes 5 more often than the item has it (1)", "0 right"]),
        ("9+7+5+4", ["takes 4, which the item does not have", "0 right"]),
        ("9+7", ["takes fewer numbers than 4", "0 right"]),
        ("9/(7-5-3+1)", ["takes 1, which", "0 right"]),
        ("9+7+5+3 = 25", ["what stands on the other side of = is not 24", "0 right"]),
        ("9+7+5+3 = 24 = 24", ["more than one =", "0 right"]),
        ("3^2+7+9", ["not an expression", "0 right"]),
        ("no idea", ["0 right"]),
        (None, ["0 right"]),
        ("9+7+5+3\n9*5-7*3", []),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(answer, reasons):
    told = [mistake.reason for mistake in countdown.mistakes(ITEM | {"required": 2}, answer)]
    assert len(told) == len(reasons) and all(map(str.startswith, told, reasons)), told


def test_an_operation_that_is_not_allowed_and_a_division_by_zero_are_named():
    def first(answer, **item):
        return countdown.mistakes(ITEM | item, answer)[0].reason

    assert first("9/7+5+3", operations="+-") == "uses /; allowed: + -"
    assert first("5/(3-3)", numbers=[3, 3, 5]) == "divides by zero"
    assert first("9*" * 9 + "9") == "takes 9 more often than the item has it (1)"
    assert first("7/2", numbers=[7, 2], target=3) == "is 7/2, not 3"


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "answer, correct, offered",
    [
        ("(" * 500 + "9+7+5+3" + ")" * 500, 1, 1),
        ("(" * 1_000_000 + "9+7+5+3" + ")" * 1_000_000, 1, 1),
        ("(" * 3_000_000, 0, 0),
        ("9+7+5+" + "0" * 5_000 + "3", 1, 1),
        ("1+" * 1_000_000 + "1", 0, 1),
        ("1;" * 1_000_000, 0, 1_000_000),
        ("9" * 5_000, 0, 1),
        ("9+7+5+3=" + "9" * 5_000, 0, 1),
        ("9" * 5_000 + "+7+5+3", 0, 1),
        ("9+7+5+3\0", 0, 0),
        ("\0" * 3_000_000, 0, 0),
        ("<FORK-1>" * 400_000, 0, 0),
        (" " * 3_000_000, 0, 0),
        ("1" + " " * 1_000_000 + "1", 0, 0),
        ("- " * 1_000_000, 0, 0),
        ("=" * 3_000_000, 0, 0),
        ("(" + " " * 3_000_000 + "x=9+7+5+3", 0, 0),
        ("\ud800", 0, 0),
    ],
    ids=range(18),
)
def test_hostile_answers_are_graded_like_any_other(answer, correct, offered):
    assert graded(answer) == (correct, offered)
    countdown.aggregate(ITEM, [answer, answer])


@pytest.mark.parametrize(
    "item, names",
    [
        (None, "object"),
        ({}, "numbers"),
        ({"numbers": [1, 2], "target": 3}, "required"),
        ({"numbers": [1, 2], "required": 3}, "target"),
        (ITEM | {"numbers": []}, "numbers"),
        (ITEM | {"numbers": [1] * 65}, "numbers"),
        (ITEM | {"numbers": [1, True]}, "numbers"),
        (ITEM | {"numbers": [1, 2.0]}, "numbers"),
        (ITEM | {"numbers": [1, -2]}, "numbers"),
        (ITEM | {"numbers": "3579"}, "numbers"),
        (ITEM | {"target": "24"}, "target"),
        (ITEM | {"target": 24.5}, "target"),
        (ITEM | {"required": 0}, "required"),
        (ITEM | {"required": False}, "required"),
        (ITEM | {"uses": 5}, "uses"),
        (ITEM | {"uses": 0}, "uses"),
        (ITEM | {"uses": None}, "uses"),
        (ITEM | {"operations": ""}, "operations"),
        (ITEM | {"operations": "+^"}, "operations"),
        (ITEM | {"operations": ["+"]}, "operations"),
    ],
)
def test_a_bad_item_is_named(item, names):
    with pytest.raises(InputError, match=names):
        countdown.check(item)


def test_a_vote_keeps_the_most_frequent_expressions_in_whatever_form():
    answers = ["3+5 ; 1*2", "5+3 ; 7-9", None, "garbage", "7 - 9 ; 3 + 5"]
    assert countdown.aggregate(ITEM | {"required": 2}, answers) == "5 + 3 ; 7 - 9"
    assert countdown.aggregate(ITEM | {"required": 1}, ["1+1 ; 1+1", "2*2", "2*2"]) == "2 * 2"
    assert countdown.aggregate(ITEM, [None, "none", ""]) is None


def test_the_voted_answer_is_graded_like_its_expressions():
    answers = [" ; ".join(ALL_FOUR[:2]), " ; ".join(ALL_FOUR[1:]), " ; ".join(ALL_FOUR)]
    assert countdown.score(ITEM, countdown.aggregate(ITEM, answers))["accuracy"] == 1.0


def test_the_union_counts_whatever_one_answer_has_right():
    score = countdown.union(ITEM, [ALL_FOUR[0], None, f"{ALL_FOUR[0]};{ALL_FOUR[1]};1+1"])
    assert (score["accuracy"], score["correct"], score["offered"]) == (0.5, 2, 4)


def test_the_question_names_the_rules():
    assert countdown.prompt(ITEM, "word") == "9 7 5 3 =24"
    assert countdown.prompt(ITEM | {"numbers": [7, 3, 9, 5]}, "word") == "9 7 5 3 =24"
    question = countdown.prompt(ITEM | {"uses": 2, "operations": "+*"}, "chat")
    for part in ("4 different", "24", "3, 5, 7, 9", "exactly 2 of the numbers", "addition, multiplication"):
        assert part in question


# -- solver and generator -----------------------------------------------------------------------------------------


def found_by_the_solver(numbers, operations, uses):
    """target -> its solutions as flattened forms, and that they are as many as there are forms of that value."""
    counted = Counter()
    for _, _, values in solver.evaluated(numbers, operations, uses):
        each = zip(values.numerators.tolist(), values.denominators.tolist(), values.valid.tolist(), strict=True)
        counted.update(up // down for up, down, valid in each if valid and up % down == 0)
    texts = {target: solver.solutions(numbers, target, operations, uses) for target in counted}
    assert counted == {target: len(solutions) for target, solutions in texts.items()}
    return {target: {flattened(parsed(text)) for text in solutions} for target, solutions in texts.items()}


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=4), st.data(), st.sampled_from(["+-*/", "+-*", "+", "-/", "*+"])
)
def test_the_solver_finds_what_brute_force_finds(numbers, data, operations):
    uses = data.draw(st.integers(1, min(3, len(numbers))))
    assert found_by_the_solver(numbers, operations, uses) == brute_force(numbers, uses, operations)


@pytest.mark.parametrize("numbers", [(1, 5, 5, 6), (2, 3, 7, 10), (4, 4, 4, 4), (0, 3, 3, 9)])
def test_the_solver_finds_what_brute_force_finds_with_all_of_four_numbers(numbers):
    assert found_by_the_solver(numbers, "+-*/", 4) == brute_force(numbers, 4, "+-*/")


def test_the_solver_is_exact_beyond_64_bits():
    numbers = (7, 10**8 + 1, 10**9, 10**12)
    assert found_by_the_solver(numbers, "+*/", 4) == brute_force(numbers, 4, "+*/")


@pytest.mark.parametrize("target", [2**62, -(2**62), 2**63, 10**30])
def test_a_target_out_of_all_reach_has_no_solution(target):
    assert solver.solutions([1, 2, 3, 4], target) == []


@pytest.mark.parametrize(
    "numbers, solutions",
    [([1, 1, 1, 1], []), ([3, 3, 8, 8], ["8 / (3 - 8 / 3)"]), ([1, 5, 5, 5], ["(5 - 1 / 5) * 5"])],
)
def test_the_famous_puzzles_of_twenty_four(numbers, solutions):
    assert solver.solutions(numbers, 24) == solutions


@pytest.fixture(scope="module")
def splits():
    return countdown_puzzles.generate(WORLD, 0)


def test_the_solvers_own_solutions_score_one_on_every_item(splits):
    for item in (item for items in splits.values() for item in items):
        countdown.check(item)
        solutions = solver.solutions(item["numbers"], item["target"])
        searched = [hit for branch in branches(sorted_numbers(item)) for hit in branch.hits(item["target"])]
        assert WORLD.required <= len(searched) == item["solutions"] <= WORLD.most_solutions
        for offered in (searched, solutions):
            score = countdown.score(item, " ; ".join(offered[:8]))
            assert (score["accuracy"], score["correct"]) == (1.0, min(len(offered), 8))


def test_items_are_of_the_world_that_was_asked_for(splits):
    assert {split: len(items) for split, items in splits.items()} == {"train": 60, "validation": 15, "test": 25}
    for item in (item for items in splits.values() for item in items):
        assert len(set(item["numbers"])) == 4 and set(item["numbers"]) <= set(range(1, 14))
        assert 1 <= item["target"] <= 40 and item["required"] == 2
    assert len({item["id"] for items in splits.values() for item in items}) == 100


def test_larger_numbers_can_be_asked_for_from_the_same_split():
    items = countdown_puzzles.drawn(WORLD, 0, "test", 20, largest=range(14, 16))
    assert {max(item["numbers"]) for item in items} == {14, 15}
    held_out = set(countdown_puzzles.number_sets(WORLD)["test"])
    assert all(sorted_numbers(item) in held_out for item in items)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_items(splits):
    assert json.dumps(countdown_puzzles.generate(WORLD, 0)) == json.dumps(splits)
    assert countdown_puzzles.generate(WORLD, 1)["train"] != splits["train"]


def test_no_seed_carries_numbers_from_one_split_into_another(splits):
    other = countdown_puzzles.generate(WORLD, 1)
    countdown_puzzles.leak_check({split: splits[split] for split in splits})
    for mine, theirs in (("train", "test"), ("test", "train"), ("validation", "test")):
        of_mine = {tuple(sorted(item["numbers"])) for item in splits[mine]}
        assert of_mine.isdisjoint(tuple(sorted(item["numbers"])) for item in other[theirs])


def test_a_leak_fails_loudly(splits):
    stolen = {**splits["train"][0], "id": "stolen", "numbers": splits["train"][0]["numbers"][::-1], "target": 1}
    with pytest.raises(InputError, match=r"leak.*stolen"):
        countdown_puzzles.leak_check({**splits, "test": [*splits["test"], stolen]})
    with pytest.raises(InputError, match="twice"):
        countdown_puzzles.leak_check({"train": [splits["train"][0], {**splits["train"][0], "id": "again"}]})


def test_a_world_too_small_is_said_so():
    tiny = replace(WORLD, largest=6, train=500, validation=0, test=1)
    with pytest.raises(InputError, match=r"puzzles.train: 500 items are asked for, but the world has \d+ with"):
        countdown_puzzles.generate(tiny, 0)


def test_the_manifest_tells_sizes_hashes_and_solutions(splits, tmp_path):
    manifest = countdown_puzzles.manifest(splits, WORLD, 0)
    for split, items in splits.items():
        path = tmp_path / f"{split}.jsonl"
        write_json_lines(path, items)
        entry = manifest["splits"][split]
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert entry["items"] == len(items) == sum(entry["solutions"].values())
