"""What a run costs that finds nothing to do, beside the mere start of its tool.

    python -m benchmarks.noop    # in a checkout that `snakemake --cores all` and `asyncthink record` brought up to date

Seconds are of the processor. A graph of another scale costs the same: it has as many jobs for an arm and a seed.
`dvc --version` answers before it imports anything, so `dvc status` stands beside itself in an empty project: that is
what DVC needs to look at anything. The rest is mostly its parser of YAML on dvc.yaml, dvc.lock and, for every stage,
params.yaml: the one in C of ruamel.yaml.clib; with the one in Python `dvc status` takes half as long again.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import record, timing

REPEATS = 3


def rows(directory: Path) -> list[record.Row]:
    """One row for each front end; both have to be up to date in the directory."""
    with tempfile.TemporaryDirectory() as scratch:
        empty = Path(scratch)
        for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
            subprocess.run(command, cwd=empty, check=True)
        return [
            _row("snakemake --cores all", "snakemake --version", directory, directory),
            _row("dvc status", "the same in an empty project", directory, empty),
        ]


def _row(nothing: str, other: str, directory: Path, beside: Path) -> record.Row:
    alone = _words(nothing if beside != directory else other)
    pairs = [(timing.of_command(_words(nothing), directory), timing.of_command(alone, beside)) for _ in range(REPEATS)]
    ours, theirs = [own for own, _ in pairs], [start for _, start in pairs]
    return {
        "what": f"nothing to do: {nothing}",
        "against": other,
        "goal": "≤ 3 times its CPU time",
        "ratio": timing.ratio(ours, theirs),
        "unit": "CPU s",
        "ours": ours,
        "theirs": theirs,
        "checked": "the graph was built before, and the command made nothing",
    }


def _words(command: str) -> Sequence[str]:
    return [sys.executable, "-m", *command.split()]


if __name__ == "__main__":
    for row in rows(Path()):
        print(json.dumps(row))
