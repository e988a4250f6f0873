"""`asyncthink reference`: this run's seeds, put beside those that the committed reference has.

The reference of a scale is a folder of recorded metrics, metrics/reference/SCALE/, laid out as metrics/ is, with the
ledger that follows from them beside it, metrics/reference/SCALE.json. So its seeds can be run one by one, on several
machines, and every verdict can be derived again.
"""

import argparse
import shutil
from pathlib import Path

from asyncthink import files, params
from asyncthink.commands.claims import write_readme
from asyncthink.errors import InputError
from asyncthink.evaluation import claims, evidence

# What evidence.read takes, by where it lies in a folder of metrics.
PLACES = (
    ("evaluate/*/*/*.json",),
    ("pretrain/*.jsonl", "sft/*/*.jsonl", "grpo/*/*.jsonl"),
    ("filter/*.json",),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--metrics", type=Path, default=Path("metrics"), help="what the run recorded")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="its table of claims is written anew")


def run(args: argparse.Namespace) -> None:
    given = params.read(args.params)
    folder = args.metrics / "reference" / given.scale
    ours = [[name for name in names if of_run(name, given)] for names in recorded(args.metrics)]
    if not all(ours):
        raise InputError(f"{args.metrics}: holds no whole run of params.yaml; run `snakemake --cores all` first")
    merged = [
        {name: folder / name for name in kept} | {name: args.metrics / name for name in own}
        for kept, own in zip(recorded(folder), ours, strict=True)
    ]
    ledger = claims.ledger(evidence.read(*(places.values() for places in merged)), given.scale)
    for name in (name for names in ours for name in names):
        with files.replacing(folder / name) as temporary:
            shutil.copyfile(args.metrics / name, temporary)
    files.write_json(folder.with_suffix(".json"), ledger)
    write_readme(args.readme, folder.parent)
    print(f"{folder}: the reference now holds seeds {', '.join(map(str, ledger['seeds']))}")


def recorded(metrics: Path) -> list[list[Path]]:
    """The evaluations, histories and filters of a folder of metrics, by their place in it."""
    return [sorted(path.relative_to(metrics) for place in kind for path in metrics.glob(place)) for kind in PLACES]


def of_run(name: Path, given: params.Params) -> bool:
    """Whether a file belongs to an arm and a seed of params.yaml, and was not left by other ones."""
    if name.parts[0] == "filter":
        return name.stem in given.arms
    return name.stem in map(str, given.seeds) and (name.parts[0] == "pretrain" or name.parts[-2] in given.arms)
