"""params.yaml: the whole file as one record, and how the settings of an arm and of an evaluation follow from it.

The file is complete: a missing, unknown, mistyped or impossible key stops every command before anything runs, in a
sentence that names the key and what is allowed. An arm is the base with a few keys overridden (`Params.arm_params`),
so an ablation is a line of YAML and never a branch in the code. Sections, keys and ranges stand in settings.py. This
file derives settings from them, so a change of it makes the steps stale.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from asyncthink import settings
from asyncthink.config.refusals import checked
from asyncthink.config.rules import check, check_arms, check_evaluations
from asyncthink.errors import InputError, nearest
from asyncthink.settings import CLOSED, COUNTDOWN, HEADLINE, TestSet, Thinking, TrainingSet


@dataclass(frozen=True, config=CLOSED)
class Params:
    """All of params.yaml, with the overrides of one arm already applied where `arm_params` made it."""

    scale: settings.Text
    seed: settings.Whole
    seeds: settings.Seeds
    puzzles: settings.Puzzles
    thinking: Thinking
    model: settings.Model
    reward: settings.Reward
    arm: settings.Arm
    arms: settings.Arms
    synthesize: settings.Synthesize
    teacher: settings.Teacher
    filter: settings.Filter
    pretrain: settings.Pretrain
    sft: settings.SFT
    grpo: settings.GRPO
    evaluate: settings.Evaluate
    training_sets: dict[str, TrainingSet | None]
    test_sets: dict[str, TestSet | None]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check(self)
        return self

    def arm_params(self, name: str) -> "Params":
        """The parameters of one arm: the base with that arm's overrides."""
        if name not in self.arms:
            raise InputError(f"params.yaml: no arm {name!r}; {nearest(name, self.arms)}")
        return checked(Params, merged(self.to_mapping(), self.arms[name]), f"arms.{name}")

    def item_set(self, name: str) -> TrainingSet | TestSet:
        """A training set, by its task, or a test set, by its name."""
        wanted = self.training_sets.get(name) or self.test_set(name)
        if wanted is None:
            raise InputError(f"params.yaml: the items of {name} are made by `asyncthink puzzles`")
        return wanted

    def local_sources(self) -> list[str]:
        """The local files that training and test sets are read from."""
        sets = (*self.training_sets.values(), *self.test_sets.values())
        return [wanted.source for wanted in sets if wanted and wanted.source.endswith(".jsonl")]

    def test_set(self, name: str) -> TestSet | None:
        """A test set that is run at this scale; None for countdown's own, which `puzzles` describes."""
        if name != COUNTDOWN and self.test_sets.get(name) is None:
            run = [COUNTDOWN, *(other for other, entry in self.test_sets.items() if entry)]
            raise InputError(f"params.yaml: no test set {name!r}; {nearest(name, run)}")
        return self.test_sets.get(name)

    def task(self, test_set: str) -> str:
        """What a test set asks."""
        wanted = self.test_set(test_set)
        return wanted.task if wanted else COUNTDOWN

    def evaluations(self, arm: str, test_set: str = COUNTDOWN) -> dict[str, Thinking]:
        """What `evaluate` runs for an arm: its `headline`, then each variant that names it, each with its settings.

        Variants are of countdown; another test set has its headline alone.
        """
        own, wanted = self.arm_params(arm), self.test_set(test_set)
        sampled = asdict(replace(own.thinking, temperature=own.evaluate.temperature))
        keys = wanted.thinking if wanted else {}
        runs = {HEADLINE: checked(Thinking, {**sampled, **keys}, f"test_sets.{test_set}.thinking")}
        for name, variant in {} if wanted else own.evaluate.variants.items():
            if arm in variant.arms:
                where = f"evaluate.variants.{name}.thinking"
                runs[name] = checked(Thinking, {**sampled, **variant.thinking}, where)
        return runs

    def to_mapping(self) -> dict[str, Any]:
        """The nested dict that params.yaml holds."""
        return {**asdict(self), "seeds": list(self.seeds)}


def read(path: str | Path = "params.yaml") -> Params:
    """Read and check a parameter file, every arm's and every evaluation's overrides included."""
    try:
        return of_text(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise absent(path) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8") from None
    except RecursionError:  # a table that holds itself
        raise InputError(f"{path}: nested too deeply") from None
    except InputError as error:
        raise InputError(str(error).replace("params.yaml", str(path), 1)) from None


def of_text(text: str) -> Params:
    """The same of a text."""
    return _with_overrides(from_mapping(parsed(text)))


def check_root() -> None:
    """InputError if this folder is not the root of the project."""
    if not Path("params.yaml").is_file():
        raise absent("params.yaml")


def absent(path: str | Path) -> InputError:
    """What to say where a file of the project's root is missing, and where the root is if it is further up."""
    if Path(path).name != str(path):
        return InputError(f"{path}: no such file")
    above = next((folder for folder in Path.cwd().parents if (folder / path).is_file()), None)
    return InputError(f"no {path} here; run this in the root of the project{f': cd {above}' if above else ''}")


def parsed(text: str) -> Any:
    """The tables of a text, by the rules of YAML 1.2 as DVC has them: `yes` is a word, a key stands there once."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise InputError(f"params.yaml: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError("params.yaml: nested too deeply") from None
    except (ValueError, KeyError) as error:  # of a date or a tagged value that is none
        raise InputError(f"params.yaml: not YAML: {str(error)[:120]}") from None


def from_mapping(raw: Any) -> Params:
    """Check a nested dict against the sections."""
    return checked(Params, raw)


def _with_overrides(params: Params) -> Params:
    check_arms(params)
    for arm in params.arms:
        check_evaluations(params, arm, COUNTDOWN)
    for name, entry in params.test_sets.items():
        for arm in entry.arms if entry else ():
            check_evaluations(params, arm, name)
    return params


def merged(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the leaves of `override` put in, level by level."""
    result = dict(base)
    for key, value in override.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if nested else value
    return result
