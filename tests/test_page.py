"""The episode page as a person reads it: the list and its filters, one episode, and its time."""

import re
from dataclasses import replace

import pytest
from latency_formula import recursion
from opened_page import titles
from playwright.sync_api import Page, expect
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

from asyncthink.episode import Episode
from asyncthink.reporting import explanation
from asyncthink.reporting.page_record import identify, record
from asyncthink.schedule import simulate


def listed(page: Page) -> list[str]:
    return page.locator("#list .title").all_inner_texts()


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


def test_an_episode_stands_beside_the_same_question_under_another_way_on_one_clock(opened):
    alone = replace(ALONE, item=EXAMPLE.item)
    page = opened([EXAMPLE, alone], fragment=identify(EXAMPLE))
    ends = page.locator("#others svg").evaluate_all(
        """(lanes) => lanes.map((lane) => {
          const edges = [...lane.querySelectorAll("rect")].map((bar) => bar.getBoundingClientRect().right);
          return (Math.max(...edges) - lane.getBoundingClientRect().x) / lane.getBoundingClientRect().width;
        })"""
    )
    longest = max(EXAMPLE.schedule["latency"], alone.schedule["latency"])
    assert ends == pytest.approx([each.schedule["latency"] / longest for each in (EXAMPLE, alone)], abs=0.01)
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


def test_the_sentence_counts_the_waits_on_the_critical_path_alone():
    organizer = [{"fork": 1, "tokens": 2}, {"fork": 2, "tokens": 2}, {"join": 2, "tokens": 3}]
    organizer += [{"join": 1, "tokens": 3}, {"answer": 4}]
    plan = {"capacity": 3, "organizer": organizer, "workers": {"1": 60, "2": 25}}
    schedule = simulate(plan)  # it waits 22 steps for worker 2, while worker 1 runs on, and then 30 for worker 1
    said = explanation.sentence("asynchronous", [schedule], plan)
    assert "2 of the organizer + 60 of worker 1 + 4 of the organizer" in said
    assert "the organizer has to wait 30 steps for worker 1;" in said


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
