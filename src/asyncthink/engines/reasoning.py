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
    answer = text[closed_at(text) :]
    opened = OPEN.search(answer)
    return answer[: opened.start()] if opened else answer


def closed_at(text: str, begin: int = 0) -> int:
    """Where the last closing mark after `begin` ends, 0 without one."""
    return max((mark.end() for mark in CLOSE.finditer(text, begin)), default=0)


def is_opened_by(prompt: str) -> bool:
    """Whether a prompt ends with the mark that begins a reasoning, as some templates do."""
    return any(mark.end() == len(prompt.rstrip()) for mark in OPEN.finditer(prompt))
