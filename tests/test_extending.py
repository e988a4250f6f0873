"""The worked examples of docs/extending.md run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from asyncthink.config import params

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^## (?:A|An) (\w+)\n.*?^```\w+\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL))


def test_there_is_one_example_for_each_thing_that_people_add():
    assert list(EXAMPLES) == ["task", "reward", "arm", "engine", "cluster"]
    assert max(example.count("\n") for example in EXAMPLES.values()) < 40


@pytest.mark.parametrize("name", ["task", "engine"])
def test_an_example_runs(name):
    done = subprocess.run([sys.executable, "-c", EXAMPLES[name]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_reward_can_be_chosen_by_its_name_and_pays_for_speed():
    use = """
from asyncthink.config import params
base = params.read("params.yaml").to_mapping()
reward = params.from_mapping(params.merged(base, {"reward": {"name": "brisk"}})).reward
quick, slow = ({"format_error": None, "latency": T, "concurrency": 1.0} for T in (50, 100))
assert REWARDS[reward.name](1.0, quick, reward, 3)["total"] > REWARDS[reward.name](1.0, slow, reward, 3)["total"]
"""
    done = subprocess.run([sys.executable, "-c", EXAMPLES["reward"] + use], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_arms_are_read_as_written():
    base = params.read(ROOT / "params.yaml").to_mapping()
    extended = params.from_mapping(params.merged(base, yaml.safe_load(EXAMPLES["arm"])))
    assert extended.arm_params("strong_concurrency").reward.concurrency_weight == 0.3
    assert extended.arm_params("per_episode_loss").grpo.loss == "grpo"


def test_the_cluster_names_rules_that_the_graph_has():
    rules = set(re.findall(r"^rule (\w+):", "".join(p.read_text() for p in ROOT.glob("workflow/rules/*.smk")), re.M))
    assert set(yaml.safe_load(EXAMPLES["cluster"])["set-resources"]) <= rules
