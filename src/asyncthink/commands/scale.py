"""`asyncthink scale NAME`: params.yaml for another scale, and the dvc.yaml that goes with it."""

import argparse
from pathlib import Path

from asyncthink import scales, stages
from asyncthink.files import write_text


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a file of workflow/scales: smoke, nano, small, paper")
    parser.add_argument(
        "--into", type=Path, metavar="DIR", help="leave this params.yaml alone and lay out DIR for the scale"
    )


def run(args: argparse.Namespace) -> None:
    here = Path()
    if args.into is not None:
        scales.lay_out(here, args.into, scales.scaled(here, args.name))
        print(f"{args.into}: laid out for scale {args.name}")
        return
    stages_text = stages.text(here, scales.scaled(here, args.name)) if Path("dvc.yaml").exists() else None
    print(scales.rewrite(here, args.name))
    if stages_text is not None:
        write_text("dvc.yaml", stages_text)
        print("dvc.yaml: written from the Snakefile")
