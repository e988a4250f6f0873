"""Where the items of the natural-language tasks come from: a local JSON Lines file, or the hub by a short name.

What lies on the hub can change under its name, so a data set is read at one commit: the one in HUB, or another that
is said, as in aime-24@2fe88a2f1091d5048c0f36abc874fb997b3dd99a.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from asyncthink.errors import InputError
from asyncthink.files import json_lines
from asyncthink.settings import TestSet, TrainingSet
from asyncthink.tasks import competition_math, multiple_choice, sudoku

Rows = list[dict[str, Any]]

COMMIT = re.compile(r"[0-9a-f]{40}")
HUB = competition_math.SOURCES | multiple_choice.SOURCES | sudoku.SOURCES


def math(source: str) -> Rows:
    """Competition math from a file of {"problem" or "question", "answer"}, or deepscaler, aime-24, amc-23, math-500."""
    return _loaded(source, lambda rows: competition_math.items(rows, _name(source)))


def mmlu_pro(source: str = "mmlu-pro", subset: str | None = None) -> Rows:
    """Multiple choice from MMLU-Pro's records; subset is graph-theory, genetics, or None for all."""
    if subset is not None and subset not in multiple_choice.SUBSETS:
        raise InputError(f"no subset {subset!r} of MMLU-Pro; allowed: {', '.join(multiple_choice.SUBSETS)}")
    return _loaded(source, lambda rows: multiple_choice.items(rows, _name(source), subset))


def enigmata(source: str) -> Rows:
    """4×4 Sudoku from a file of Enigmata's records, or enigmata."""
    return _loaded(source, sudoku.from_enigmata)


LOADERS: dict[str, Callable[..., Rows]] = {
    "competition_math": math,
    "multiple_choice": mmlu_pro,
    "sudoku": enigmata,
}


def generated_sudoku(wanted: TestSet, seed: int) -> Rows:
    """Puzzles of the half of the solved grids that training does not see."""
    sizes = {split: wanted.items for split in sudoku.HALVES}
    return sudoku.generate(sizes, seed, wanted.clues or sudoku.CLUES, most_gaps=wanted.gaps or 4)["test"]


def items(wanted: TrainingSet | TestSet, task: str, seed: int) -> Rows:
    """The items of a training or test set: generated, or the first `items` of its source."""
    if wanted.source == "generated":
        return GENERATORS[task](wanted, seed)
    subset = {"subset": wanted.subset} if isinstance(wanted, TestSet) and wanted.subset else {}
    return LOADERS[task](wanted.source, **subset)[: wanted.items]


GENERATORS: dict[str, Callable[[TestSet, int], Rows]] = {"sudoku": generated_sudoku}


def _loaded(source: str, load: Callable[[Iterable[dict[str, Any]]], Rows]) -> Rows:
    """The items that `load` makes of a source's records; its InputError gets the place of the record."""
    where: str | None = None

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal where
        for place, row in records(source):
            where = place
            _check_id(row)
            yield row
            where = None

    try:
        return load(rows())
    except InputError as error:
        raise InputError(f"{where}: {error}" if where else str(error)) from None


def _check_id(row: dict[str, Any]) -> None:
    for key in ("id", "question_id"):
        if not isinstance(row.get(key, ""), str | int) or isinstance(row.get(key), bool):
            raise InputError(f"{key} must be a text or an integer, not {ascii(row[key])[:60]}")


def records(source: str) -> Iterator[tuple[str, dict[str, Any]]]:
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
