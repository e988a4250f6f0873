"""All benchmarks, one process each, then README's table; or, with --check, held to the committed results.

python -m benchmarks                   every one; results/*.json and README.md are written
python -m benchmarks solver growth     some
python -m benchmarks --check           measures into a scratch folder; 1 if a ratio is worse by more than a fifth
python -m benchmarks --table           README's table alone, from the committed results
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from asyncthink.progress import span
from benchmarks import table
from benchmarks.record import RESULTS

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if "\ndef measure()" in path.read_text())


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without one")
    parser.add_argument("--check", action="store_true", help="compare with the committed results, and write none")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    args = parser.parse_args()
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    names = args.names or NAMES
    if args.check:
        with tempfile.TemporaryDirectory() as scratch:
            return _measured(names, Path(scratch)) or _checked(names, Path(scratch))
    failed = 0 if args.table else _measured(names, RESULTS)
    table.write(ROOT / "README.md", RESULTS)
    return failed


def _measured(names: list[str], into: Path) -> int:
    """1 if a benchmark fails; the others are measured all the same."""
    begin = time.monotonic()
    failed = [name for name in names if _run(name, into)]
    print(f"measured in {span(time.monotonic() - begin)}", file=sys.stderr)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _run(name: str, into: Path) -> int:
    print(f"{name} ...", file=sys.stderr, flush=True)
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", f"benchmarks.{name}", "--into", str(into)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **own}).returncode


def _checked(names: list[str], measured: Path) -> int:
    """Print every comparison; 1 if one is worse."""
    comparisons = [
        line for name in names for line in table.compared(RESULTS / f"{name}.json", measured / f"{name}.json")
    ]
    for line in comparisons:
        print(line)
    return int(any(line.worse for line in comparisons))


if __name__ == "__main__":
    sys.exit(main())
