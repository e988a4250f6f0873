import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncthink import protocol
from asyncthink.protocol import Answer, Fork, Join, Parser, Return, Think, parse, returned
from asyncthink.schedule import format_error

FRAGMENTS = st.sampled_from(
    [f"<{name}-{number}>" for name in ("FORK", "/FORK", "JOIN", "/JOIN") for number in (1, 2, 12)]
    + ["<ANSWER>", "</ANSWER>", "<RETURN>", "</RETURN>", "<", ">", "</", "<FORK", "<JOIN-1", "-1>", "1", "ANSWER>"]
    + ["<JOIN-01>", "<FORK-0>", "<FORK->", "<fork-1>", "<FORK-1 >", "<FORK-²>", "<JOIN-١>", "<<JOIN-3>", "<ANSWER"]
    + [" ", "\n", "\0", "think", "é", "<think>", "</think>", "<thin", "</thi"]
)
TEXTS = st.lists(FRAGMENTS, max_size=25).map("".join)


def reference(text):
    """The contract's sentences one by one, with no thought for speed or streams."""
    actions, think = [], ""
    while text:
        fork = re.match(r"<FORK-([1-9][0-9]*)>", text)
        join = re.match(r"<JOIN-([1-9][0-9]*)>", text)
        if text.startswith("<think>"):
            inside, closed, text = text.partition("</think>")
            think += inside + closed
            continue
        if not (fork or join or text.startswith("<ANSWER>")):
            think, text = think + text[0], text[1:]
            continue
        if think.strip():
            actions.append(Think(think))
        think = ""
        if join:
            actions.append(Join(int(join[1])))
            text = text[join.end() :]
            continue
        head, closing = (fork[0], f"</FORK-{fork[1]}>") if fork else ("<ANSWER>", "</ANSWER>")
        inside, closed, text = text.removeprefix(head).partition(closing)
        if not closed:
            return actions
        actions.append(Fork(int(fork[1]), inside.strip()) if fork else Answer(inside.strip()))
        if not fork:
            return actions
    return [*actions, Think(think)] if think.strip() else actions


@given(TEXTS)
def test_every_text_is_read_as_the_contract_says(text):
    assert parse(text) == reference(text)


@given(TEXTS, st.lists(st.integers(0, 200)))
def test_a_text_cut_anywhere_yields_the_same_actions(text, cuts):
    parser = Parser()
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    read = [action for piece in pieces for action in parser.feed(piece)] + parser.finish()
    assert read == parse(text)
    assert places_of(read) == places_of(parse(text))


def places_of(actions):
    return [(action.start, action.end) for action in actions]


@given(TEXTS)
def test_an_action_stands_in_its_text_where_the_parser_says(text):
    for role in ("organizer", "worker", "sequential"):
        before = 0
        for action in parse(text, role):
            opening, inside, closing = written(action)
            said = text[action.start : action.end]
            assert said.startswith(opening) and said.endswith(closing)
            assert inside in (said, said[len(opening) : len(said) - len(closing)].strip())
            assert not text[before : action.start].strip()  # thinking of white space only is dropped
            before = action.end


def written(action):
    """The tag that opens an action, what it says, and the tag that closes it."""
    match action:
        case Think(text):
            return "", text, ""
        case Fork(i, query):
            return f"<FORK-{i}>", query, f"</FORK-{i}>"
        case Join(i):
            return f"<JOIN-{i}>", "", ""
        case Answer(text):
            return "<ANSWER>", text, "</ANSWER>"
        case Return(text):
            return "<RETURN>", text, "</RETURN>"


def test_each_role_reads_its_own_tags_and_no_others():
    text = "<FORK-1>a</FORK-1><RETURN>b</RETURN><ANSWER> c </ANSWER><JOIN-1>"
    assert parse(text) == [Fork(1, "a"), Think("<RETURN>b</RETURN>"), Answer("c")]
    assert parse(text, "worker") == [Think("<FORK-1>a</FORK-1>"), Return("b")]
    assert parse(text, "sequential") == [Think("<FORK-1>a</FORK-1><RETURN>b</RETURN>"), Answer("c")]


@given(TEXTS)
def test_a_text_may_begin_inside_a_reasoning(text):
    assert parse(text, reasoning=True) == reshaped(parse(f"<think>{text}"))


def reshaped(actions):
    """Without the mark that opens a reasoning at the beginning of a text."""
    first = [Think(action.text.removeprefix("<think>")) for action in actions[:1]]
    return [action for action in first if action.text.strip()] + actions[1:]


@given(TEXTS)
def test_a_text_fed_character_by_character_yields_the_same_actions(text):
    parser = Parser()
    actions = [action for character in text for action in parser.feed(character)]
    assert actions + parser.finish() == parse(text)


def test_an_action_is_there_as_soon_as_its_tag_closes():
    parser = Parser()
    assert parser.feed("so <FOR") == []
    assert parser.feed("K-3>2 + 2") == [Think("so ")]
    assert parser.closing == "</FORK-3>"
    assert parser.feed("</FORK-3>") == [Fork(3, "2 + 2")]
    assert parser.feed("<JOIN-3>") == [Join(3)]
    assert parser.feed("<ANSWER>4</ANSWER> and more <JOIN-9>") == [Answer("4")]
    assert parser.ended and parser.feed("<JOIN-3>") == parser.finish() == []


@pytest.mark.parametrize(
    "text, actions",
    [
        ("", []),
        (" \n\t", []),
        (" a <JOIN-1> ", [Think(" a "), Join(1)]),
        ("<FORK-1>\n q \n</FORK-1>", [Fork(1, "q")]),
        ("<FORK-1></FORK-1>", [Fork(1, "")]),
        ("<FORK-1>a<FORK-2>b</FORK-2><JOIN-1></FORK-1>", [Fork(1, "a<FORK-2>b</FORK-2><JOIN-1>")]),
        ("<FORK-1>a</FORK-2>b</FORK-1>", [Fork(1, "a</FORK-2>b")]),
        ("<FORK-12>a</FORK-1>b</FORK-12>", [Fork(12, "a</FORK-1>b")]),
        ("<FORK-01>a</FORK-01>", [Think("<FORK-01>a</FORK-01>")]),
        ("<FORK-0>a</FORK-0><JOIN-0>", [Think("<FORK-0>a</FORK-0><JOIN-0>")]),
        ("<FORK--1><FORK-1.0><FORK- 1><fork-1>", [Think("<FORK--1><FORK-1.0><FORK- 1><fork-1>")]),
        ("</FORK-1></JOIN-1></ANSWER><RETURN>", [Think("</FORK-1></JOIN-1></ANSWER><RETURN>")]),
        ("a<FORK-1>b<ANSWER>4</ANSWER>", [Think("a")]),
        ("a<ANSWER>4<JOIN-1>", [Think("a")]),
        ("<ANSWER>a<ANSWER>b</ANSWER>c</ANSWER>", [Answer("a<ANSWER>b")]),
        ("<ANSWER></ANSWER>", [Answer("")]),
        ("<ANSWER>4</ANSWER><JOIN-9>", [Answer("4")]),
        ("<<JOIN-1>", [Think("<"), Join(1)]),
        ("a<think><JOIN-1></think>b<JOIN-2>", [Think("a<think><JOIN-1></think>b"), Join(2)]),
        ("a<think><ANSWER>4</ANSWER>", [Think("a<think><ANSWER>4</ANSWER>")]),
        ("</think><JOIN-1>", [Think("</think>"), Join(1)]),
        ("<FORK-1><think></FORK-1>", [Fork(1, "<think>")]),
    ],
)
def test_tags_nested_broken_and_unclosed(text, actions):
    assert parse(text) == actions


@pytest.mark.parametrize(
    "text, capacity, error",
    [
        ("<ANSWER>4</ANSWER>", 1, None),
        ("<FORK-1>a</FORK-1><ANSWER>4</ANSWER>", 1, "pool_overflow"),
        ("<FORK-1>a</FORK-1><ANSWER>4</ANSWER>", 2, None),
        ("<FORK-1>a</FORK-1><FORK-2>b</FORK-2><ANSWER>4</ANSWER>", 2, "pool_overflow"),
        ("<FORK-1>a</FORK-1><FORK-2>b</FORK-2><ANSWER>4</ANSWER>", None, None),
        ("<FORK-1>a</FORK-1><JOIN-1><FORK-2>b</FORK-2><ANSWER>4</ANSWER>", 2, None),
        ("<FORK-1>a</FORK-1><FORK-1>b</FORK-1><ANSWER>4</ANSWER>", 2, "duplicate_fork"),
        ("<FORK-1>a</FORK-1><JOIN-1><FORK-1>b</FORK-1>", 2, "duplicate_fork"),
        ("<JOIN-1><FORK-1>a</FORK-1>", 2, "dangling_join"),
        ("<FORK-1>a</FORK-1><JOIN-1><JOIN-1>", 2, "dangling_join"),
        ("<FORK-1>a</FORK-1><FORK-2>b</FORK-2><JOIN-7>", 2, "pool_overflow"),
        ("<ANSWER>4</ANSWER><JOIN-1>", 2, None),
        ("<ANSWER></ANSWER>", 2, None),
        ("<ANSWER>4", 2, "no_answer"),
        ("", 2, "no_answer"),
    ],
)
def test_the_first_format_error_in_the_organizers_order(text, capacity, error):
    assert format_error(parse(text), capacity) == error


def test_what_a_worker_returns():
    assert returned("a <RETURN> 8 * 3 </RETURN> b <RETURN>c</RETURN>") == "8 * 3"
    assert returned("</RETURN><RETURN>a</RETURN>") == "a"
    assert returned("a <RETURN>b") is returned("a</RETURN>") is returned("") is None


def test_tags_are_read_back_as_the_actions_they_write():
    text = f"{protocol.fork_open(7)}q{protocol.fork_close(7)}{protocol.join_open(7)}"
    assert parse(text) == [Fork(7, "q"), Join(7)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "text",
    [
        "<FORK-1>" * 400_000,
        "<FORK-1></FORK-2>" * 200_000,
        "<FORK-1></FORK-1>" * 100_000,
        "<JOIN-1>" * 200_000,
        "<ANSWER>" * 400_000,
        "<" * 3_000_000,
        "<FORK-" * 500_000,
        "<JOIN-" + "1" * 3_000_000,
        ("<JOIN-" + "1" * 4_299 + ">") * 600,
        "\0" * 3_000_000,
    ],
    ids=lambda text: text[:20],
)
def test_megabytes_of_tags_are_read_in_linear_time(text):
    parser = Parser()
    pieces = [text[start : start + 1000] for start in range(0, len(text), 1000)]
    assert [action for piece in pieces for action in parser.feed(piece)] + parser.finish() == parse(text)


def test_an_id_of_thousands_of_digits_is_an_id_and_a_longer_one_is_text():
    longest = "9" * 4300
    assert parse(f"<JOIN-{longest}>") == [Join(int(longest))]
    assert parse(f"<JOIN-{longest}9>") == [Think(f"<JOIN-{longest}9>")]
