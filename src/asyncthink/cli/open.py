"""`asyncthink open`: the report, or the page of episodes, in the browser; where there is none, where it lies."""

import argparse
import webbrowser
from pathlib import Path

from asyncthink.errors import InputError

PAGES = {"report": "index.html", "episodes": "episodes.html"}
EXAMPLE = "asyncthink open"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", nargs="?", choices=list(PAGES), default="report", help="report (default) or episodes")
    parser.add_argument("--folder", type=Path, default=Path("results/report"), help="where the pages lie")


def run(args: argparse.Namespace) -> None:
    page = (args.folder / PAGES[args.page]).resolve()
    if not page.is_file():
        raise InputError(f"{args.folder / PAGES[args.page]}: no such file; `make reproduce` or `make smoke` makes it")
    opened = webbrowser.open(page.as_uri())
    print(page if opened else f"no browser here; the page is {page}")
