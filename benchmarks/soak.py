"""kill -9 at random moments, again and again, and the bytes that come out in the end.

    python benchmarks/soak.py --kills 50 --seed 0

The smoke graph is made once undisturbed, and then in rounds: under `snakemake` with `asyncthink record`, under `dvc
repro`, and by hand, one step's own command after the other. In a round up to 18 moments lie ahead, drawn from the seed.
At each of them the step's process, the driver alone or all processes of the run die, and the same command is given
again, until it ends by itself. The content hashes of all data sets, episodes, metrics, models, tables and figures are
then held against those of the undisturbed run; only the report tells times and is left out. Rounds go on until as many
kills have come as were asked for: a moment can stay out, where what it waits for was finished before.

Everything lies in --folder, and a soak that was stopped goes on there. Its log, soak.jsonl, has a line a kill and a
line a round.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from checkout import Project  # noqa: E402
from kills import ANYWHERE, PHASES, VICTIMS, Moment, leaf_commands, repeated, struck  # noqa: E402

AHEAD = 18  # moments of a round
TIMED = "results/report/index.html"
LEDGERS = {"record": "snakemake", "dvc": "dvc repro"}  # processes that only one front end has
FRONT_ENDS = {
    "snakemake": lambda project: [["snakemake", "--cores", "2"], ["asyncthink", "record"]],
    "dvc repro": lambda project: [["dvc", "repro"]],
    "by hand": leaf_commands,
}


def main() -> int:
    """Run all rounds, and say how many hashes differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "work" / "soak")
    options = parser.parse_args()
    log = Log(options.folder / "soak.jsonl")
    whole = laid_out(options.folder / "undisturbed")
    whole.run("snakemake", "--cores", "2")
    wanted = hashes(whole)
    while (before := log.kills() - len(log.moments(f"round-{log.rounds()}"))) < options.kills:
        number, name = log.rounds(), f"round-{log.rounds()}"
        front_end = list(FRONT_ENDS)[number % len(FRONT_ENDS)]
        ahead = min(AHEAD, options.kills - before)
        moments = list(drawn(random.Random(f"{options.seed}/{number}"), front_end, ahead))
        differing = soaked(options.folder / name, front_end, moments, wanted, log)
        log.tell(round=name, front_end=front_end, differing=differing)
    print(f"{log.kills()} kills, {len(log.differing())} differing hashes")
    return int(bool(log.differing()))


@dataclass(frozen=True)
class Log:
    """JSON Lines: a line a kill, a line a round."""

    path: Path

    def tell(self, **row: Any) -> None:
        """Add a line, and show it."""
        line = json.dumps(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def rows(self) -> list[dict[str, Any]]:
        """All lines."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def kills(self) -> int:
        """How many there have been."""
        return sum("kill" in row for row in self.rows())

    def moments(self, name: str) -> set[int]:
        """The numbers of the moments of one round that are logged."""
        return {row["moment"] for row in self.rows() if row.get("round") == name and "kill" in row}

    def rounds(self) -> int:
        """How many have ended."""
        return sum("differing" in row for row in self.rows())

    def differing(self) -> list[str]:
        """The paths, over all rounds."""
        return [path for row in self.rows() for path in row.get("differing", ())]


def laid_out(directory: Path) -> Project:
    """A checkout at smoke scale in a folder of its own; where there is one it is as it was left."""
    if (directory / ".git").is_dir():
        return Project(directory)
    unfinished = directory.with_name(f"{directory.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    Project.laid_out(unfinished, "smoke").commit("smoke")
    unfinished.rename(directory)
    return Project(directory)


def drawn(rng: random.Random, front_end: str, count: int) -> Iterator[Moment]:
    """Random moments; every step is as likely as any other, and so is every phase of it."""
    steps = [step for step in PHASES if LEDGERS.get(step, front_end) == front_end]
    chosen = (steps * count)[:count] if count >= len(steps) else rng.sample(steps, count)
    for step in chosen:
        package = step not in ("figures", "dvc")
        phase = rng.choice([*PHASES[step], *(["anywhere"] if package else [])])
        _, calls, seconds = (PHASES[step] | {"anywhere": ANYWHERE})[phase]
        victim = "driver" if step == "dvc" else rng.choice(VICTIMS)
        yield Moment(step, phase, rng.randint(1, calls), round(rng.uniform(0, seconds), 4), victim)


def soaked(directory: Path, front_end: str, moments: Sequence[Moment], wanted: dict[str, str], log: Log) -> list[str]:
    """One run through the graph with all the moments that come to it; the paths that are not as they should be."""
    project, notes = laid_out(directory), directory.with_name(f"{directory.name}.notes")

    def tell(number: int, after: str, **others: Any) -> None:
        row = {"kill": log.kills() + 1, "round": directory.name, "moment": number, "front_end": front_end}
        log.tell(**row, **asdict(moments[number]), **others, after=after)

    for number in set(struck(moments, notes)) - log.moments(directory.name):
        tell(number, "the soak was stopped here and went on")
    for command in FRONT_ENDS[front_end](project):
        waiting: list[tuple[int, dict[str, int]]] = []
        for attempt in repeated(project, command, moments, notes):
            for number, found in waiting:
                tell(number, attempt.outcome, found=found)
            waiting = [(number, remains(project)) for number in attempt.came]
    found = hashes(project)
    return sorted(path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path))


def remains(project: Project) -> dict[str, int]:
    """What a killed run has left: whole states, states cut off while they were saved, half-written files, locks."""
    states = list((project.directory / "work").glob("*/*/checkpoint-*"))
    whole = sum((state / "DONE").exists() for state in states)
    parts = sum(1 for place in ("results", "metrics", "figures") for _ in (project.directory / place).rglob("*.part"))
    locks = len(list((project.directory / ".snakemake" / "locks").glob("*")))
    return {"states": whole, "cut_off": len(states) - whole, "half_written": parts, "locks": locks}


def hashes(project: Project) -> dict[str, str]:
    """The content hash of everything that was made."""
    return {path: hashlib.sha256(data).hexdigest() for path, data in project.made().items() if path != TIMED}


if __name__ == "__main__":
    sys.exit(main())
