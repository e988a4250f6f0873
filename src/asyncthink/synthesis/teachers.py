"""The teachers by the names that params.yaml gives them.

A teacher is a function (params, form, items, name of the corpus, whether to ask again for what it refused before) ->
iterator of `synthesize.demonstrations` demonstrations, without those that it refuses.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from asyncthink.config.params import Params
from asyncthink.synthesis import solver_teacher
from asyncthink.synthesis.demonstration import Demonstration

Teacher = Callable[[Params, str, Sequence[dict[str, Any]], str, bool], Iterator[Demonstration]]


def _solver(
    params: Params, form: str, items: Sequence[dict[str, Any]], corpus: str, ask_refused: bool
) -> Iterator[Demonstration]:
    return solver_teacher.demonstrate(params, form, items)


def _openai(
    params: Params, form: str, items: Sequence[dict[str, Any]], corpus: str, ask_refused: bool
) -> Iterator[Demonstration]:
    from asyncthink.synthesis import openai_teacher

    return openai_teacher.demonstrate(params, form, items, corpus=corpus, ask_refused=ask_refused)


TEACHERS: dict[str, Teacher] = {"solver": _solver, "openai": _openai}
