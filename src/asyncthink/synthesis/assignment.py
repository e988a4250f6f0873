"""What any teacher is asked for."""

from dataclasses import dataclass

from asyncthink.settings import Synthesize, Thinking


@dataclass(frozen=True)
class Assignment:
    """`synthesize.demonstrations` demonstrations of one form; the seed, the form and its number are the key of each."""

    form: str
    seed: int
    synthesize: Synthesize
    thinking: Thinking
