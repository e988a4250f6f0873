"""`asyncthink puzzles`: countdown items for training, validation and test, with a manifest."""

import argparse
import sys
from functools import partial
from pathlib import Path

from asyncthink.config import params
from asyncthink.files import write_json, write_json_lines
from asyncthink.tasks import countdown_puzzles

EXAMPLE = r"""asyncthink puzzles --train work/train.jsonl --validation work/validation.jsonl \
    --test work/test.jsonl --manifest work/manifest.json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    for split in countdown_puzzles.SPLITS:
        parser.add_argument(f"--{split}", type=Path, required=True, help="written: JSON Lines")
    parser.add_argument("--manifest", type=Path, required=True, help="written: JSON")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params)
    tell = partial(print, "puzzles:", file=sys.stderr, flush=True)
    splits = countdown_puzzles.generate(settings.puzzles, settings.seed, tell)
    summary = countdown_puzzles.manifest(splits, settings.puzzles, settings.seed)
    for split, items in splits.items():
        write_json_lines(getattr(args, split), items)
    write_json(args.manifest, summary)
