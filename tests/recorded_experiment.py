"""A whole experiment without a model: arms whose texts are written by a keyed random author of known skill.

The author speaks through the scripted engine, so everything behind the engine is the product itself: thinking, scoring,
recording, metrics files. Training histories and the corpus' metrics are written by hand.
"""

import atexit
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import yaml

from asyncthink import episode, files
from asyncthink.config import params
from asyncthink.config.params import Params
from asyncthink.config.subject import subject as of_params
from asyncthink.engines import Identity
from asyncthink.engines.scripted import Scripted
from asyncthink.evaluation import evaluate, measure, recordings
from asyncthink.models.word_tokenizer import build
from asyncthink.tasks import countdown_puzzles
from asyncthink.tasks.countdown_search import branches, sorted_numbers

ROOT = Path(__file__).parents[1]
ENGINE = Identity("scripted", None)


@dataclass(frozen=True)
class Skill:
    """found: chance that a solution is found; lines: of search, five tokens each; broken: chance of no answer."""

    found: float
    forks: int = 0
    lines: int = 6
    interleaved: float = 0.0
    broken: float = 0.0


SKILLS = {
    "asyncthink": Skill(0.9, forks=2, lines=5, interleaved=0.3, broken=0.02),
    "no_concurrency_reward": Skill(0.87, forks=2, lines=6, interleaved=0.9, broken=0.02),
    "no_cold_start": Skill(0.5, lines=8),
    "no_rl": Skill(0.4, forks=2, lines=5, interleaved=0.5, broken=0.2),
    "sequential": Skill(0.5, lines=11),
    "parallel": Skill(0.5, lines=11),
}


class Author(Mapping):
    """What each trace says, by the trace's name: (seed, split, index, sample, role)."""

    def __init__(self, arm: str, items: list[dict], skill: Skill) -> None:
        self.arm, self.items, self.skill = arm, items, skill

    def __getitem__(self, name: tuple) -> str:
        seed, _, index, sample, role = name
        key = role if role.startswith("trace") else "episode"
        rng = random.Random(f"{self.arm}/{seed}/{index}/{sample}/{key}")
        item = self.items[index]
        solutions = [hit for branch in branches(sorted_numbers(item)) for hit in branch.hits(item["target"])]
        found = [solution for solution in solutions if rng.random() < self.skill.found]
        search = " 8 - 3 5 ." * (self.skill.lines + rng.randrange(3))
        if role.startswith("worker"):
            mine = found[int(role[-1]) - 1 :: max(self.skill.forks, 1)]
            return f"{search} <RETURN> {' ; '.join(mine) or 'none'} </RETURN>"
        answer = "" if rng.random() < self.skill.broken else f" <ANSWER> {' ; '.join(found) or 'none'} </ANSWER>"
        return (self._organized(rng, item, search) if role == "organizer" else search) + answer

    def _organized(self, rng: random.Random, item: dict, search: str) -> str:
        forks = [
            f" <FORK-{i}> {item['numbers'][i]} {item['numbers'][i + 1]} ={item['target']} </FORK-{i}>" for i in (1, 2)
        ]
        forks, joins = forks[: self.skill.forks], [" <JOIN-1>", " <JOIN-2>"][: self.skill.forks]
        if rng.random() < self.skill.interleaved:
            return search + "".join(fork + join for fork, join in zip(forks, joins, strict=True))
        return "".join(forks) + search + "".join(joins)

    def __iter__(self):
        raise TypeError("an author has no end")

    def __len__(self) -> int:
        raise TypeError("an author has no end")


def settings(scale: str = "nano", items: int = 40) -> Params:
    """The committed parameters with a small test split, and the world that the author knows."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    override = {
        "scale": scale,
        "puzzles": {"train": 1, "validation": 0, "test": items, "required": 2, "most_solutions": 4},
        "thinking": {"capacity": 3, "organizer_budget": 96, "worker_budget": 60, "latency_budget": None},
        "evaluate": {"variants": VARIANTS},
        "arms": {"asyncthink": {}},
        "test_sets": {"countdown_larger": None},
    }
    raw["arms"] = {name: keys for name, keys in raw["arms"].items() if name in SKILLS}
    raw["evaluate"]["variants"] = {}
    return params.from_mapping(params.merged(raw, override))


VARIANTS = {
    **{f"worker_{b}": {"arms": ["asyncthink"], "thinking": {"worker_budget": b}} for b in (32, 38, 44, 50)},
    **{
        f"trace_{b}": {"arms": ["sequential", "parallel"], "thinking": {"organizer_budget": b}}
        for b in (72, 78, 80, 84)
    },
    "n_5": {"arms": ["parallel"], "thinking": {"capacity": 5}},
}


def subject(given: Params, arm: str, seed: int) -> evaluate.Subject:
    """One arm's evaluation on the test split."""
    items = countdown_puzzles.generate(given.puzzles, 0)["test"]
    return of_params(given, "countdown", "test", arm, seed, items, ENGINE)


def record(given: Params, arm: str, seed: int, scratch: Path, skill: Skill | None = None) -> tuple[list, dict]:
    """The episodes and the metrics of one arm, measured from the file of its episodes."""
    about = subject(given, arm, seed)
    author = Author(arm, list(about.items), skill or SKILLS[arm])
    path = scratch / arm / f"{seed}.jsonl.gz"
    evaluate.record(about, Scripted(build(given.puzzles), author), path)
    return list(episode.read(path)), measure.metrics_file(about.recording("items"), measure.measured(path))


@cache
def experiment() -> "Experiment":
    """Two seeds of every arm, once for all tests; the tests only read it."""
    folder, seeds = Path(mkdtemp(prefix="asyncthink-experiment-")), (1, 2)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    given = settings(items=24)
    return Experiment(
        given, folder, write_metrics(given, folder, seeds), write_histories(folder, seeds), write_corpus(folder)
    )


@dataclass(frozen=True)
class Experiment:
    """Parameters and the files of evaluations, histories and the corpus."""

    params: Params
    folder: Path
    evaluations: list[Path]
    histories: list[Path]
    filters: list[Path]

    @property
    def arguments(self) -> list[str]:
        """The files as the commands take them."""
        options = {"evaluations": self.evaluations, "histories": self.histories, "filters": self.filters}
        return [word for name, paths in options.items() for word in (f"--{name}", *map(str, paths))]


def write_metrics(given: Params, folder: Path, seeds: tuple[int, ...] = (1,), arms=tuple(SKILLS)) -> list[Path]:
    """Metrics files of every arm and seed, as `evaluate` lays them out."""
    paths = []
    for arm in arms:
        for seed in seeds:
            path = folder / "metrics/evaluate/countdown" / arm / f"{seed}.json"
            recordings.write(path, record(given, arm, seed, folder / "work")[1])
            paths.append(path)
    return paths


def write_histories(folder: Path, seeds: tuple[int, ...] = (1,), steps: int = 60) -> list[Path]:
    """RL curves that rise, and losses that fall."""
    paths = []
    for seed in seeds:
        for arm in ("asyncthink", "no_concurrency_reward", "no_cold_start", "sequential"):
            rows = [_rl_step(arm, seed, step, steps) for step in range(1, steps + 1)]
            paths.append(_write(folder / f"metrics/grpo/{arm}/{seed}.jsonl", rows))
        losses = [{"step": step, "loss": 4 / (1 + step / 8), "token_accuracy": 0.5} for step in range(1, 61)]
        paths.append(_write(folder / f"metrics/pretrain/{seed}.jsonl", losses))
        for arm in ("asyncthink", "sequential"):
            paths.append(_write(folder / f"metrics/sft/{arm}/{seed}.jsonl", losses[20:]))
    return paths


def _rl_step(arm: str, seed: int, step: int, steps: int) -> dict:
    rng = random.Random(f"{arm}/{seed}/{step}")
    part, noise = step / steps, rng.gauss(0, 0.02)
    lone = arm in ("no_cold_start", "sequential")
    return {
        "step": step,
        "reward": 0.4 + 0.5 * part + noise,
        "accuracy": (0.3 if lone else 0.4 + 0.45 * part) + noise,
        "all_correct": max(0.0, (0.0 if lone else 0.5 * part) + noise),
        "concurrency_ratio": 1 / 3
        if lone
        else 0.44 + (0.12 * part if arm == "asyncthink" else 0.03 * part) + noise / 3,
        "forks": 0.0 if lone else 1.2 + 0.9 * part + noise,
        "latency": 66.0 if lone else 110 + 60 * part - (100 if arm == "asyncthink" else 40) * part**2 + 60 * noise,
        "valid": min(1.0, 0.85 + 0.14 * part),
        "work": 180.0,
        "episodes": 96,
        "entropy": 0.9 - 0.5 * part,
        "kl": 0.1 * part,
    }


def _write(path: Path, rows: list[dict]) -> Path:
    files.write_json_lines(path, rows)
    return path


def judged(ledger: dict) -> dict:
    """A ledger without the commits, which come from git and not from what was recorded."""
    rows = [{key: value for key, value in row.items() if key != "rule_commit"} for row in ledger["claims"]]
    return {**ledger, "claims": rows, "commits": None}


def write_corpus(folder: Path) -> list[Path]:
    """The corpus' metrics as `filter` writes them."""
    counts = {"none": (0, 0), "interleaved": (2000, 5), "batch": (1900, 9), "other": (1700, 61)}
    classes = {name: {"demonstrations": many, "distinct": few} for name, (many, few) in counts.items()}
    path = folder / "metrics/filter/asyncthink.json"
    files.write_json(
        path, {"arm": "asyncthink", "topologies": {"distinct": 75, "beyond_the_two": 61, "classes": classes}}
    )
    return [path]
