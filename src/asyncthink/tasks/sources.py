"""Where the items of the natural-language tasks come from: a local JSON Lines file, or the hub by a short name.

What lies on the hub can change under its name, so a data set is read at one commit: the one in HUB, or another that
is said, as in aime-24@2fe88a2f1091d5048c0f36abc874fb997b3dd99a.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from asyncthink.errors import InputError
from asyncthink.files import json_lines
from asyncthink.settings import Puzzles, TestSet, TrainingSet
from asyncthink.tasks import competition_math, countdown_puzzles, multiple_choice, sudoku

Item = TypeVar("Item")

COMMIT = re.compile(r"[0-9a-f]{40}")
HUB = competition_math.SOURCES | multiple_choice.SOURCES | sudoku.SOURCES


def math(source: str) -> list[competition_math.Item]:
    """Competition math from a file of {"problem" or "question", "answer"}, or deepscaler, aime-24, amc-23, math-500."""
    return _loaded(source, lambda record, number: competition_math.from_record(record, _name(source), number))


def mmlu_pro(source: str = "mmlu-pro", subset: str | None = None) -> list[multiple_choice.Item]:
    """Multiple choice from MMLU-Pro's records; subset is graph-theory, genetics, or None for all."""
    if subset is not None and subset not in multiple_choice.SUBSETS:
        raise InputError(f"no subset {subset!r} of MMLU-Pro; allowed: {', '.join(multiple_choice.SUBSETS)}")
    return _loaded(source, lambda record, number: multiple_choice.from_record(record, _name(source), number, subset))


def enigmata(source: str) -> list[sudoku.Item]:
    """4×4 Sudoku from a file of Enigmata's records, or enigmata."""
    return _loaded(source, sudoku.from_record)


LOADERS: dict[str, Callable[..., list[Any]]] = {
    "competition_math": math,
    "multiple_choice": mmlu_pro,
    "sudoku": enigmata,
}


def larger_countdown(wanted: TestSet, puzzles: Puzzles, seed: int) -> list[countdown_puzzles.Item]:
    """Puzzles with a number beyond those that RL trains on; the base has met it in its own sets alone."""
    beyond = range(puzzles.largest + 1, puzzles.base_largest + 1)
    items = countdown_puzzles.drawn(puzzles, seed, "test", wanted.items or 0, beyond)
    return [item | {"id": f"countdown-larger-{number}"} for number, item in enumerate(items)]


def generated_sudoku(wanted: TestSet, _: Puzzles, seed: int) -> list[sudoku.Item]:
    """Puzzles of the half of the solved grids that training does not see."""
    sizes = {split: wanted.items or 0 for split in sudoku.HALVES}
    clues = sudoku.CLUES if wanted.clues is None else wanted.clues
    gaps = 4 if wanted.gaps is None else wanted.gaps
    return sudoku.generate(sizes, seed, clues, most_gaps=gaps)["test"]


GENERATORS: dict[str, Callable[[TestSet, Puzzles, int], list[Any]]] = {
    "sudoku": generated_sudoku,
    "countdown": larger_countdown,
}


def items(wanted: TrainingSet | TestSet, task: str, puzzles: Puzzles, seed: int) -> list[Any]:
    """The items of a training or test set: generated, or the first `items` of its source."""
    if isinstance(wanted, TestSet) and wanted.source == "generated":
        return GENERATORS[task](wanted, puzzles, seed)
    subset = {"subset": wanted.subset} if isinstance(wanted, TestSet) and wanted.subset else {}
    return LOADERS[task](wanted.source, **subset)[: wanted.items]


def _loaded(source: str, item_of: Callable[[Mapping[str, object], int], Item | None]) -> list[Item]:
    """The items among the records of a source; an InputError gets the place of its record."""
    loaded = []
    for number, (where, record) in enumerate(records(source)):
        try:
            _check_id(record)
            item = item_of(record, number)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if item is not None:
            loaded.append(item)
    return loaded


def _check_id(record: Mapping[str, object]) -> None:
    for key in ("id", "question_id"):
        if not isinstance(record.get(key, ""), str | int) or isinstance(record.get(key), bool):
            raise InputError(f"{key} must be a text or an integer, not {ascii(record[key])[:60]}")


def records(source: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """(where, record) of a short name in HUB (fetched, and kept by the `datasets` library), or of a JSON Lines file."""
    if source.partition("@")[0] not in HUB:
        return json_lines(source)
    from datasets import load_dataset

    repository, split, commit = located(source)
    try:
        rows = load_dataset(repository, split=split, revision=commit).to_list()
    except Exception as error:  # whatever goes wrong between here and the hub, the way out is the same
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{source}: {repository} cannot be had from the hub ({reason}); give a local file") from None
    return ((f"{source}: record {number}", row) for number, row in enumerate(rows, 1))


def located(source: str) -> tuple[str, str, str]:
    """Repository, split and commit of a short name in HUB, with or without a commit of its own."""
    name, _, said = source.partition("@")
    repository, split, known = HUB[name]
    commit = said or known
    if commit is None or not COMMIT.fullmatch(commit):
        problem = f"{said!r} is no commit" if said else "no commit of it is known here"
        page = f"https://huggingface.co/datasets/{repository}/commits"
        raise InputError(f"{source}: {problem}; write {name}@ and the 40 digits of one, from {page}")
    return repository, split, commit


def _name(source: str) -> str:
    return Path(source).name.split(".")[0].partition("@")[0]
