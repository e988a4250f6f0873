"""The model in docs/nano is the reference's: it answers the first test items as the records say."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from asyncthink.config import params
from asyncthink.files import read_json_lines, write_json_lines
from asyncthink.tasks import countdown_puzzles

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "metrics/reference/nano"
ITEMS, ALIKE = 24, 20  # another processor rounds sums otherwise, and so may draw another word now and then


def test_it_answers_as_the_records_of_the_reference_say(tmp_path):
    raw = json.loads((REFERENCE / "manifest.json").read_text())["params"]
    raw["evaluate"]["variants"] = {}
    (tmp_path / "params.yaml").write_text(json.dumps({**raw, "seeds": [1]}))
    given = params.read(tmp_path / "params.yaml")
    write_json_lines(tmp_path / "items.jsonl", countdown_puzzles.drawn(given.puzzles, given.seed, "test", ITEMS))
    arguments = "evaluate --test-set countdown --split test --arm asyncthink --seed 1 --items items.jsonl"
    written = ["--model", ROOT / "docs/nano", "--episodes", "e.jsonl.gz", "--recording", "r.json"]
    subprocess.run([sys.executable, "-m", "asyncthink", *arguments.split(), *written], cwd=tmp_path, check=True)
    episodes = read_json_lines(tmp_path / "e.jsonl.gz")
    records = json.loads((REFERENCE / "evaluate/countdown/asyncthink/1.json").read_text())
    recorded = records["evaluations"]["headline"]["episodes"]
    alike = [
        (episode["score"]["correct"], episode["schedule"]["elapsed"]) == (correct, elapsed)
        for episode, correct, elapsed in zip(episodes, recorded["correct"], recorded["elapsed"], strict=False)
    ]
    assert len(alike) == ITEMS and sum(alike) >= ALIKE


def test_its_page_says_what_the_records_of_its_seed_say():
    page = (ROOT / "docs/nano/README.md").read_text(encoding="utf-8").replace("\n", " ")
    records = sorted((REFERENCE / "evaluate/countdown/asyncthink").iterdir())
    of_seeds = [json.loads(record.read_text())["evaluations"]["headline"]["metrics"] for record in records]
    own, *others = (100 * metrics["accuracy"] for metrics in of_seeds)
    assert f"{own:.1f} % of what is asked, at {of_seeds[0]['elapsed']:.0f} tokens" in page
    assert f"{min(others):.1f} to {max(others):.1f} %" in page
    assert f"commit {json.loads(REFERENCE.with_suffix('.json').read_text())['commits']['records']}" in page


def test_the_experiment_of_the_readme_shows_what_a_smaller_budget_does(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = readme.partition("<!-- experiment:")[2].partition("```bash\n")[2].partition("```")[0]
    assert "head -n 50 " in commands
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    few = ["bash", "-ec", commands.replace("head -n 50 ", "head -n 5 ")]
    done = subprocess.run(few, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    told = {row["measure"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert told["elapsed"]["difference"] < 0 and told["accuracy"]["difference"] <= 0
    assert (tmp_path / "work/280.html").is_file()
