"""The episode page in a real browser, headless; every page under test may neither complain nor ask for anything."""

import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from asyncthink.episode import Episode
from asyncthink.reporting.page import html

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
Opened = Callable[..., Page]
PATIENCE = 60_000  # milliseconds: a busy machine may take its time
expect.set_options(timeout=PATIENCE)


def launched() -> Iterator[Browser]:
    """A headless browser; where none can be had, the test is skipped with the reason."""
    found = subprocess.run([Path(__file__).parent / "install_browser.sh"], capture_output=True, text=True)
    if found.returncode:
        reason = f"the episode page was not tested in a browser: {found.stderr.strip().splitlines()[-1]}"
        warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found.stdout.strip(), args=FLAGS)
        yield started
        started.close()


def opener(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """Opens a page of some episodes; at the end nothing may have been said on the console or asked of a network."""
    complaints: list[str] = []
    requests: list[str] = []
    contexts = []

    def open_page(episodes: list[Episode], fragment: str = "", width: int = 1280, **options: str) -> Page:
        file = tmp_path / "page.html"
        file.write_text(html(episodes), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{file.as_uri()}#{fragment}")
        page.locator("body[data-ready]").wait_for(state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def titles(*episodes: Episode) -> list[str]:
    return [f"test {episode.key['index']}" for episode in episodes]
