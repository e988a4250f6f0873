"""Whether a folder of metrics holds one whole run of params.yaml: nothing missing, nothing of other parameters."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from asyncthink.config.params import Params
from asyncthink.config.subject import subject
from asyncthink.engines import Identity
from asyncthink.errors import InputError
from asyncthink.evaluation.evaluate import Subject
from asyncthink.evaluation.evidence import CORPUS
from asyncthink.evaluation.metrics import UNION
from asyncthink.evaluation.recordings import METRICS_FILE, read_record
from asyncthink.files import read_json_lines
from asyncthink.workflow.records import Records, difference


def check(metrics: Path, records: Records, params: Params) -> None:
    """InputError that names what is missing or differs."""
    missing = [name for name in records.all if not (metrics / name).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more files are" if len(missing) > 1 else " is"
        raise InputError(f"{metrics / missing[0]}{more} missing; run `snakemake --cores all` first, for the whole run")
    _check_evaluations([metrics / name for name in records.evaluations], params)
    for name in (name for name in records.histories if name.parts[0] == "grpo"):
        steps = params.arm_params(name.parts[1]).grpo.steps
        _agree(metrics / name, "number of steps", len(read_json_lines(metrics / name)), steps)
    for name in records.filters:
        corpus = read_record(metrics / name, CORPUS, "a metrics file of `asyncthink filter`")
        _agree(metrics / name, "arm", corpus["arm"], name.stem)


def _check_evaluations(paths: Iterable[Path], params: Params) -> None:
    """Each is what its place says, by the settings of params.yaml, and all are of one engine."""
    engines: dict[str, Path] = {}
    for path in paths:
        read = read_record(path, METRICS_FILE, "a metrics file of `asyncthink measure`")
        record: dict[str, Any] = {**read}
        test_set, arm, seed = (*path.parts[-3:-1], int(path.stem))
        about = subject(params, test_set, "test", arm, seed, (), Identity(**record["engine"]))
        own = {"scale": params.scale, "test_set": test_set, "arm": arm, "seed": seed, "samples": about.samples}
        for key, expected in own.items():
            _agree(path, key, record[key], expected)
        settings = {name: evaluation["config"] for name, evaluation in record["evaluations"].items()}
        _agree(path, "evaluations", settings, _expected(about))
        engines.setdefault(" ".join(map(str, record["engine"].values())), path)
    if len(engines) > 1:
        said = " and ".join(f"{path} ({name})" for name, path in engines.items())
        raise InputError(f"{said} were decoded by different engines; a reference is of one")


def _expected(about: Subject) -> dict[str, Any]:
    settings = about.settings()
    union = {f"{name}_{UNION}": config for name, config in settings.items()}
    return settings | (union if about.arm_settings.mode == "parallel" else {})


def _agree(path: Path, key: str, recorded: Any, expected: Any) -> None:
    if recorded != expected:
        said = difference(recorded, expected, key)
        raise InputError(f"{path}: not of this params.yaml: {said}; run `snakemake --cores all` first")
