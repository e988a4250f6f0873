"""Where the items of the natural-language tasks come from: a local JSON Lines file, or the hub by a short name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from asyncthink.errors import InputError
from asyncthink.files import read_json_lines
from asyncthink.params import TestSet, TrainingSet
from asyncthink.tasks import competition_math, multiple_choice, sudoku

Rows = list[dict[str, Any]]

HUB = competition_math.SOURCES | multiple_choice.SOURCES | sudoku.SOURCES


def math(source: str) -> Rows:
    """Competition math from a file of {"problem" or "question", "answer"}, or deepscaler, aime-24, amc-23."""
    return competition_math.items(records(source), _name(source))


def mmlu_pro(source: str = "mmlu-pro", subset: str | None = None) -> Rows:
    """Multiple choice from MMLU-Pro's records; subset is graph-theory, genetics, or None for all."""
    if subset is not None and subset not in multiple_choice.SUBSETS:
        raise InputError(f"no subset {subset!r} of MMLU-Pro; allowed: {', '.join(multiple_choice.SUBSETS)}")
    return multiple_choice.items(records(source), _name(source), subset)


def enigmata(source: str) -> Rows:
    """4×4 Sudoku from a file of Enigmata's records, or enigmata."""
    return sudoku.from_enigmata(records(source))


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
        if task not in GENERATORS:
            raise InputError(f"{task} cannot be generated, only {', '.join(GENERATORS)}; name a source")
        return GENERATORS[task](wanted, seed)
    subset = {"subset": wanted.subset} if isinstance(wanted, TestSet) and wanted.subset else {}
    return LOADERS[task](wanted.source, **subset)[: wanted.items]


GENERATORS: dict[str, Callable[[TestSet, int], Rows]] = {"sudoku": generated_sudoku}


def records(source: str) -> Rows:
    """The records of a short name in HUB (fetched, and kept by the `datasets` library), or of a JSON Lines file."""
    if source not in HUB:
        return read_json_lines(source)
    from datasets import load_dataset

    repository, split = HUB[source]
    try:
        return load_dataset(repository, split=split).to_list()
    except Exception as error:  # whatever goes wrong between here and the hub, the way out is the same
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{source}: {repository} cannot be had from the hub ({reason}); give a local file") from None


def _name(source: str) -> str:
    return Path(source).name.split(".")[0]
