"""The report of the committed reference in a browser, as a newcomer opens it on a desk and on a phone."""

import math
import re
from itertools import combinations
from pathlib import Path

import pytest

from asyncthink import cli
from asyncthink.reporting import plots
from asyncthink.reporting.report import PAGE_COLOURS
from asyncthink.reporting.style import COLOURS

REFERENCE = Path(__file__).parents[1] / "metrics/reference/nano"
CUT = """() => [...document.querySelectorAll(".scroll, nav")]
  .filter((node) => node.scrollWidth > node.clientWidth + 1).map((node) => node.ariaLabel)"""

SEEN = """(colour) => {
  document.body.style.color = colour;
  return getComputedStyle(document.body).color.match(/\\d+/g).map(Number);
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    page = tmp_path_factory.mktemp("reference") / "index.html"
    assert cli.main(["report", "--reference", str(REFERENCE), "--report", str(page)]) == 0
    return page


def shown(browser, report: Path, width: int, **options: str):
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    page.goto(report.as_uri())
    return page


def test_no_table_figure_or_link_is_cut_on_a_desk_or_on_paper(browser, report):
    page = shown(browser, report, 1280)
    assert page.evaluate(CUT) == []
    page.set_viewport_size({"width": 718, "height": 1046})  # of A4 between its margins
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []
    page.close()


def test_a_phone_cuts_nothing_but_the_row_of_links(browser, report):
    page = shown(browser, report, 390)
    assert page.evaluate(CUT) == ["Contents"]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.close()


COVERED = """() => [...document.querySelectorAll(".forest")].flatMap((strip) => {
  const boxes = (kinds) => [...strip.querySelectorAll(kinds)].map((node) => node.getBoundingClientRect());
  const [labels, drawn, whole] = [boxes("text"), boxes("text, g"), strip.getBoundingClientRect()];
  const meet = (one, other) =>
    one.x < other.right && other.x < one.right && one.y < other.bottom && other.y < one.bottom;
  const same = (one, other) => one.x === other.x && one.y === other.y;
  return labels.filter((label) => label.x < whole.x || label.right > whole.right || label.bottom > whole.bottom
    || label.height < 9 || drawn.some((box) => !same(box, label) && meet(box, label)));
}).length"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_label_of_a_strip_meets_a_line_or_another_label(browser, report, width):
    page = shown(browser, report, width)
    assert page.locator(".forest text").count() > 20
    assert page.evaluate(COVERED) == 0
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_two_arms_of_a_figure_have_nearly_one_colour(browser, report, scheme):
    page = shown(browser, report, 1280, color_scheme=scheme)
    named = [COLOURS[arm] for arm in (*plots.ORGANIZERS, *plots.TIMED)]
    seen = [page.evaluate(SEEN, PAGE_COLOURS.get(colour, colour)) for colour in named]
    assert min(math.dist(one, other) for one, other in combinations(seen, 2)) > 60
    page.close()


POINTED = """(node) => {
  const box = node.querySelector("use, path").getBoundingClientRect();
  const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return found.closest("g[role=img]").querySelector("title").textContent;
}"""


def test_a_point_of_the_frontier_says_what_it_is_on_hover_and_to_a_screen_reader(browser, report):
    page = shown(browser, report, 1280)
    figure = page.get_by_role("group", name="Accuracy against critical-path latency")
    points = figure.get_by_role("img", name=re.compile(r"^.+, budget \d+.*: accuracy .+ %.*, latency .+ tokens"))
    assert points.count() > 10
    points.last.scroll_into_view_if_needed()
    assert points.last.evaluate(POINTED) == points.last.locator("title").text_content()
    page.close()


def test_printed_it_is_a_dozen_pages_at_most(browser, report):
    page = shown(browser, report, 1280)
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) <= 12
    page.close()


def test_the_report_of_a_reference_names_no_file_that_only_a_run_leaves(report):
    text = report.read_text(encoding="utf-8")
    assert "metrics/tables/" not in text and "episodes.html" not in text
    assert "Where this page was made" in text
