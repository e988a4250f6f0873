"""Recorded episodes as a page for people, or one of them as a picture of its timeline."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from asyncthink.episode import Episode, read
from asyncthink.errors import InputError
from asyncthink.files import write_text
from asyncthink.reporting import page

EXAMPLE = r"""asyncthink page results/evaluate/countdown/asyncthink/1.jsonl.gz --variant headline \
    --page work/episodes.html"""

MOST = 5_000  # episodes that a browser opens without a wait: some 30 MB


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("episodes", nargs="+", metavar="EPISODES.jsonl[.gz]", help="recorded episodes")
    parser.add_argument(
        "-o", "--page", required=True, help=f"PAGE.html: all episodes, {MOST:,} at most; PICTURE.svg: one timeline"
    )
    parser.add_argument("--variant", metavar="NAME", help="only the episodes of one evaluation: headline, or its name")
    parser.add_argument("--episode", metavar="ID", help="for a picture: the part behind # in the page's address")


def run(options: Namespace) -> None:
    kind = Path(options.page).suffix
    if kind not in MAKERS:
        raise InputError(f"{options.page}: the name must end in {' or '.join(MAKERS)}")
    MAKERS[kind](options, _recorded(options.episodes, options.variant))


def _html(options: Namespace, episodes: Iterator[Episode]) -> None:
    write_text(options.page, page.html(islice(episodes, MOST)))
    if next(episodes, None) is not None:
        more = (
            f"shows the first {MOST:,} episodes and leaves the others out; choose with --variant, or give fewer files"
        )
        print(f"{options.page}: {more}", file=sys.stderr)


def _picture(options: Namespace, episodes: Iterator[Episode]) -> None:
    write_text(options.page, page.picture(episodes, options.episode))


MAKERS = {".html": _html, ".svg": _picture}


def _recorded(paths: list[str], variant: str | None) -> Iterator[Episode]:
    for path in paths:
        yield from (each for each in read(path) if variant is None or each.key.get("variant") == variant)
