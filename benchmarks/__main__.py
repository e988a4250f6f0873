"""All benchmarks, one process each, then README's table; or, with --check, held to the committed results.

python -m benchmarks                   every one; results/*.json and README.md are written
python -m benchmarks solver growth     some
python -m benchmarks --check           measures into a scratch folder; 1 if a row is missing or worse by over a fifth
python -m benchmarks --table           README's table alone, from the committed results
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from asyncthink.errors import InputError, one_line
from asyncthink.progress import span
from benchmarks import comparison, record, table
from benchmarks.record import INTERRUPTED, RESULTS, ROOT

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if "\ndef measure()" in path.read_text())


def main(argv: list[str] | None = None) -> int:
    """The exit code: 1 if a benchmark or a comparison fails, 2 for what a person has to put right first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without one")
    parser.add_argument("--check", action="store_true", help="compare with the committed results, and write none")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    names = args.names or NAMES
    try:
        if args.check:
            return check(names, RESULTS)
        return write([] if args.table else names, RESULTS, ROOT / "README.md")
    except InputError as error:
        print(f"benchmarks: {one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return INTERRUPTED


def write(names: list[str], results: Path, readme: Path) -> int:
    """Measure, and write README's table, of what was measured so far where that is interrupted."""
    for path in results.glob("*.json"):
        if path.stem not in names:
            record.read(path)  # what is not measured anew has to be good before anything is measured
    try:
        return int(bool(measured(names, results)))
    finally:
        table.write(readme, results)


def check(names: list[str], results: Path) -> int:
    """Measure into a scratch folder, and print every comparison; 1 if one fails, or a benchmark."""
    committed = {name: record.read(results / f"{name}.json") for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        failed = measured(names, Path(scratch))
        found = {name: Path(scratch) / f"{name}.json" for name in names}
        now = {name: record.read(path) for name, path in found.items() if path.exists()}
    for name in names:
        if name not in now and name not in failed:
            print(f"skipped {name}: not measured here, so not compared")
    lines = [line for name in now for line in comparison.compared(name, committed[name], now[name])]
    for line in lines:
        print(line)
    verdicts = [line.verdict for line in lines]
    print(", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("ok", "WORSE", "MISSING", "new")))
    return int(bool(failed) or any(line.failed for line in lines))


def measured(names: list[str], into: Path) -> list[str]:
    """The names of those that fail; the others are measured all the same."""
    begin = time.monotonic()
    failed = [name for name in names if _run(name, into)]
    if names:
        print(f"measured in {span(time.monotonic() - begin)}", file=sys.stderr)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return failed


def _run(name: str, into: Path) -> int:
    print(f"{name} ...", file=sys.stderr, flush=True)
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", f"benchmarks.{name}", "--into", str(into)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **own}).returncode


if __name__ == "__main__":
    sys.exit(main())
