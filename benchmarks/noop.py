"""What a run costs that finds nothing to do, beside the mere start of its tool: one run, one built graph.

    python benchmarks/noop.py    # in a checkout that `snakemake --cores all` and `asyncthink record` brought up to date

Seconds are of the processor, the least of some repeats, so that what else runs on the machine counts little. A graph of
another scale costs the same: it has as many jobs for an arm and a seed. `dvc --version` answers before it imports
anything, so `dvc status` is also set beside itself in an empty project: that is what DVC needs to look at anything.
The rest is mostly its parser of YAML, written in Python, on dvc.yaml, dvc.lock and, for every stage, params.yaml; where
ruamel.yaml.clib is installed it is one in C, and `dvc status` takes about half. noop.jsonl beside this file is of a
smoke graph.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

NOTHING = {"snakemake": ["snakemake", "--cores", "all"], "dvc": ["dvc", "status"]}


def main() -> None:
    """Print one JSON object a tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path(), help="where everything is up to date, for both tools")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as empty:
        for command in (["git", "init", "--quiet"], [sys.executable, "-m", "dvc", "init", "--quiet"]):
            subprocess.run(command, cwd=empty, check=True)
        for tool, command in NOTHING.items():
            version = least([tool, "--version"], options.directory, options.repeats)
            nothing = least(command, options.directory, options.repeats)
            row = {"command": " ".join(command), "seconds": nothing, "version": version}
            row["times_version"] = round(nothing / version, 1)
            if tool == "dvc":
                row["empty"] = least(command, Path(empty), options.repeats)
                row["times_empty"] = round(nothing / row["empty"], 1)
            print(json.dumps(row), flush=True)


def least(command: Sequence[str], directory: Path, repeats: int) -> float:
    """Processor seconds of a command and what it starts."""
    return round(min(seconds(command, directory) for _ in range(repeats)), 2)


def seconds(command: Sequence[str], directory: Path) -> float:
    """Of one time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", *command], cwd=directory, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
