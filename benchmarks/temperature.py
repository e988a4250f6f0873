"""Which temperature each way of thinking answers best at: accuracy on the validation items, which no test item is in.

    python benchmarks/temperature.py --temperatures 1.0 0.6 --samples 4

It reads the models that `snakemake --cores all` trained, for every seed in params.yaml, and puts what they answer into
the record. `evaluate.temperature` in params.yaml is chosen from it, and that of parallel thinking, in its arms.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncthink import files
from asyncthink.config import params
from asyncthink.config.subject import subject
from asyncthink.engines.local import Local
from asyncthink.evaluation import evaluate, measure, metrics
from asyncthink.evaluation.evidence import ALSO, ASYNC, BASELINES, PARALLEL, PRICED
from asyncthink.models import language_model
from asyncthink.settings import COUNTDOWN

ARMS = (ASYNC, PRICED, *BASELINES, *ALSO[PARALLEL])


def main() -> None:
    """Print and record one line a temperature, seed and way of thinking."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", default="params.yaml")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.0, 0.6])
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--record", type=Path, default=Path("benchmarks/temperature.jsonl"))
    options = parser.parse_args()
    language_model.deterministic()
    given = params.read(options.params)
    items = files.read_json_lines("data/puzzles/validation.jsonl")
    rows = files.read_json_lines(options.record) if options.record.exists() else []
    found = {(row["seed"], row["temperature"], row["arm"]): row for row in rows}
    for seed in given.seeds:
        for temperature in options.temperatures:
            for arm in (arm for arm in ARMS if arm in given.arms):
                model = options.results / "grpo" / (given.arm_params(arm).arm.weights_of or arm) / str(seed)
                chosen = at(given, arm, temperature, options.samples)
                row = {"arm": arm, "seed": seed, **answers(chosen, arm, seed, model, items)}
                print(json.dumps(row), flush=True)
                found[seed, temperature, arm] = row
                files.write_json_lines(options.record, found.values())


def at(given: params.Params, arm: str, temperature: float, samples: int) -> params.Params:
    """The parameters with another temperature and number of samples, for an arm that may name its own."""
    chosen = {"evaluate": {"temperature": temperature, "samples": samples}}
    arms = {**given.arms, arm: params.merged(given.arms[arm], chosen)}
    return replace(given, arms=arms, evaluate=replace(given.evaluate, variants={}))


def answers(given: params.Params, arm: str, seed: int, model: Path, items: Sequence[dict]) -> dict:
    """Accuracy, and the share of episodes with at least k right answers, for k = 1 to K."""
    engine = Local(*language_model.load(model))
    about = subject(given, COUNTDOWN, "validation", arm, seed, items, engine.identity())
    with TemporaryDirectory() as scratch:
        evaluate.record(about, engine, episodes := Path(scratch) / "episodes.jsonl.gz")
        rows = next(iter(measure.measured(episodes).values()))  # of parallel thinking the vote
    values = metrics.measurement(rows).values
    correct = values["correct"]
    return {
        "temperature": given.arm_params(arm).evaluate.temperature,
        "episodes": correct.size,
        "accuracy": round(float(values["accuracy"].mean()), 4),
        "at_least": [round(float((correct >= k).mean()), 4) for k in range(1, given.puzzles.required + 1)],
    }


if __name__ == "__main__":
    main()
