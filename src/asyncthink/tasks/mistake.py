"""Why an answer is worth no more than it is, in words: `asyncthink grade` prints this beside the score."""

from dataclasses import dataclass

_LONGEST = 80


@dataclass(frozen=True)
class Mistake:
    """text: the part of the answer that is meant, cut to 80 characters; reason: what is wrong with it."""

    text: str
    reason: str

    def __post_init__(self) -> None:
        cut = self.text if len(self.text) <= _LONGEST else self.text[: _LONGEST - 1] + "…"
        object.__setattr__(self, "text", cut)
