"""`asyncthink reference`: this run's seeds, put beside those that the committed reference has.

The reference of a scale is a folder of recorded metrics, metrics/reference/SCALE/, laid out as metrics/ is, with the
manifest of what made them in it, and the ledger that follows from them beside it, metrics/reference/SCALE.json. So its
seeds can be run one by one, on several machines, and every verdict can be derived again. The episodes of the case
studies of the last run are kept beside the records, for the report of the reference alone (`make reference-report`).
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from asyncthink import files
from asyncthink.cli.claims import evidence_of, write_readme
from asyncthink.config import params
from asyncthink.evaluation import claims
from asyncthink.workflow import commits, provenance, records, whole_run

CASES = Path("tables/case_studies.csv")
EXAMPLE = "asyncthink reference"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--metrics", type=Path, default=Path("metrics"), help="what the run recorded")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="its table of claims is written anew")


def run(args: argparse.Namespace) -> None:
    given = params.read(args.params)
    own, folder = records.of(given), args.metrics / "reference" / given.scale
    whole_run.check(args.metrics, own, given)
    commit = provenance.current_commit()
    kept = provenance.read_manifest(folder)
    if kept is not None:
        provenance.check_kept(kept, folder, given, commit)
    merged = records.of_kinds([*own.all, *(Path(name) for name in (kept.records if kept else ()))])
    places = {name: (args.metrics if name in own.all else folder) / name for name in merged.all}
    known = replace(commits.of_rules(), records=commit[:7])
    ledger = claims.ledger(evidence_of(merged.at(places.__getitem__), given), given.scale, known)
    for name in own.all:
        with files.replacing(folder / name) as temporary:
            shutil.copyfile(args.metrics / name, temporary)
    if (cases := args.metrics / CASES).is_file():
        with files.replacing(folder / CASES.name) as temporary:
            shutil.copyfile(cases, temporary)
    provenance.described(folder, merged, given, commit).write(folder)
    files.write_json(folder.with_suffix(".json"), ledger)
    write_readme(args.readme, folder.parent)
    print(f"{folder}: the reference now holds seeds {', '.join(map(str, ledger['seeds']))}, of commit {commit[:7]}")
