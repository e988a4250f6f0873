"""Prompts of chat models, as their own templates write them."""

import pytest
from chat_templates import (
    ALWAYS_REASONS,
    FAILS,
    IN_PARTS,
    LEAVES_SYSTEM_OUT,
    NEEDS_SYSTEM,
    QWEN,
    REFUSES_SYSTEM,
    SWITCHES,
    TAKES_NOTHING,
    TELLS_THE_DAY,
)
from taught_chat_model import tokenizer as chat_tokenizer
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from asyncthink.engines.vocabulary import Vocabulary
from asyncthink.errors import InputError
from asyncthink.models import chat_template
from asyncthink.models.prompts import PROMPTS

TOKENIZER = chat_tokenizer()


def written(template: str | None, reasoning: bool = False) -> str:
    TOKENIZER.chat_template = template
    TOKENIZER.bos_token = "<|endoftext|>"
    return PROMPTS["chat"].written(TOKENIZER, "A role.", "A question?", reasoning)


ASKED = "<|im_start|>user\nA role.\n\nA question?<|im_end|>\n<|im_start|>assistant\n"
WRITTEN = {
    "with a system role": (QWEN, "<|im_start|>system\nA role.<|im_end|>\n" + ASKED.replace("A role.\n\n", "")),
    "one that is refused, and BOS": (REFUSES_SYSTEM, "<|endoftext|>" + ASKED),
    "one that is left out": (LEAVES_SYSTEM_OUT, ASKED),
}


@pytest.mark.parametrize(("template", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_a_role_and_a_question_are_put_as_the_template_can(template, expected):
    assert written(template) == expected


def test_the_beginning_of_a_sequence_is_one_token_and_none_is_added():
    ids = Vocabulary(TOKENIZER).encode(written(REFUSES_SYSTEM))
    assert ids.count(TOKENIZER.bos_token_id) == 1 and ids[0] == TOKENIZER.bos_token_id
    assert TOKENIZER.bos_token_id not in Vocabulary(TOKENIZER).encode(written(QWEN))


def test_reasoning_is_off_unless_it_is_asked_for():
    assert written(SWITCHES).endswith("assistant\n<think>\n\n</think>\n\n")
    assert written(SWITCHES, reasoning=True).endswith("assistant\n")
    assert [chat_template.switches_reasoning(TOKENIZER), written(ALWAYS_REASONS)[-8:]] == [True, "<think>\n"]
    assert not chat_template.switches_reasoning(TOKENIZER)
    assert written(NEEDS_SYSTEM) == written(QWEN) and not chat_template.switches_reasoning(TOKENIZER)


def test_the_day_is_always_the_same():
    assert written(TELLS_THE_DAY).startswith("29 Oct 2025, 29 October 2025\n")


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (None, "has no chat template.*NAME-Instruct"),
        (TAKES_NOTHING, "no question: only tools"),
        (FAILS, "no question: division by zero"),
        (IN_PARTS, "leaves the question out"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(template, reason):
    with pytest.raises(InputError, match=reason):
        written(template)


def test_text_in_pieces_is_the_text_as_a_whole_where_a_decoder_takes_spaces_off():
    """Llama's and Gemma's tokenizers mark spaces, and take the first one off whatever is decoded."""
    backend = Tokenizer(BPE(byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    text = "so <FORK-1> try 8 </FORK-1> and a"
    backend.train_from_iterator([text] * 9, trainers.BpeTrainer(vocab_size=80, special_tokens=["<s>"]))
    vocabulary = Vocabulary(PreTrainedTokenizerFast(tokenizer_object=backend))
    ids = vocabulary.encode(text)
    assert len(ids) > 3
    assert "".join(vocabulary.decode([i]) for i in ids) == vocabulary.decode(ids) == f" {text}"
