"""The word language's tokenizer."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from asyncthink import protocol
from asyncthink.config import params
from asyncthink.engines.vocabulary import Vocabulary
from asyncthink.models import word_tokenizer
from asyncthink.models.prompts import PROMPTS
from asyncthink.synthesis import documents, solver_teacher
from asyncthink.synthesis.assignment import Assignment
from asyncthink.tasks import countdown_puzzles
from asyncthink.tasks.countdown_puzzles import generate
from asyncthink.tasks.countdown_search import BRANCH_NAMES, branches

PARAMS = params.read(Path(__file__).parent.parent / "params.yaml")
WORDS = word_tokenizer.build(PARAMS.puzzles)
IDS = st.lists(st.integers(0, len(WORDS) - 1), max_size=30)


@given(IDS, IDS)
def test_decoding_is_concatenable(a, b):
    decode = Vocabulary(WORDS).decode
    assert decode(a + b) == decode(a) + decode(b)
    assert decode(a) == WORDS.decode(a)


@given(IDS)
def test_what_is_decoded_is_encoded_back_whatever_the_white_space(ids):
    text = WORDS.decode(ids)
    encode = Vocabulary(WORDS).encode
    assert encode(text) == encode(text.replace(" ", " \n ")) == ids


def test_every_tag_of_the_protocol_is_one_token():
    for i in PROMPTS["word"].fork_ids:
        for tag in (protocol.fork_open, protocol.fork_close, protocol.join_open, protocol.join_close):
            assert len(WORDS.encode(tag(i))) == 1
    assert len(WORDS.encode("<ANSWER> </ANSWER> <RETURN> </RETURN>")) == 4


def test_every_name_of_a_branch_is_one_token_of_its_own():
    ids = [WORDS.encode(name) for name in BRANCH_NAMES]
    assert all(len(own) == 1 for own in ids)
    assert len({own[0] for own in ids}) == len(BRANCH_NAMES)
    assert WORDS.decode([own[0] for own in ids]).split() == [*BRANCH_NAMES]


def test_padding_and_the_end_of_sequence_come_first():
    assert (WORDS.pad_token_id, WORDS.eos_token_id) == (0, 1)
    assert WORDS.encode("3 5") == WORDS.encode("3 5", add_special_tokens=False)


def test_a_saved_tokenizer_is_the_same(tmp_path):
    WORDS.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    ids = list(range(len(WORDS)))
    assert loaded.decode(ids) == WORDS.decode(ids)
    assert loaded.encode(loaded.decode(ids)) == ids
    assert (loaded.pad_token_id, loaded.eos_token_id) == (0, 1)


def test_the_solver_teacher_needs_no_other_words():
    puzzles = replace(PARAMS.puzzles, train=6, validation=1, test=1)
    encode = Vocabulary(word_tokenizer.build(puzzles)).encode
    items = generate(puzzles, 0)["train"]
    for form in ("asynchronous", "sequential"):
        assignment = Assignment(form, PARAMS.seed, replace(PARAMS.synthesize, demonstrations=12), PARAMS.thinking)
        for demonstration in solver_teacher.demonstrate(assignment, items):
            for text in (demonstration.organizer, *demonstration.workers.values()):
                assert len(encode(text)) == len(text.split())


def test_every_word_of_a_document_and_every_branch_is_there():
    vocabulary, puzzles = WORDS.get_vocab(), PARAMS.puzzles
    for numbers in (numbers for sets in countdown_puzzles.number_sets(puzzles).values() for numbers in sets[:40]):
        assert {branch.name for branch in branches(numbers)} <= set(BRANCH_NAMES) <= set(vocabulary)
    chosen = documents.Settings(PARAMS.puzzles, PARAMS.pretrain)
    for document in islice(documents.documents(chosen, 1), 300):
        assert set(document.text.split()) <= set(vocabulary)
