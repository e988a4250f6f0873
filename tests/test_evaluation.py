"""Recording, measuring and reading back: against counts by hand, kills, and records that are none."""

import gzip
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import recorded_experiment as experiment
import torch
import written_episodes as written
from taught_model import random_model

from asyncthink import episode
from asyncthink.config import params
from asyncthink.config.subject import subject
from asyncthink.engines import Identity
from asyncthink.engines.local import Local
from asyncthink.engines.scripted import Scripted
from asyncthink.errors import InputError
from asyncthink.evaluation import episode_chunks, evaluate, evidence, histories, measure, measures, metrics, recordings
from asyncthink.evaluation.measure import lines, measured
from asyncthink.files import write_json_lines
from asyncthink.models.word_tokenizer import build
from asyncthink.thinking import organization

GIVEN = experiment.settings(items=12)


def recorded(tmp_path, arm="asyncthink", **own):
    return experiment.record(GIVEN, arm, 1, tmp_path, **own)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_arm_is_recorded_at_its_headline_and_at_every_variant_that_names_it(tmp_path):
    episodes, found = recorded(tmp_path)
    variants = ["headline", "worker_32", "worker_38", "worker_44", "worker_50"]
    assert [e.key["variant"] for e in episodes] == [name for name in variants for _ in range(12)]
    assert list(found["evaluations"]) == variants
    assert [e.key["index"] for e in episodes[:12]] == list(range(12))
    assert {e.arm for e in episodes} == {"asyncthink"} and all(e.reward and e.score for e in episodes)
    assert found["evaluations"]["worker_32"]["config"]["thinking"]["worker_budget"] == 32


def test_a_variant_differs_from_the_headline_by_its_budget_alone(tmp_path):
    episodes, _ = recorded(tmp_path)
    texts = {
        name: [e.traces[0].own_text.split("<JOIN")[0] for e in episodes if e.key["variant"] == name]
        for name in ("headline", "worker_32")
    }
    assert texts["headline"] == texts["worker_32"]
    assert max(t.decoded for e in episodes[:12] for t in e.traces[1:]) > 32
    assert all(measures.decoded(t) <= 32 for e in episodes if e.key["variant"] == "worker_32" for t in e.traces[1:])


def test_only_the_headline_keeps_token_ids(tmp_path):
    episodes, _ = recorded(tmp_path)
    assert all(trace.ids and len(trace.ids) == len(trace.logprobs) for e in episodes[:12] for trace in e.traces)
    assert not any(trace.ids or trace.logprobs or trace.prompt_ids for e in episodes[12:] for trace in e.traces)
    assert all(trace.own_text for e in episodes for trace in e.traces)


def test_two_recordings_are_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        episodes, found = recorded(tmp_path / name)
        episode.write(tmp_path / name / "episodes.jsonl.gz", episodes)
        recordings.write(tmp_path / name / "metrics.json", found)
    assert files(tmp_path / "a") == files(tmp_path / "b")


class Killed(Exception):
    """What stands for kill -9: it leaves nothing but finished files."""


class DyingEngine(Scripted):
    """Dies at its hundredth request."""

    asked = 0

    async def complete(self, request):
        self.asked += 1
        if self.asked == 100:
            raise Killed
        return await super().complete(request)


def test_a_killed_recording_goes_on_behind_the_last_finished_chunk(tmp_path):
    subject = experiment.subject(GIVEN, "asyncthink", 1)
    author = experiment.Author("asyncthink", list(subject.items), experiment.SKILLS["asyncthink"])
    killed, whole = tmp_path / "killed.jsonl.gz", tmp_path / "whole.jsonl.gz"
    with pytest.raises(Killed):
        evaluate.record(subject, DyingEngine(build(GIVEN.puzzles), author), killed)
    finished = killed.read_bytes()
    assert 0 < len(list(episode.read(killed))) < 60
    engines = [Scripted(build(GIVEN.puzzles), author) for _ in range(2)]
    for engine, path in zip(engines, (killed, whole), strict=True):
        evaluate.record(subject, engine, path)
    assert killed.read_bytes() == whole.read_bytes() and killed.read_bytes().startswith(finished)


class MortalModel(Local):
    """Dies when its third organizer ends."""

    organizers = 0

    def release(self, trace):
        self.organizers += trace[-1] == "organizer"
        if self.organizers == 3:
            raise Killed
        super().release(trace)


def test_what_rounds_together_is_decoded_together_again_after_a_kill(tmp_path):
    """A part of a chunk that the local engine decodes alone has other log-probabilities in its last digits."""
    about = experiment.subject(GIVEN, "asyncthink", 1)
    headline = {"headline": about.evaluations["headline"]}
    about = replace(about, evaluations=headline, engine=Identity("local", torch.__version__))
    model, words = random_model(build(GIVEN.puzzles)), build(GIVEN.puzzles)
    killed, whole = tmp_path / "killed.jsonl.gz", tmp_path / "whole.jsonl.gz"
    with pytest.raises(Killed):
        evaluate.record(about, MortalModel(model, words), killed)
    assert not list(tmp_path.iterdir())
    for path in (killed, whole):
        evaluate.record(about, Local(model, words), path)
    assert killed.read_bytes() == whole.read_bytes()


TORN = {
    "cut off in its data": lambda data, end: data[: end + 40],
    "cut off in its check sum": lambda data, end: data[:-3],
    "with a byte that differs": lambda data, end: data[:-20] + b"\x00" + data[-19:],
    "with zeros for its end": lambda data, end: data[: end + 40] + bytes(200),
}


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_a_chunk_that_is_not_whole_is_dropped_and_those_before_it_stay(tmp_path, torn):
    path, first = tmp_path / "episodes.jsonl.gz", [organized("<ANSWER> 1 </ANSWER>", {})]
    second = [organized("<ANSWER> 3 * 8 </ANSWER>", {}), *first]
    episode_chunks.append(path, first)
    end = path.stat().st_size
    episode_chunks.append(path, second)
    whole = path.read_bytes()
    path.write_bytes(torn(whole, end))
    assert list(episode_chunks.whole(path)) == [first]
    assert path.read_bytes() == whole[:end]
    episode_chunks.append(path, second)
    assert path.read_bytes() == whole and list(episode.read(path)) == first + second


def test_an_item_with_many_samples_is_one_chunk_and_its_measures_are_those_of_all_of_them(tmp_path):
    sampled = params.from_mapping(params.merged(GIVEN.to_mapping(), {"evaluate": {"samples": 100}}))
    episodes, found = experiment.record(sampled, "no_rl", 1, tmp_path)
    assert [len(chunk) for chunk in episode_chunks.whole(tmp_path / "no_rl/1.jsonl.gz")] == [200] * 6
    alone = metrics.measurement(list(map(measures.measures, episodes)))
    values = found["evaluations"]["headline"]["episodes"]
    assert values["accuracy"] == pytest.approx(alone.values["accuracy"].ravel().tolist(), abs=1e-6)
    assert values["latency"].count(None) == np.isnan(alone.values["latency"]).sum() > 0


def test_another_budget_arm_seed_split_engine_or_number_of_samples_is_another_recording():
    subject = experiment.subject(GIVEN, "asyncthink", 1)
    keys = ({"thinking": {"worker_budget": 59}}, {"evaluate": {"samples": 2}}, {"reward": {"concurrency_weight": 0.1}})
    given = [params.from_mapping(params.merged(GIVEN.to_mapping(), key)) for key in keys]
    changes = [{"seed": 2}, {"split": "validation"}, {"engine": Identity("local", "2")}]
    others = [replace(subject, **change) for change in changes]
    others += [experiment.subject(GIVEN, "no_rl", 1), *(experiment.subject(other, "asyncthink", 1) for other in given)]
    assert len({json.dumps(each.fingerprint(), sort_keys=True) for each in (subject, *others)}) == 8


def test_the_split_keys_countdowns_sampling_and_another_test_sets_own_name_does_its():
    subject = experiment.subject(GIVEN, "asyncthink", 1)
    assert replace(subject, split="validation").item_set == "validation"
    assert replace(subject, test_set="sudoku").item_set == "sudoku"


def test_metrics_are_the_means_that_the_episodes_say(tmp_path):
    episodes, found = recorded(tmp_path, "no_rl")
    valid = [e for e in episodes if e.schedule["format_error"] is None]
    assert 0 < len(valid) < len(episodes)
    expected = {
        "accuracy": np.mean([e.score["accuracy"] for e in episodes]),
        "all_correct": np.mean([e.score["correct"] >= e.item["required"] for e in episodes]),
        "at_least_2": np.mean([e.score["correct"] >= 2 for e in episodes]),
        "latency": np.mean([e.schedule["latency"] for e in valid]),
        "elapsed": np.mean([e.schedule["elapsed"] for e in episodes]),
        "concurrency_ratio": np.mean([e.schedule["concurrency_ratio"] for e in valid]),
        "valid": len(valid) / len(episodes),
        "no_answer": 1 - len(valid) / len(episodes),
        "work": np.mean([sum(t.decoded for t in e.traces) for e in episodes]),
        "forks": 2.0,
    }
    headline = found["evaluations"]["headline"]
    for name, value in expected.items():
        assert headline["metrics"][name] == pytest.approx(value, abs=1e-6), name
        low, high = headline["intervals"][name]
        assert low <= headline["metrics"][name] <= high, name
    at_least = [headline["metrics"][f"at_least_{k}"] for k in range(1, GIVEN.puzzles.required + 1)]
    assert at_least == sorted(at_least, reverse=True) and at_least[-1] == headline["metrics"]["all_correct"]


def test_metrics_name_scale_seed_arm_and_config(tmp_path):
    given = experiment.settings("smoke", items=4)
    _, found = experiment.record(given, "no_rl", 7, tmp_path)
    assert (found["scale"], found["seed"], found["arm"], found["task"]) == ("smoke", 7, "no_rl", "countdown")
    assert found["note"] == "smoke: shows the graph, not the science"
    config = found["evaluations"]["headline"]["config"]
    assert config["reward"]["concurrency_weight"] == given.reward.concurrency_weight > 0
    assert config["arm"]["rl"] is False and given.arm.rl is True


def test_a_lone_trace_does_not_depend_on_the_concurrency_reward(tmp_path):
    weighty = params.from_mapping(params.merged(GIVEN.to_mapping(), {"reward": {"concurrency_weight": 0.3}}))
    both = [experiment.record(given, "sequential", 1, tmp_path / str(i)) for i, given in enumerate((GIVEN, weighty))]
    assert both[0][1] == both[1][1]


def test_parallel_thinking_has_its_vote_and_its_union_beside_it(tmp_path):
    _, found = recorded(tmp_path, "parallel")
    names = set(found["evaluations"])
    assert {"headline", "headline_union", "n_5", "n_5_union", "trace_72", "trace_72_union"} <= names
    for name in ("headline", "n_5"):
        vote, union = (found["evaluations"][key]["episodes"]["correct"] for key in (name, f"{name}_union"))
        assert all(u >= v for u, v in zip(union, vote, strict=True))
    assert found["evaluations"]["n_5"]["metrics"]["work"] > found["evaluations"]["headline"]["metrics"]["work"]


def test_latency_of_parallel_thinking_is_that_of_the_slowest_trace(tmp_path):
    episodes, found = recorded(tmp_path, "parallel")
    slowest = [max(t.decoded for t in e.traces) for e in episodes[:12]]
    assert found["evaluations"]["headline"]["episodes"]["elapsed"] == slowest


DONE, VAIN = " 3 * 8 24 ! <RETURN> 3 * 8 </RETURN>", " 3 + 8 11 . <RETURN> none </RETURN>"


def organized(text, workers, **fields):
    return measures.scored(written.asynchronous(0, text, workers, **fields))


def test_signs_of_reward_hacking_are_counted():
    text = (
        "<FORK-1> 3 8 =24 </FORK-1> <FORK-2> </FORK-2> <FORK-3> 3  8 =24 </FORK-3> <FORK-4> 5 =24 </FORK-4> "
        "<JOIN-1> <JOIN-2> <JOIN-4> <ANSWER> 3 * 8 </ANSWER>"
    )
    found = measures.measures(organized(text, {1: DONE, 2: VAIN, 3: DONE, 4: " 3 + 8 11 ."}, capacity=5)).values
    counts = {name: found[name] for name in found if name.endswith(("_queries", "_workers")) or name == "forks"}
    assert counts == {
        "forks": 4,
        "empty_queries": 1,
        "duplicate_queries": 1,  # white space aside, 3 asks what 1 asked
        "unused_queries": 3,  # 2 in vain, 3 never joined, 4 cut
        "unjoined_workers": 1,
        "cut_workers": 1,
    }


@pytest.mark.parametrize("returned, unused", [("3 * 8 24 !", 0), ("3*8", 0), ("5 * 3 15 ! ; 3 * 8", 0), ("13 * 8", 1)])
def test_a_sub_query_serves_where_the_answer_holds_what_its_worker_returned(returned, unused):
    text = "<FORK-1> 3 8 =24 </FORK-1> <JOIN-1> <ANSWER> 3 * 8 </ANSWER>"
    worker = f" 3 * 8 24 ! <RETURN> {returned} </RETURN>"
    assert measures.measures(organized(text, {1: worker})).values["unused_queries"] == unused


def test_concurrency_is_split_into_right_and_wrong_answers():
    wrong = measures.measures(organized("<ANSWER> 3 + 5 </ANSWER>", {})).values
    assert wrong["concurrency_ratio_wrong"] == wrong["concurrency_ratio"] > 0
    assert np.isnan(wrong["concurrency_ratio_right"])
    broken = measures.measures(organized("<JOIN-1>", {})).values
    assert broken["dangling_join"] == 1 and broken["valid"] == 0
    assert np.isnan([broken["latency"], broken["concurrency_ratio_wrong"]]).all() and broken["elapsed"] > 0


def test_strings_that_differ_are_counted_beside_solutions_that_differ():
    item = {"numbers": [3, 8, 12], "target": 24, "required": 2, "uses": 2}
    asked = replace(organized("<ANSWER> 3 * 8 ; 8 * 3 ; 12 + 12 ; 8*3 </ANSWER>", {}), item=item)
    found = measures.measures(measures.scored(asked)).values
    assert (found["correct"], found["string_distinct"], found["offered"]) == (1, 2, 4)


def test_a_structure_is_named_by_the_order_of_its_forks():
    text = "<FORK-7> a </FORK-7> <FORK-2> b </FORK-2> <JOIN-2> <JOIN-7> <ANSWER> 1 </ANSWER>"
    assert measures.measures(organized(text, {7: DONE, 2: DONE})).structure == "F1 F2 J2 J1"
    assert measures.measures(organized("<ANSWER> 1 </ANSWER>", {})).structure == ""


def test_diversity_counts_equally_frequent_structures():
    names = np.array(["a", "b", "c", "d"] * 50, dtype=object).reshape(1, 200, 1)
    found = metrics.diversity(metrics.Measurement(1, {}, names))
    assert found.value == pytest.approx(4) and found.estimate().low > 3.7
    lopsided = metrics.Measurement(1, {}, np.array(["a"] * 199 + ["b"], dtype=object).reshape(1, 200, 1))
    assert metrics.diversity(lopsided).value < 1.05


def test_measuring_the_recorded_episodes_gives_the_recorded_metrics(tmp_path):
    for arm in ("asyncthink", "parallel"):
        episodes, found = recorded(tmp_path, arm)
        episode.write(tmp_path / f"{arm}.jsonl.gz", episodes)
        said = lines(measured(tmp_path / f"{arm}.jsonl.gz"))
        named = {line["variant"] + ("_union" if line["aggregation"] == "union" else ""): line for line in said}
        assert list(named) == list(found["evaluations"])
        for name, entry in found["evaluations"].items():
            assert all(named[name][key] == value for key, value in entry["metrics"].items())
            assert all(named[name]["intervals"][key] == value for key, value in entry["intervals"].items())


def test_measuring_trusts_plan_and_answer_and_no_recorded_score(tmp_path):
    episodes, _ = recorded(tmp_path)
    lies = [replace(e, score={"accuracy": 1.0}, schedule={}) for e in episodes]
    for name, recorded_ones in {"honest": episodes, "lying": lies}.items():
        episode.write(tmp_path / name, recorded_ones)
    honest, lying = (repr(measured(tmp_path / name)) for name in ("honest", "lying"))  # some of them are nan
    assert honest == lying


def test_recordings_without_keys_or_with_missing_samples_are_measured_too(tmp_path):
    alone = [replace(organized("<ANSWER> 1 </ANSWER>", {}), key={}) for _ in range(3)]
    uneven = [replace(alone[0], key={"index": i, "sample": s}) for i, s in ((0, 0), (0, 1), (1, 0))]
    for episodes in (alone, uneven):
        episode.write(tmp_path / "episodes.jsonl", episodes)
        (line,) = lines(measured(tmp_path / "episodes.jsonl"))
        assert line["episodes"] == 3 and line["valid"] == 1.0 and line["accuracy"] == 0.0


def test_metrics_files_come_back_as_they_were_and_seeds_are_merged(tmp_path):
    given = experiment.settings(items=6)
    paths = experiment.write_metrics(given, tmp_path, seeds=(2, 1), arms=("no_rl", "parallel"))
    found = recordings.read_all(paths)["countdown"]
    merged = found.find("no_rl")
    assert merged.seeds == (1, 2) and merged.items == 6 and merged.measured.values["accuracy"].shape == (2, 6, 1)
    for place, seed in enumerate(merged.seeds):
        episodes, _ = experiment.record(given, "no_rl", seed, tmp_path / "work")
        alone = metrics.measurement(list(map(measures.measures, episodes)))
        for name, values in alone.values.items():
            assert merged.measured.values[name][place] == pytest.approx(values[0], abs=1e-6, nan_ok=True)
        assert (merged.measured.topologies[place] == alone.topologies[0]).all()
    assert found.find("parallel").aggregation == "vote"
    assert {e.aggregation for e in found.evaluations if e.arm == "parallel"} == {"vote", "union"}
    assert found.find("parallel", "n_5").thinking["capacity"] == 5 and found.find("nobody") is None


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("items", {"count": 6, "sha256": "x", "split": "test"}, "different test items"),
        ("scale", "small", "different scales"),
        ("seed", 1, "are both of no_rl, seed 1"),
        (
            "engine",
            {"name": "text", "version": None, "exact": False},
            r"different engines \(scripted of unknown version, exact; text of unknown version, inexact\)",
        ),
        ("evaluations", None, "not a metrics file"),
    ],
)
def test_metrics_that_do_not_belong_together_are_not_merged(tmp_path, key, value, complaint):
    paths = experiment.write_metrics(experiment.settings(items=3), tmp_path, (1, 2), ("no_rl",))
    record = json.loads(paths[1].read_text())
    record[key] = value
    if value is None:
        del record[key]
    paths[1].write_text(json.dumps(record))
    with pytest.raises(InputError, match=complaint):
        recordings.read_all(paths)


def test_seeds_of_different_processors_are_merged_but_arms_of_one_seed_are_not(tmp_path):
    paths = experiment.write_metrics(experiment.settings(items=3), tmp_path, (1, 2), ("no_rl", "asyncthink"))
    named = {path: json.loads(path.read_text()) for path in paths}
    for path, record in named.items():
        engine = {"name": "local", "version": f"2.13.0, compiled {record['seed']:08x}", "exact": True}
        path.write_text(json.dumps(record | {"engine": engine}))
    assert recordings.read_all(paths)["countdown"].find("no_rl").seeds == (1, 2)
    path, record = next(item for item in named.items() if item[1]["seed"] == 2)
    engine = {"name": "local", "version": "2.13.0, compiled 0000000f", "exact": True}
    path.write_text(json.dumps(record | {"engine": engine}))
    with pytest.raises(InputError, match="are of one seed and of different processors"):
        recordings.read_all(paths)


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (("episodes", "forks"), [1], r"evaluations\.headline\.episodes\.forks holds 1; wanted: 3 items x 1"),
        (("episodes", "accuracy"), [], r"evaluations\.headline\.episodes\.accuracy holds 0"),
        (("episodes", "topology"), [0, 0, 99], r"evaluations\.headline\.episodes\.topology holds 99"),
        (("episodes", "forks"), [1, 1, 10**400], r"not a metrics file"),
        (("episodes",), {}, r"evaluations\.headline\.episodes has no accuracy"),
        (("config",), {}, r"evaluations\.headline\.config\.thinking has no capacity"),
        (("config", "thinking", "capacity"), "2", r"thinking\.capacity is '2'; wanted: 1 or more"),
    ],
)
def test_a_metrics_file_that_lacks_what_its_readers_ask_for_is_refused(tmp_path, place, value, complaint):
    (path,) = experiment.write_metrics(experiment.settings(items=3), tmp_path, (1,), ("no_rl",))
    record = json.loads(path.read_text())
    table = record["evaluations"]["headline"]
    for key in place[:-1]:
        table = table[key]
    table[place[-1]] = value
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=complaint):
        recordings.read_all([path])


@pytest.mark.parametrize(
    ("own", "other", "complaint"),
    [
        ('"seed": 1', '"seed": "1"', "seed is '1': Input should be a valid integer"),
        ('"seed": 1', '"seed": true', "seed is True: Input should be a valid integer"),
        ('"seed": 1', '"seed": 1, "seed": 2', "the key 'seed' comes twice in one object"),
        ('"note": null', '"note": NaN', "NaN is not a JSON number"),
        ("{", "[{}] {", "it is not JSON: Extra data"),
        ("{", "", "it is not JSON"),
    ],
)
def test_a_record_is_json_without_repeated_keys_and_of_the_kinds_that_are_written(tmp_path, own, other, complaint):
    (path,) = experiment.write_metrics(GIVEN, tmp_path, arms=("no_rl",))
    path.write_text("\ufeff" + path.read_text())
    assert recordings.read_all([path])
    path.write_text(path.read_text().replace(own, other, 1))
    with pytest.raises(InputError, match=f"1.json: not a metrics file of `asyncthink measure`: .*{complaint}"):
        recordings.read_all([path])


@pytest.mark.parametrize("value", ["1", True, [1], 10**400])
def test_a_step_of_a_history_whose_value_is_no_number_is_named(tmp_path, value):
    path = tmp_path / "grpo/asyncthink/1.jsonl"
    write_json_lines(path, [{"step": 1, "reward": None}, {"step": 2, "reward": value}])
    with pytest.raises(InputError, match=r"1\.jsonl: step 2: reward is .*; wanted: a number or null"):
        histories.read([path])


@pytest.mark.parametrize("name", ["/1.jsonl", "grpo/asyncthink/².jsonl", "grpo/asyncthink/one.jsonl"])
def test_a_history_that_is_not_named_as_one_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"a history is named STEP/NAME/SEED\.jsonl"):
        histories.read([tmp_path / name])


def test_a_run_and_a_corpus_count_once(tmp_path):
    """Twice the same run would be two training runs that agree to the last digit."""
    runs = [tmp_path / folder / "grpo/asyncthink/1.jsonl" for folder in "ab"]
    for path in runs:
        write_json_lines(path, [{"step": 1}])
    with pytest.raises(InputError, match=r"a/grpo/.* and .*b/grpo/.* are both of asyncthink, seed 1; give one of them"):
        histories.read(runs)
    corpora = experiment.write_corpus(tmp_path)
    with pytest.raises(InputError, match=r"asyncthink\.json: a second corpus of asyncthink; give one of them"):
        evidence.read([], [], [*corpora, *corpora])


def test_a_corpus_without_the_counts_of_a_class_is_named(tmp_path):
    (path,) = experiment.write_corpus(tmp_path)
    record = json.loads(path.read_text())
    del record["topologies"]["classes"]["batch"]["distinct"]
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"asyncthink\.json: topologies\.classes has no counts of batch"):
        evidence.read([], [], [path])


def asyncthink(*arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "asyncthink", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, **options)


def test_the_measure_command_answers_in_json_lines_from_a_file_or_standard_input(tmp_path):
    path = tmp_path / "episodes.jsonl"
    episodes, _ = recorded(tmp_path, "no_rl")
    episode.write(path, episodes)
    from_file, piped = asyncthink("measure", path), asyncthink("measure", "-", input=path.read_text())
    assert from_file.returncode == piped.returncode == 0, from_file.stderr
    assert from_file.stdout == piped.stdout
    (line,) = map(json.loads, from_file.stdout.splitlines())
    assert line["arm"] == "no_rl" and line["variant"] == "headline" and line["episodes"] == 12
    assert line["intervals"]["accuracy"][0] <= line["accuracy"] <= line["intervals"]["accuracy"][1]


BROKEN = {
    "no JSON": lambda line: line[:-20],
    "no object": lambda line: "[1, 2]",
    "an unknown field": lambda line: line.replace('"answer"', '"anwser"', 1),
    "an unknown task": lambda line: line.replace('"countdown"', '"chess"'),
    "an unknown mode": lambda line: line.replace('"mode":"asynchronous"', '"mode":"telepathic"'),
    "no traces": lambda line: json.dumps({**json.loads(line), "traces": []}),
    "a plan that is none": lambda line: json.dumps({**json.loads(line), "plan": {"capacity": 0}}),
    "plans of nothing": lambda line: json.dumps({**json.loads(line), "plan": {"plans": []}}),
    "an answer that is a number": lambda line: json.dumps({**json.loads(line), "answer": 7}),
    "an item without numbers": lambda line: json.dumps({**json.loads(line), "item": {"target": 3}}),
    "an index that is a list": lambda line: json.dumps({**json.loads(line), "key": {"index": []}}),
    "a key that is none": lambda line: json.dumps({**json.loads(line), "key": 3}),
    "a capacity that is true": lambda line: re.sub('"capacity":[0-9]+', '"capacity":true', line),
    "tokens that are true": lambda line: re.sub('"tokens":[0-9]+', '"tokens":true', line),
    "text that is true": lambda line: re.sub('"text":"[^"]*"', '"text":true', line, count=1),
    "an arm that is true": lambda line: re.sub('"arm":"[^"]*"', '"arm":true', line),
    "a seed that is true": lambda line: re.sub('"seed":[0-9]+', '"seed":true', line),
    "text that is a number": lambda line: line.replace('"text":"', '"text":1,"x":"', 1),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_corrupt_line_is_named(tmp_path, kind):
    episodes, _ = experiment.record(experiment.settings(items=2), "no_rl", 1, tmp_path)
    lines = [episode.to_json(e) for e in episodes]
    path = tmp_path / "broken.jsonl"
    path.write_text("\n".join([lines[0], BROKEN[kind](lines[1])]) + "\n")
    with pytest.raises(InputError, match=r"broken\.jsonl: line 2 is not (an episode|JSON|a JSON object)") as error:
        measured(path)
    assert "\n" not in str(error.value)


ITEM = {"numbers": [2, 3, 4], "target": 24, "required": 1}
FORKED = {"capacity": 2, "organizer": [{"fork": 1, "tokens": 3}, {"answer": 2}], "workers": {"1": 4}}
REASONS = {
    "plan is None: Input should be a valid dictionary": {"plan": None},
    "plan: a plan is an object, not None": {"plan": {"plans": [None]}, "mode": "parallel"},
    "plan.plans holds 1; wanted: 1, one a trace, if mode is parallel, else none": {"plan": {"plans": [None]}},
    "plan.plans holds 0; wanted: 1, one a trace, if mode is parallel": {"mode": "parallel"},
    "worker 1 of the plan has no trace": {"plan": FORKED},
    "plan.plans is []; wanted: a list of at least one plan": {"plan": {"plans": []}},
    "plan: the plan has no capacity": {"plan": {}},
    "there is an answer, and no trace of the plan decoded a token": {
        "plan": {"plans": [{"capacity": 1, "organizer": []}]},
        "mode": "parallel",
    },
    "traces is []: List should have at least 1 item": {"traces": []},
    "traces[0] is None: Input should be a dictionary": {"traces": [None]},
    "traces[0].role: Field required": {"traces": [{}]},
    "the item has no numbers": {"item": {}},
    "task is 'bogus'; known: countdown, sudoku, competition_math, multiple_choice": {"task": "bogus"},
    "mode is 'telepathic': Input should be 'asynchronous', 'sequential' or 'parallel'": {"mode": "telepathic"},
    "'anwser' is an unknown key; did you mean answer?": {"anwser": "1"},
    "capacity is True: Input should be a valid integer": {"capacity": True},
    "capacity is 0; wanted: an integer of at least 1": {"capacity": 0},
    "it holds a number beyond 1e308": {"schedule": {"latency": 10**400}},
    "answer is 7: Input should be a valid string": {"answer": 7},
    "key.index is []; wanted: an integer": {"key": {"index": []}},
    "key.index is None; wanted: an integer": {"key": {"index": None}},
    "item.solutions is '4'; wanted: an integer": {"item": {"solutions": "4"}},
    "item.required is 1001; wanted: from 1 to 1,000": {"item": {**ITEM, "required": 1001}},
    "score.accuracy is '1'; wanted: a number": {"score": {"accuracy": "1"}},
    "reward.total is None; wanted: a number": {"reward": {"total": None}},
    "schedule.format_error is 1; wanted: a text or null": {"schedule": {"format_error": 1}},
    "schedule.forks is []; wanted: a number or null": {"schedule": {"forks": []}},
    "schedule.latency is 1, but the plan gives": {"schedule": {"latency": 1}},
    "schedule.'lag' is an unknown key; allowed: format_error, latency": {"schedule": {"lag": 1}},
}


@pytest.mark.parametrize("reason", REASONS)
def test_the_reason_names_the_key_what_it_is_and_what_is_wanted(tmp_path, reason):
    good = json.loads(episode.to_json(organized("<ANSWER> 1 </ANSWER>", {})))
    path = tmp_path / "broken.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | REASONS[reason]))
    with pytest.raises(InputError) as error:
        measured(path)
    assert f"broken.jsonl: line 2 is not an episode: {reason}" in str(error.value)


@pytest.mark.parametrize("text, joined", [("<JOIN-1>", True), ("<JOIN-2>", False)])
def test_a_plan_that_joins_another_worker_than_its_text_tells_no_time_of_a_result(text, joined):
    forked = organized(f"<FORK-1> 3 5 =24 </FORK-1> {text} <ANSWER> 3*5 </ANSWER>", {1: "<RETURN> 3*8 </RETURN>"})
    plan = {"capacity": 2, "organizer": [{"fork": 1, "tokens": 3}, {"join": 1, "tokens": 1}, {"answer": 2}]}
    item = {"numbers": [3, 8], "target": 24, "required": 1}
    told = organization.tokens_after(replace(forked, plan={**plan, "workers": {"1": 4}}, item=item))
    assert told == 0 if joined else told != told


def test_an_episode_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "episodes.jsonl"
    one = episode.to_json(replace(organized("<ANSWER> 1 </ANSWER>", {}), key={"index": 1, "sample": 0}))
    path.write_text(f"{one}\n\n{one}\n")
    with pytest.raises(InputError, match=r"episodes\.jsonl: line 3: an episode of the same key came before it"):
        measured(path)


def test_an_empty_object_lacks_the_first_key(tmp_path):
    (tmp_path / "empty.jsonl").write_text("{}")
    with pytest.raises(InputError, match="line 1 is not an episode: key: Field required"):
        measured(tmp_path / "empty.jsonl")


def test_bad_input_of_the_measure_command_is_one_line_and_exit_2(tmp_path):
    path = tmp_path / "broken.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"answer": 1}\n'))
    (tmp_path / "torn.jsonl.gz").write_bytes(path.read_bytes()[:15])
    (tmp_path / "empty.jsonl").write_text("")
    for name in ("broken.jsonl.gz", "torn.jsonl.gz", "nowhere.jsonl", "empty.jsonl"):
        said = asyncthink("measure", tmp_path / name)
        assert said.returncode == 2 and said.stderr.count("\n") == 1 and name in said.stderr, said


def test_a_metrics_file_is_of_one_recording(tmp_path):
    path = tmp_path / "episodes.jsonl"
    episode.write(path, recorded(tmp_path, "no_rl")[0])
    other = experiment.subject(experiment.settings("smoke", items=12), "no_rl", 1).recording("items")
    renamed = {**other, "evaluations": {"worker_9": {}}}
    with pytest.raises(InputError, match="the episodes are of the variant headline, which the recording does not name"):
        measure.metrics_file(renamed, measured(path))
    for key, value in (("arm", "asyncthink"), ("seed", 2), ("task", "sudoku")):
        with pytest.raises(InputError, match=f"the episodes are of the {key} .*, and the recording of {value}; give"):
            measure.metrics_file({**other, key: value}, measured(path))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"metrics\.json: evaluations\.headline\.episodes\.accuracy holds 11; wanted"):
        recordings.write(tmp_path / "metrics.json", measure.metrics_file(other, measured(path)))
    assert asyncthink("measure", path, "--metrics", tmp_path / "metrics.json").stderr.count("belong together") == 1


@pytest.mark.slow
def test_the_evaluate_command_records_a_model_and_the_measure_command_measures_it(tmp_path):
    """In a process of its own, to the same bytes as in this one."""
    from taught_model import ITEM, PARAMS, WORDS, taught_model

    from asyncthink.engines.local import Local
    from asyncthink.models import language_model

    variants = {"worker_9": {"arms": ["asyncthink"], "thinking": {"worker_budget": 9}}}
    small = {"puzzles": {"train": 1, "validation": 0, "test": 4}}
    raw = params.merged(PARAMS.to_mapping(), small)
    raw["evaluate"]["variants"] = variants
    given = params.from_mapping(raw)
    (tmp_path / "params.yaml").write_text(json.dumps(raw))
    language_model.write(taught_model(), WORDS, tmp_path / "model")
    items = [{**ITEM, "id": f"countdown-test-{index}"} for index in range(4)]
    write_json_lines(tmp_path / "items.jsonl", items)
    outputs = ("--episodes", "episodes.jsonl.gz", "--recording", "recording.json")
    inputs = (
        "--model",
        "model",
        "--items",
        "items.jsonl",
        "--test-set",
        "countdown",
        "--arm",
        "asyncthink",
        "--seed",
        1,
    )
    said = asyncthink("evaluate", *inputs, *outputs, "--split", "test", cwd=tmp_path)
    assert said.returncode == 0 and "8 of 8 episodes" in said.stderr, said.stderr
    assert not list((tmp_path / "work/evaluate").iterdir())
    recording = ("--recording", "recording.json", "--metrics", "metrics.json")
    said = asyncthink("measure", "episodes.jsonl.gz", *recording, cwd=tmp_path)
    assert (said.returncode, said.stdout) == (0, ""), said.stderr
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert (found["items"]["split"], found["items"]["count"]) == ("test", 4)
    assert found["evaluations"]["headline"]["metrics"]["forks"] > 0
    engine = Local(*language_model.load(tmp_path / "model"))
    about = subject(given, "countdown", "test", "asyncthink", 1, items, experiment.ENGINE)
    evaluate.record(about, engine, tmp_path / "here.jsonl.gz")
    assert (tmp_path / "here.jsonl.gz").read_bytes() == (tmp_path / "episodes.jsonl.gz").read_bytes()
