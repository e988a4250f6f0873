"""The episode page as a file: what hostile text does in it, who can use it, and the command that writes it."""

import base64
import gzip
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from opened_page import titles
from playwright.sync_api import expect
from written_episodes import ALL, CUT_WORKER, EXAMPLE, SEARCH, asynchronous

from asyncthink.cli import main
from asyncthink.cli import page as page_command
from asyncthink.episode import read, write
from asyncthink.errors import InputError
from asyncthink.reporting import timeline_picture
from asyncthink.reporting.page import html, picture
from asyncthink.reporting.page_record import identify, record

HOSTILE = (
    "<script>window.harmed=1</script> <img src=x onerror=window.harmed=1> </script><script>window.harmed=1</script>"
    " <!-- \u2028\u2029 \x00 & &lt; ' \" ${window.harmed=1} \u202e javascript: ]]>"
)


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


def test_a_picture_is_of_the_episode_that_the_page_shows_under_the_same_name():
    second = replace(EXAMPLE, answer=None, traces=CUT_WORKER.traces, plan=CUT_WORKER.plan)
    assert picture([EXAMPLE, second], f"{identify(EXAMPLE)}--2") == picture([second], None) != picture([EXAMPLE], None)
    with pytest.raises(InputError, match=f"no episode is called {identify(EXAMPLE)}--3; the first is called"):
        picture([EXAMPLE, second], f"{identify(EXAMPLE)}--3")


def test_a_picture_of_any_key_is_well_formed():
    title = ElementTree.fromstring(picture([replace(EXAMPLE, key={"variant": "a\x01b"})], None)).find("{*}title")
    assert title.text.endswith("a\ufffdb")


def test_the_picture_says_what_its_colours_mean_and_shows_the_same_tokens_one_after_another():
    root = ElementTree.fromstring(picture([EXAMPLE], None))
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(timeline_picture.KEY.values()) <= set(said) and "sequence" in said
    [bar] = [text for text in said if text.endswith(" steps one after another")]
    assert int(bar.split()[0]) == EXAMPLE.schedule["work"] > EXAMPLE.schedule["latency"]


def test_letters_of_the_picture_are_nine_pixels_high_on_a_phone():
    root = ElementTree.fromstring(picture([EXAMPLE], None))
    (size,) = re.findall(r"text \{ font-size: (\d+)px", root.find("{*}style").text)[:1]
    assert int(size) / float(root.get("viewBox").split()[2]) * 358 > 9


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


def test_an_agent_of_a_plan_decoded_as_many_tokens_as_the_plan_says():
    organizer = [{"fork": 1, "tokens": 2}, {"join": 1, "tokens": 1}, {"answer": 3}]
    plan = {"capacity": 2, "organizer": organizer, "workers": {"1": 20}}
    notes = [trace["note"] for trace in record(page_command._planned(plan, 0))["traces"]]
    assert [note.rpartition(",")[0] for note in notes] == ["6 tokens, steps 1 to 25", "20 tokens, steps 3 to 22"]


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
    with pytest.raises(InputError, match="index-7-sample-0-seed-1: plan: action 1 of the organizer"):
        html([broken])


def test_a_plan_of_any_length_is_drawn_as_far_as_numbers_go():
    long = asynchronous(7, " <ANSWER> 1 </ANSWER>", {})
    long.plan["organizer"] = [{"answer": 10**30}]
    assert f"{10**30:,}" in picture([replace(long, schedule={})], None)
    long.plan["organizer"] = [{"answer": 10**400}]
    for draw in (html, lambda episodes: picture(episodes, None)):
        with pytest.raises(InputError, match="index-7-sample-0-seed-1: it holds a number beyond 1e308"):
            draw([replace(long, schedule={})])


def test_a_variant_that_no_episode_is_of_is_refused_and_the_page_before_stays(tmp_path, capsys):
    file, page = tmp_path / "episodes.jsonl", tmp_path / "page.html"
    write(file, [replace(EXAMPLE, key=EXAMPLE.key | {"variant": "headline"})])
    page.write_text("the page before")
    assert main(["page", str(file), "--variant", "headlin", "-o", str(page)]) == 2
    said = "asyncthink page: no episode is of the variant 'headlin'; did you mean headline?\n"
    assert capsys.readouterr().err == said and page.read_text() == "the page before"


def test_a_variant_is_found_by_its_name_and_no_name_is_none(tmp_path, capsys):
    file, page = tmp_path / "episodes.jsonl", tmp_path / "page.html"
    write(file, [replace(EXAMPLE, key=EXAMPLE.key | {"variant": 9})])
    assert main(["page", str(file), "--variant", "9", "-o", str(page)]) == 0
    assert page.read_text(encoding="utf-8") == html(list(read(file)))
    write(file, [EXAMPLE])
    assert main(["page", str(file), "--variant", "None", "-o", str(page)]) == 2
    assert capsys.readouterr().err == "asyncthink page: no episode is of the variant 'None'; none has one\n"


@pytest.mark.parametrize("kind", ["html", "svg"])
def test_files_without_an_episode_are_refused_and_the_page_before_stays(tmp_path, capsys, kind):
    file, page = tmp_path / "episodes.jsonl", tmp_path / f"page.{kind}"
    file.write_text(" \n\n", encoding="utf-8")
    page.write_text("the page before")
    assert main(["page", str(file), "-o", str(page)]) == 2
    assert capsys.readouterr().err == f"asyncthink page: {file}: holds no episodes\n"
    assert page.read_text() == "the page before"
