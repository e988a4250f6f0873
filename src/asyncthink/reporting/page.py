"""The episode page: one HTML file without a network, on which every recorded episode can be read.

Model text is data all the way. The embedded JSON is compressed, which holds no `<`, the scripts write text nodes only,
and the page's own policy (CSP) allows just the one script and the one style sheet whose hashes it names, and no
connection anywhere.
"""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from asyncthink.episode import Episode
from asyncthink.errors import InputError
from asyncthink.reporting import timeline_picture
from asyncthink.reporting.page_record import PageRecord, Shown, identify, ordered_key, record, title

ROOM = Path(__file__).parent
TEMPLATE = ROOM / "page/page.html"
STYLES = (ROOM / "page/timeline.css", ROOM / "page/page.css")
SCRIPTS = (ROOM / "page/timeline.js", ROOM / "page/traces.js", ROOM / "page/page.js")


def html(episodes: Iterable[Episode], report: str | None = None) -> str:
    """The whole page, with a link to a report. An episode whose plan is not one is an InputError that names it."""
    style, script = _joined(STYLES), _joined(SCRIPTS)
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
    policy += "base-uri 'none'; form-action 'none'"
    data = _embedded(_titled([_recorded(episode, name) for name, episode in _distinct(episodes)]))
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    back = f'<a href="{escape(report)}">Report</a>' if report else ""
    return template.substitute(policy=policy, style=style, script=script, data=data, report=back)


def picture(episodes: Iterable[Episode], wanted: str | None) -> str:
    """The timeline of the episode that the page would show under `#wanted`, or of the first one, as an SVG."""
    episode = _chosen(episodes, wanted)
    with _told_of(episode):
        shown = Shown(episode)
        return timeline_picture.svg(
            shown.scene(in_sequence=episode.mode == "asynchronous"),
            f"Timeline of {title(ordered_key(episode))}",
            shown.sentence(),
        )


def _recorded(episode: Episode, name: str) -> PageRecord:
    with _told_of(episode):
        return {**record(episode), "id": name}


@contextmanager
def _told_of(episode: Episode) -> Iterator[None]:
    """What is wrong with an episode, with its name."""
    try:
        yield
    except InputError as error:
        raise InputError(f"episode {identify(episode)}: {error}") from None
    except OverflowError:
        raise InputError(f"episode {identify(episode)}: it holds a number beyond 1e308") from None


def _chosen(episodes: Iterable[Episode], wanted: str | None) -> Episode:
    first = None
    for name, episode in _distinct(episodes):
        first = first or name
        if wanted in (None, name):
            return episode
    raise InputError(f"no episode is called {wanted}; the first is called {first}")


def _distinct(episodes: Iterable[Episode]) -> Iterator[tuple[str, Episode]]:
    """Episodes with names of their own: a second recording of the same key gets a number."""
    seen: dict[str, int] = {}
    for episode in episodes:
        name = identify(episode)
        count = seen[name] = seen.get(name, 0) + 1
        yield name if count == 1 else f"{name}--{count}", episode


def _titled(records: list[PageRecord]) -> list[PageRecord]:
    """Records with titles in which stands only what tells them apart, and which item they are of."""
    values: dict[str, set[str]] = {}
    for name, value in (pair for entry in records for pair in entry["key"]):
        values.setdefault(name, set()).add(str(value))
    telling = {name for name, said in values.items() if len(said) > 1} | {"split", "index"}
    titles = (title([pair for pair in entry["key"] if pair[0] in telling]) for entry in records)
    return [{**entry, "title": text or entry["id"]} for entry, text in zip(records, titles, strict=True)]


def _embedded(value: Any) -> str:
    """JSON, compressed, in letters that can stand inside <script>; lone surrogates become their escapes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = re.sub("[\ud800-\udfff]", lambda letter: f"\\u{ord(letter[0]):04x}", text)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _joined(paths: Iterable[Path]) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
