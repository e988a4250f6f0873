"""The tokens that `asyncthink estimate` expects, against those that the committed reference took."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncthink.config import params
from asyncthink.workflow import estimate, graph

REFERENCE = Path(__file__).parent.parent / "metrics" / "reference" / "nano"
MANIFEST = json.loads((REFERENCE / "manifest.json").read_text(encoding="utf-8"))
GIVEN = params.from_mapping({**MANIFEST["params"], "seeds": MANIFEST["seeds"]})
LOADS = list(estimate.loads(GIVEN))


def told(pattern: str) -> Iterator[dict]:
    for path in sorted(REFERENCE.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        yield from map(json.loads, text.splitlines() if path.suffix == ".jsonl" else [text])


def test_demonstrations_have_the_tokens_that_are_expected():
    took = expected = 0.0
    for record in told("filter/*.json"):
        own = GIVEN.arm_params(record["arm"])
        workers = record["forks"] * (record["worker_tokens"]["mean"] or 0)
        took += record["kept"] * (record["organizer_tokens"]["mean"] + workers)
        expected += own.synthesize.demonstrations * estimate.demonstration_tokens(own)
    assert took > 0 and expected == pytest.approx(took, rel=0.2)


@pytest.mark.parametrize(("step", "pattern"), [("grpo", "grpo/*/*.jsonl"), ("evaluate", "evaluate/*/*/*.json")])
def test_episodes_have_the_tokens_that_are_expected(step, pattern):
    took = sum(decoded(record) for record in told(pattern))
    expected = sum(load.decoded for load in LOADS if load.step.split()[0] == step)
    assert took > 0 and expected == pytest.approx(took, rel=0.2)


def decoded(record: dict) -> float:
    """Tokens of a training step, or of an arm's episodes; a vote and a union are of the same ones."""
    if "evaluations" not in record:
        return record["work"] * record["episodes"]
    each = record["evaluations"].values()
    return sum(sum(one["episodes"]["work"]) for one in each if one["aggregation"] != "union")


def test_the_reference_trained_what_the_estimate_counts():
    trained = {path.parent.name for path in REFERENCE.glob("grpo/*/*.jsonl")}
    assert {load.step for load in LOADS if load.step.startswith("grpo")} == {f"grpo {name}" for name in trained}
    assert trained == set(graph.trained(GIVEN))
