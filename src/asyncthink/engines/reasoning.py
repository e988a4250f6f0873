"""Where a model's reasoning ends and its answer begins, in the marks of the models that write both into one text.

What stands before the last closing mark is a draft, whatever tags it holds. A reasoning that is never closed has no
answer. Servers with a reasoning parser take the same part out before anyone sees it.
"""

import re

OPEN = re.compile(
    r"<(?:think|thinking|thought|reasoning)>|\[THINK\]|◁think▷|<\|channel\|>analysis<\|message\|>", re.IGNORECASE
)
CLOSE = re.compile(
    r"</(?:think|thinking|thought|reasoning)>|\[/THINK\]|◁/think▷|<\|channel\|>final<\|message\|>", re.IGNORECASE
)
LONGEST_MARK = 40  # characters


def answer_of(text: str) -> str:
    """A whole text without its reasoning."""
    answer = text[max((mark.end() for mark in CLOSE.finditer(text)), default=0) :]
    opened = OPEN.search(answer)
    return answer[: opened.start()] if opened else answer


def is_open(text: str) -> bool:
    """Whether a text ends inside its reasoning, as a prompt does whose template opens it."""
    answer = text[max((mark.end() for mark in CLOSE.finditer(text)), default=0) :]
    return OPEN.search(answer) is not None
