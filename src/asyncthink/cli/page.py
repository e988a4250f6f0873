"""Recorded episodes, or plans, as a page for people, or one of them as a picture of its timeline.

A plan is a line as `asyncthink schedule` takes it, from whatever program: it has a timeline, and no texts.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from asyncthink import schedule
from asyncthink.episode import Episode, Trace, from_mapping
from asyncthink.errors import InputError, nearest
from asyncthink.files import json_lines, write_text
from asyncthink.reporting import page

EXAMPLE = r"""asyncthink page results/evaluate/countdown/asyncthink/1.jsonl.gz --variant headline \
    --page work/episodes.html"""

MOST = 10_000  # episodes that a browser opens without a wait: some 10 MB


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("episodes", nargs="+", metavar="EPISODES.jsonl[.gz]", help="recorded episodes, or plans")
    parser.add_argument(
        "-o", "--page", required=True, help=f"PAGE.html: all episodes, {MOST:,} at most; PICTURE.svg: one timeline"
    )
    parser.add_argument("--variant", metavar="NAME", help="only the episodes of one evaluation: headline, or its name")
    parser.add_argument("--report", metavar="ADDRESS", help="of a page: the report that it links back to")
    parser.add_argument("--episode", metavar="ID", help="for a picture: the part after # in the page's address")


def run(options: Namespace) -> None:
    kind = Path(options.page).suffix
    if kind not in MAKERS:
        raise InputError(f"{options.page}: the name must end in {' or '.join(MAKERS)}")
    MAKERS[kind](options, _recorded(options.episodes, options.variant))


def _html(options: Namespace, episodes: Iterator[Episode]) -> None:
    write_text(options.page, page.html(islice(episodes, MOST), options.report))
    if next(episodes, None) is not None:
        more = (
            f"shows the first {MOST:,} episodes and leaves the others out; choose with --variant, or give fewer files"
        )
        print(f"{options.page}: {more}", file=sys.stderr)


def _picture(options: Namespace, episodes: Iterator[Episode]) -> None:
    write_text(options.page, page.picture(episodes, options.episode))


MAKERS = {".html": _html, ".svg": _picture}


def _recorded(paths: list[str], variant: str | None) -> Iterator[Episode]:
    """The episodes of a variant, or all; InputError at the end where there are none."""
    variants: set[str] = set()
    for number, (where, given) in enumerate(line for path in paths for line in json_lines(path)):
        try:
            each = _planned(given, number) if "organizer" in given else from_mapping(given)
        except InputError as error:
            what = "a plan" if "organizer" in given else "an episode"
            raise InputError(f"{where} is not {what}: {error}") from None
        own = str(each.key.get("variant", ""))
        variants.add(own)
        if variant in (None, own):
            yield each
    if not variants:
        raise InputError(f"{', '.join(paths)}: holds no episodes")
    if variant is not None and variant not in variants:
        names = sorted(filter(None, variants))
        hint = nearest(variant, names) if names else "none has one"
        raise InputError(f"no episode is of the variant {variant!r}; {hint}")


def _planned(given: dict[str, Any], number: int) -> Episode:
    """An episode of which nothing is known but its plan."""
    plan = schedule.validate(given)
    ran = schedule.simulate(plan)
    stops = {lane.fork: "eos" for lane in ran.lanes}
    traces = [Trace("worker" if fork else "organizer", fork, "", [], stop=stop) for fork, stop in stops.items()]
    key = {"split": "plan", "index": number}
    return Episode(
        key, "plan", {}, "asynchronous", plan["capacity"], traces, plan, None, schedule=schedule.numbers(ran)
    )
