"""The episode page in a real browser, headless; every page under test may neither complain nor ask for anything."""

import base64
import gzip
import json
import re
import subprocess
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from latency_formula import recursion
from playwright.sync_api import Browser, Page, expect, sync_playwright
from written_episodes import (
    ALL,
    ALONE,
    CUT_WORKER,
    DUPLICATE_FORK,
    EXAMPLE,
    NO_ANSWER,
    POOL_OVERFLOW,
    READY,
    SEARCH,
    SIDE_BY_SIDE,
    UNJOINED,
    asynchronous,
)

from asyncthink.cli import main
from asyncthink.cli import page as page_command
from asyncthink.episode import Episode, read, write
from asyncthink.errors import InputError
from asyncthink.reporting.page import html, picture
from asyncthink.reporting.page_record import identify, record

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = (
    "<script>window.harmed=1</script> <img src=x onerror=window.harmed=1> </script><script>window.harmed=1</script>"
    " <!-- \u2028\u2029 \x00 & &lt; ' \" ${window.harmed=1} \u202e javascript: ]]>"
)

Opened = Callable[..., Page]
PATIENCE = 60_000  # milliseconds: a busy machine may take its time
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")  # while it is open, an event loop runs in this thread
def browser() -> Iterator[Browser]:
    found = subprocess.run([Path(__file__).parent / "install_browser.sh"], capture_output=True, text=True)
    if found.returncode:
        reason = f"the episode page was not tested in a browser: {found.stderr.strip().splitlines()[-1]}"
        warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found.stdout.strip(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
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


def listed(page: Page) -> list[str]:
    return page.locator("#list .title").all_inner_texts()


def titles(*episodes: Episode) -> list[str]:
    return [f"test {episode.key['index']}" for episode in episodes]


def shown_words(page: Page, name: str) -> list[str]:
    """The words of one trace that are on the screen."""
    return page.get_by_role("region", name=name, exact=True).evaluate(SHOWN).split()


SHOWN = """node => [...node.querySelectorAll("span")]
  .filter((span) => !span.children.length && !span.matches(".unwritten, .unwritten *, .unseen"))
  .map((span) => span.textContent).join("")"""


# -- the list and its filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("Task", "countdown", ALL),
        ("Arm", "no_rl", [episode for episode in ALL if episode.arm == "no_rl"]),
        ("Answer", "right", [episode for episode in ALL if episode.score["accuracy"] == 1]),
        ("Answer", "partly", [READY]),
        ("Error", "duplicate_fork", [DUPLICATE_FORK]),
        ("Error", "pool_overflow", [POOL_OVERFLOW]),
        ("Error", "no_answer", [NO_ANSWER]),
        ("Error", "unjoined_worker", [UNJOINED]),
        ("Error", "cut_worker", [POOL_OVERFLOW, CUT_WORKER]),
    ],
)
def test_a_choice_keeps_the_episodes_that_match(opened, field, value, wanted):
    page = opened(ALL)
    page.get_by_label(field, exact=True).select_option(value)
    assert listed(page) == titles(*wanted)


def test_ranges_of_forks_and_latency_filter_and_can_be_cleared(opened):
    page = opened(ALL)
    page.get_by_label("Fewest forks").fill("2")
    assert listed(page) == titles(EXAMPLE, POOL_OVERFLOW)
    page.get_by_label("Longest latency").fill("100")
    assert listed(page) == titles(EXAMPLE)
    expect(page.locator("#count")).to_have_text(f"1 of {len(ALL)}")
    page.get_by_label("Longest latency").fill("99")
    assert listed(page) == []
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator("#list li")).to_have_count(len(ALL))


def test_variants_of_an_arm_are_told_apart_by_title_and_filter(opened):
    headline, other = (replace(EXAMPLE, key={**EXAMPLE.key, "variant": name}) for name in ("headline", "worker_16"))
    page = opened([headline, other, ALONE])
    assert listed(page) == ["test 12, headline", "test 12, worker_16", "test 20"]
    page.get_by_label("Variant of the arm").select_option("worker_16")
    assert listed(page) == ["test 12, worker_16"]


def test_two_thousand_episodes_are_drawn_a_screen_at_a_time_and_all_are_filtered(opened):
    many = [asynchronous(index, f"{SEARCH * 9} <ANSWER> 3 * 8 </ANSWER>", {}) for index in range(1998)]
    page = opened([EXAMPLE, *many, ALONE])
    expect(page.locator("#count")).to_have_text("2,000 recorded")
    assert opening_seconds(page) < 2
    assert page.locator("#list li").count() <= 200
    for screens in (2, 3):
        page.locator("#more").scroll_into_view_if_needed()
        expect(page.locator("#list li").nth(100 * screens - 1)).to_be_attached()
    assert page.locator("#list li").last.get_attribute("aria-posinset") == "300"
    page.get_by_label("Arm", exact=True).select_option("sequential")
    assert listed(page) == titles(ALONE)


def opening_seconds(page: Page) -> float:
    """What the page's thread has worked for to open it again, whatever else this machine does meanwhile."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.reload()
    expect(page.locator("#timeline rect").first).to_be_attached()
    return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}["TaskDuration"]


def test_a_row_says_what_was_asked_and_search_and_order_follow_it(opened):
    other = replace(EXAMPLE, item={**EXAMPLE.item, "target": 77}, key={**EXAMPLE.key, "index": 99})
    page = opened([*ALL, other])
    numbers = " ".join(map(str, EXAMPLE.item["numbers"]))
    assert page.locator("#list .asked").first.inner_text() == f"{numbers} → {EXAMPLE.item['target']}"
    page.get_by_label("Search").fill("→ 77")
    assert listed(page) == ["test 99"]
    expect(page.locator("#outside")).to_be_visible()  # the one in view is another
    page.get_by_label("Search").fill("nothing like it")
    expect(page.locator("#none")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    page.get_by_label("Sorted").select_option("soonest first")
    latencies = [int(text.split()[1]) for text in page.locator("#list .latency").all_inner_texts() if "no" not in text]
    assert latencies == sorted(latencies) and len(latencies) > 3
    expect(page.locator("#none, #outside")).to_have_count(2)
    assert not page.locator("#none").is_visible()


def test_an_episode_links_to_the_same_question_under_another_way(opened):
    alone = replace(ALONE, item=EXAMPLE.item)
    page = opened([EXAMPLE, alone], fragment=identify(EXAMPLE))
    page.locator("#others a").click()
    expect(page.get_by_role("heading", level=2)).to_have_text(titles(alone)[0])


# -- one episode ---------------------------------------------------------------------------------------------------


def test_a_row_opens_its_episode_and_the_fragment_names_it(opened):
    page = opened(ALL)
    page.get_by_role("link", name="test 16").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("test 16")
    assert page.url.endswith("#countdown-no_rl-split-test-index-16-sample-0-seed-1")
    page.go_back()
    expect(page.get_by_role("heading", level=2)).to_have_text("test 12")


def test_next_and_previous_walk_through_what_the_filters_left_and_the_list_follows(opened):
    many = [asynchronous(index, f"{SEARCH} <ANSWER> 3 * 8 </ANSWER>", {}, arm="ab"[index % 2]) for index in range(250)]
    page = opened(many, fragment=identify(many[199]))
    expect(page.locator("#list a[aria-current]")).to_be_in_viewport()
    page.get_by_label("Arm", exact=True).select_option("b")
    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.get_by_role("heading", level=2)).to_have_text("test 201")
    expect(page.locator("#list a[aria-current]")).to_be_in_viewport()
    page.get_by_role("button", name="Previous", exact=True).click()
    expect(page.get_by_role("heading", level=2)).to_have_text("test 199")


def test_a_link_opens_its_episode_and_an_unknown_one_is_named(opened):
    page = opened(ALL, fragment=identify(UNJOINED))
    expect(page.get_by_role("heading", level=2)).to_have_text("test 19")
    page.evaluate("location.hash = 'nobody'")
    expect(page.locator("#nothing")).to_have_text("No episode here is called nobody.")
    page.evaluate("location.hash = '%E0%A4%A'")
    expect(page.locator("#nothing")).to_have_text("No episode here is called %E0%A4%A.")


def test_two_recordings_of_one_key_have_links_of_their_own(opened):
    page = opened([EXAMPLE, EXAMPLE], fragment=f"{identify(EXAMPLE)}--2")
    expect(page.get_by_role("heading", level=2)).to_have_text("test 12")
    expect(page.locator("#list a[aria-current]")).to_have_count(1)


@pytest.mark.parametrize("episode", ALL, ids=identify)
def test_every_kind_of_episode_is_drawn_and_explained_without_overflow_on_a_narrow_screen(opened, episode):
    page = opened(ALL, fragment=identify(episode), width=390)
    expect(page.locator("#sentence")).not_to_be_empty()
    assert page.locator("#terms, #key").count() == 2
    assert page.locator("#terms").is_visible() == page.locator("#key").is_visible() == (episode.mode == "asynchronous")
    assert page.locator("#timeline rect").count() > 1
    assert page.locator(".trace").count() == len(episode.traces)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_critical_path_adds_up_to_the_latency_of_the_papers_formula(opened):
    page = opened(ALL, fragment=identify(EXAMPLE))
    stretches = page.locator("#timeline text.critical[text-anchor=middle]").all_text_contents()
    assert sum(map(int, stretches)) == recursion(EXAMPLE.plan) == 100
    points = page.locator("#timeline polyline.critical").get_attribute("points").split()
    clocks = [float(point.split(",")[0]) for point in points]
    assert clocks == sorted(clocks)
    expect(page.locator("#sentence")).to_contain_text("8 of the organizer + 35 of worker 1 + 14 of the organizer")


def test_the_sentence_says_why_for_each_kind_of_episode():
    said = {id(episode): record(episode)["sentence"] for episode in ALL}
    assert "every result that it joined was ready" in said[id(READY)]
    assert "joined no result" in said[id(UNJOINED)]
    assert "forked sub-query 1 a second time" in said[id(DUPLICATE_FORK)]
    assert "sub-query 3 while all 2 worker slots were taken" in said[id(POOL_OVERFLOW)]
    assert "without an answer" in said[id(NO_ANSWER)]
    assert "the slowest, trace 3, sets the latency of 90 steps" in said[id(SIDE_BY_SIDE)]
    assert said[id(ALONE)].endswith("the latency of 80 steps is its 80 tokens.")


# -- time ----------------------------------------------------------------------------------------------------------


def words_on_the_clock(episode: Episode) -> list[dict[str, list[str]]]:
    """Step by step, by hand: what each agent has on paper at each clock, for episodes whose words are tokens."""
    organizer, *workers = episode.traces
    texts = {f"Worker {trace.fork}": trace.own_text.split() for trace in workers}
    starts: dict[str, int] = {}
    clock, paper, at = 0, [], [{"Organizer": [], **{name: [] for name in texts}}]

    def tick() -> None:
        nonlocal clock
        clock += 1
        done = {name: words[: max(clock - starts.get(name, clock), 0)] for name, words in texts.items()}
        at.append({"Organizer": list(paper), **done})

    for segment in organizer.segments:
        fork = re.match(r"\s*<FORK-(\d+)>", segment.text)
        if segment.injected:
            worker = f"Worker {re.search('</JOIN-([0-9]+)>', segment.text)[1]}"
            while clock < starts[worker] + len(texts[worker]):
                tick()
            paper += segment.text.split()
            at[-1]["Organizer"] = list(paper)
            continue
        for word in segment.text.split():
            paper.append(word)
            tick()
        if fork:
            starts[f"Worker {fork[1]}"] = clock
    return at


def test_stepping_shows_at_each_clock_just_the_words_that_were_there(opened):
    page = opened(ALL, fragment=identify(EXAMPLE))
    expected = words_on_the_clock(EXAMPLE)
    assert len(expected) == 101
    for clock in range(100, -1, -1):
        expect(page.locator("#reading")).to_have_text(f"step {clock} of 100")
        seen = {name: shown_words(page, name) for name in expected[clock]}
        assert " ".join(seen["Organizer"]).replace(" ", "") == "".join(expected[clock]["Organizer"]), clock
        assert {**seen, "Organizer": 0} == {**expected[clock], "Organizer": 0}, clock
        page.keyboard.press("ArrowLeft")


def test_arrow_keys_step_through_time_and_with_shift_from_event_to_event(opened):
    page = opened(ALL, fragment=identify(EXAMPLE))
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#reading")).to_have_text("step 87 of 100")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#reading")).to_have_text("step 86 of 100")
    expect(page.locator("#moment")).to_have_text(
        "Step 63: The organizer joins worker 3, which is still at work, and waits"
    )
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#reading")).to_have_text("step 88 of 100")
    page.get_by_label("Task", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#reading")).to_have_text("step 88 of 100")


def test_events_buttons_and_the_timeline_itself_move_the_clock(opened):
    page = opened(ALL, fragment=identify(EXAMPLE))
    page.get_by_role("button", name=re.compile("forks sub-query 2")).click()
    expect(page.get_by_role("slider", name="Token clock")).to_have_attribute("aria-valuetext", "step 16 of 100")
    expect(page.locator("#events li[aria-current=step]")).to_contain_text("worker 2 starts")
    page.get_by_role("button", name="One step on").click()
    expect(page.locator("#reading")).to_have_text("step 17 of 100")
    box = page.locator("#timeline").bounding_box()
    page.mouse.click(box["x"] + 76, box["y"] + 100)
    expect(page.locator("#reading")).to_have_text("step 0 of 100")
    expect(page.locator("#moment")).to_have_text("Nothing has been decoded yet.")
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#moment")).to_contain_text("sub-query 1")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_have_attribute("aria-pressed", "false")


# -- safety and access ---------------------------------------------------------------------------------------------


def test_hostile_text_is_shown_as_text_and_runs_nothing(opened):
    episode = asynchronous(
        1,
        f" <FORK-1> {HOSTILE} </FORK-1> {HOSTILE} <JOIN-1> <ANSWER> {HOSTILE} </ANSWER>",
        {1: f" {HOSTILE} <RETURN> {HOSTILE} </RETURN>"},
        arm=HOSTILE,
        task=HOSTILE,
    )
    episode.item["question"] = HOSTILE
    episode.traces[1].prompt = HOSTILE
    page = opened([episode])
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    worker = page.get_by_role("region", name="Worker 1").evaluate("node => node.textContent")
    assert worker == f"{HOSTILE} <RETURN> {HOSTILE} </RETURN>"
    expect(page.locator("#item")).to_contain_text("<script>window.harmed=1</script>")
    assert page.evaluate("window.harmed") is None
    assert page.locator("img, main script").count() == 0


def test_the_embedded_data_is_the_records_whatever_the_text():
    episode = asynchronous(1, f" {HOSTILE} \ud800 <ANSWER> {HOSTILE} \udfff </ANSWER>", {})
    page = html([episode]).encode("utf-8").decode("utf-8")
    data = re.search('<script type="text/plain" id="episodes">(.*?)</script>', page, re.S)[1]
    assert json.loads(gzip.decompress(base64.b64decode(data))) == json.loads(
        json.dumps([{**record(episode), "title": "test 1"}])
    )
    assert not re.search("[<>&\u2028\u2029]", data)


def test_an_injected_script_is_stopped_by_the_pages_own_policy(opened, tmp_path, browser):
    file = tmp_path / "harmed.html"
    harm = "<script>window.harmed=1</script><img src=x onerror=window.harmed=1>"
    file.write_text(html([EXAMPLE]).replace("</main>", f"{harm}</main>"), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.evaluate("window.harmed") is None
    assert page.get_by_role("heading", level=2).inner_text() == titles(EXAMPLE)[0]
    page.close()


def test_a_keyboard_alone_reaches_filters_list_clock_and_texts_and_focus_is_seen(opened):
    page = opened(ALL[:2])
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "() => [document.activeElement.id || document.activeElement.name || document.activeElement.className"
                " || document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
            )
        )
    names = [name for name, _ in reached]
    assert {"skip", "task", "slowest", "clock", "play", "text"} <= set(names)
    assert all(outline != "none" for name, outline in reached if name != "BODY")


def test_a_screen_reader_finds_the_parts_by_role_and_name(opened):
    page = opened(ALL, fragment=identify(EXAMPLE))
    for role, name in [
        ("search", "Filter the episodes"),
        ("navigation", "Episodes that match"),
        ("main", "test 12"),
        ("slider", "Token clock"),
        ("img", re.compile("^How the thinking was organized The answer comes after 100 steps")),
        ("region", "Organizer"),
        ("region", "Worker 3"),
    ]:
        expect(page.get_by_role(role, name=name, exact=isinstance(name, str))).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_light_and_dark(opened, scheme):
    page = opened(ALL, fragment=identify(EXAMPLE), color_scheme=scheme)
    weak = page.evaluate(CONTRAST)
    assert weak == []


# WCAG's contrast ratio of every element that holds text against the nearest painted ground; below 4.5 it is weak.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => rgba(colour).slice(0, 3)
    .map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    const colour = getComputedStyle(node).backgroundColor;
    return rgba(colour)[3] > 0 || !node.parentElement ? colour : ground(node.parentElement);
  };
  const holds = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const ratio = (node) => {
    const style = getComputedStyle(node);
    const [a, b] = [light(node.closest("svg") ? style.fill : style.color), light(ground(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const beside = "script, option, noscript, noscript *, .unseen, .verdict, :disabled";
  return [...document.querySelectorAll(`body *:not(${beside})`)]
    .filter((node) => holds(node) && node.checkVisibility() && ratio(node) < 4.5)
    .map((node) => `${node.tagName} ${node.getAttribute("class")} ${ratio(node).toFixed(2)} ${node.textContent}`);
}"""


# -- the picture and the command -----------------------------------------------------------------------------------


def test_the_picture_is_one_well_formed_file_that_loads_nothing_and_escapes_text():
    episode = asynchronous(1, f" <FORK-1> {HOSTILE} </FORK-1> <JOIN-1> <ANSWER> 1 </ANSWER>", {1: SEARCH})
    text = picture([episode], None)
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {element.tag.split("}")[1] for element in root.iter()} == {
        *("svg", "title", "desc", "style", "rect", "g", "line", "polyline", "path", "text")
    }
    assert "var(" not in text and "light-dark" not in text and "url(" not in text
    assert "<script>window" in "".join(root.itertext())


def test_the_command_writes_a_page_and_a_picture_from_plain_and_gzipped_recordings(tmp_path):
    write(tmp_path / "a.jsonl", ALL[:3])
    write(tmp_path / "b.jsonl.gz", ALL[3:])
    files = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl.gz")]
    assert main(["page", *files, "-o", str(tmp_path / "all.html")]) == 0
    assert (tmp_path / "all.html").read_text(encoding="utf-8") == html([*read(files[0]), *read(files[1])])
    assert main(["page", *files, "-o", str(tmp_path / "t.svg"), "--episode", identify(CUT_WORKER)]) == 0
    assert (tmp_path / "t.svg").read_text(encoding="utf-8") == picture([CUT_WORKER], None)


def test_the_command_can_keep_to_the_episodes_of_one_evaluation(tmp_path):
    file, page = str(tmp_path / "a.jsonl"), tmp_path / "page.html"
    write(file, [replace(EXAMPLE, key=EXAMPLE.key | {"variant": name}) for name in ("headline", "worker_16")])
    headline, other = read(file)
    assert main(["page", file, "--variant", "headline", "-o", str(page)]) == 0
    assert page.read_text(encoding="utf-8") == html([headline]) != html([headline, other])


def test_plans_from_outside_are_drawn_and_a_page_links_back_to_its_report(opened, tmp_path):
    plan = {
        "capacity": 2,
        "organizer": [{"fork": 1, "tokens": 2}, {"think": 9}, {"join": 1, "tokens": 1}, {"answer": 3}],
    }
    file, page = tmp_path / "plans.jsonl", tmp_path / "plans.html"
    file.write_text("\n".join(json.dumps({**plan, "workers": {"1": tokens}}) for tokens in (5, 25)))
    assert main(["page", str(file), "-o", str(page), "--report", "index.html"]) == 0
    assert '<a href="index.html">Report</a>' in page.read_text()
    shown = opened([])
    shown.goto(page.as_uri())
    expect(shown.locator("#list li")).to_have_count(2)
    expect(shown.locator("#sentence")).to_contain_text("15 steps")
    file.write_text(json.dumps({**plan, "workers": {}}))
    assert main(["page", str(file), "-o", str(page)]) == 2


def test_a_page_of_more_episodes_than_a_browser_opens_has_the_first_and_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(page_command, "MOST", 3)
    file, page = str(tmp_path / "a.jsonl"), tmp_path / "page.html"
    for count, told in ((3, ""), (4, f"{page}: shows the first 3 episodes and leaves the others out")):
        write(file, ALL[:count])
        assert main(["page", file, "-o", str(page)]) == 0
        assert page.read_text(encoding="utf-8") == html(list(read(file))[:3])
        assert capsys.readouterr().err.startswith(told)


def test_the_command_names_what_is_wrong_in_one_line(tmp_path, capsys):
    write(tmp_path / "a.jsonl", ALL)
    file = str(tmp_path / "a.jsonl")
    assert main(["page", file, "-o", str(tmp_path / "page.pdf")]) == 2
    assert main(["page", file, "-o", str(tmp_path / "t.svg"), "--episode", "nobody"]) == 2
    assert main(["page", str(tmp_path / "no.jsonl"), "-o", str(tmp_path / "t.html")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "no episode is called nobody; the first is called countdown-asyncthink-split-test" in lines[1]


def test_a_plan_that_is_none_is_refused_with_the_name_of_its_episode():
    broken = asynchronous(7, " <ANSWER> 1 </ANSWER>", {})
    broken.plan["organizer"] = [{"ponder": 3}]
    with pytest.raises(InputError, match="index-7-sample-0-seed-1: action 1 of the organizer"):
        html([broken])


def test_a_variant_that_no_episode_is_of_is_refused_and_the_page_before_stays(tmp_path, capsys):
    file, page = tmp_path / "episodes.jsonl", tmp_path / "page.html"
    write(file, [replace(EXAMPLE, key=EXAMPLE.key | {"variant": "headline"})])
    page.write_text("the page before")
    assert main(["page", str(file), "--variant", "headlin", "-o", str(page)]) == 2
    said = "asyncthink page: no episode is of the variant 'headlin'; did you mean headline?\n"
    assert capsys.readouterr().err == said and page.read_text() == "the page before"
