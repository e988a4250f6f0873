"""`asyncthink scale NAME`: params.yaml for another scale."""

import argparse
from pathlib import Path

from asyncthink.config import scales

EXAMPLE = "asyncthink scale smoke --into work/smoke"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a file of workflow/scales: smoke, nano, pretrained, small, paper")
    parser.add_argument(
        "--into", type=Path, metavar="DIR", help="leave this params.yaml alone and lay out DIR for the scale"
    )


def run(args: argparse.Namespace) -> None:
    here = Path()
    if args.into is not None:
        scales.lay_out(here, args.into, scales.scaled(here, args.name))
        print(f"{args.into}: laid out for scale {args.name}")
        return
    print(scales.rewrite(here, args.name))
