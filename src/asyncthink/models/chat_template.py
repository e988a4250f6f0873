"""A role and a question as the prompt of an instruction-tuned model: by the chat template that its tokenizer has.

A template writes text, with what begins a sequence (BOS) and an answer (the generation prompt); an engine turns it into
tokens and adds none. Templates differ: some have no system role, then what a role is told stands before the question;
some open a reasoning by themselves. Some tell the day; here it is always the same, since an episode follows from its
seeds. Left out on purpose: guessing where there is no template, since a base model was never shown one.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from asyncthink.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TODAY = datetime(2025, 10, 29)  # of the paper
NONE = (
    "the tokenizer has no chat template, so how the model is asked is not known: take an instruction-tuned one, most"
    " often called NAME-Instruct or NAME-it"
)
UNSAID = (
    "the tokenizer's chat template leaves the question out; it may want it in parts, as those of models that see"
    " images do"
)
ROLE, QUESTION = "WHAT A ROLE IS TOLD", "WHAT IS ASKED"  # such as no template says by itself


def written(tokenizer: "PreTrainedTokenizerBase", role: str, question: str, reasoning: bool = False) -> str:
    """The prompt up to where the model's answer begins; InputError where the tokenizer has no template that asks.

    reasoning asks for a reasoning before the answer where the template can switch it.
    """
    if not tokenizer.chat_template:
        raise InputError(NONE)
    try:
        if takes_system(tokenizer):
            turns = [{"role": "system", "content": role}, {"role": "user", "content": question}]
        else:
            turns = [{"role": "user", "content": f"{role}\n\n{question}"}]
        text = _rendered(tokenizer, turns, reasoning)
        said = question.strip() in text or QUESTION in _rendered(tokenizer, [{**turns[-1], "content": QUESTION}], False)
    except Exception as error:  # a template is a program of others
        raise InputError(f"the tokenizer's chat template takes no question: {' '.join(str(error).split())}") from None
    if not said:
        raise InputError(UNSAID)
    return text


def takes_system(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Whether a template says what a system turn says; some refuse one, some leave it out."""
    turns = [{"role": "system", "content": ROLE}, {"role": "user", "content": QUESTION}]
    try:
        return ROLE in _rendered(tokenizer, turns, False)
    except Exception:  # a template is a program of others
        return False


def switches_reasoning(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Whether a template writes another prompt where a reasoning is asked for."""
    return written(tokenizer, ROLE, QUESTION, False) != written(tokenizer, ROLE, QUESTION, True)


def _rendered(tokenizer: "PreTrainedTokenizerBase", turns: list[dict[str, str]], reasoning: bool) -> str:
    text = tokenizer.apply_chat_template(
        turns,
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=reasoning,  # as Qwen, SmolLM and others call it
        thinking=reasoning,  # as DeepSeek and Granite do
        strftime_now=TODAY.strftime,
        date_string=TODAY.strftime("%d %b %Y"),
    )
    assert isinstance(text, str)
    return text
