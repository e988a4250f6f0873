"""Recorded episodes as a page for people, or one of them as a picture of its timeline."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from asyncthink.episode import Episode, read
from asyncthink.errors import InputError
from asyncthink.files import write_text
from asyncthink.reporting import page

EXAMPLE = r"""asyncthink page results/evaluate/countdown/asyncthink/1.jsonl.gz --variant headline \
    --page work/episodes.html"""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("episodes", nargs="+", metavar="EPISODES.jsonl[.gz]", help="recorded episodes")
    parser.add_argument("-o", "--page", required=True, help="PAGE.html: all episodes; PICTURE.svg: one timeline")
    parser.add_argument("--variant", metavar="NAME", help="only the episodes of one evaluation: headline, or its name")
    parser.add_argument("--episode", metavar="ID", help="for a picture: the part behind # in the page's address")


def run(options: Namespace) -> None:
    kind = Path(options.page).suffix
    if kind not in MAKERS:
        raise InputError(f"{options.page}: the name must end in {' or '.join(MAKERS)}")
    write_text(options.page, MAKERS[kind](_recorded(options.episodes, options.variant), options.episode))


MAKERS = {".html": lambda episodes, _: page.html(episodes), ".svg": page.picture}


def _recorded(paths: list[str], variant: str | None) -> Iterator[Episode]:
    for path in paths:
        yield from (each for each in read(path) if variant is None or each.key.get("variant") == variant)
