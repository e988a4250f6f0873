"""The paper's scale, cut down: its very graph, with a chat model of several tokens a tag and a teacher behind an API.

The model begins tiny and random and learns its demonstrations by heart, so it forks and answers, and is never right.
What is shown is that every step of `asyncthink scale paper` runs to its end, on natural text and under a teacher that
now and then fails.
"""

import gzip
import itertools
import json

import pytest
import torch
import yaml
from checkout import ROOT, Project
from misbehaving_server import KEY, ChatServer
from obedient_teacher import teacher
from taught_chat_model import tokenizer
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from asyncthink.config import params, scales
from asyncthink.evaluation.verdicts import NOT_RUN
from asyncthink.files import write_json_lines
from asyncthink.workflow import graph

# Sizes, sources and, for the time it takes, arms, variants and test sets that differ from others by numbers or names.
CUTS = """
seeds: [1]
puzzles:
  train: 8
  validation: 1
  test: 4
thinking:
  organizer_budget: 160
  worker_budget: 60
model:
  start_from: MODEL
arms:
  no_concurrency_reward: null
  asyncthink_priced: null
  asyncthink_4: null
  sequential_long: null
  parallel_long: null
  no_random_structures: null
  leverage: null
  asyncthink_math: {arm: {task: competition_math}, thinking: {capacity: 4}}
  no_concurrency_reward_math: null
  no_cold_start_math: null
  no_rl_math: null
  sequential_math: null
  sequential_math_1k: null
  parallel_math: {arm: {task: competition_math, mode: parallel, weights_of: sequential, cold_start: false},
    thinking: {capacity: 4}}
  parallel_math_1k: null
synthesize:
  demonstrations: 12
  fewest_forks: 1
  most_forks: 1
  least_think_share: 0.0
  most_think_share: 0.0
sft:
  epochs: 16
  batch_traces: 8
  learning_rate: 1.0e-2
  checkpoint_every: 40
grpo:
  steps: 2
  prompts_per_step: 2
  group: 2
  checkpoint_every: 1
evaluate:
  temperature: 0.5
  variants:
    worker_1024: {arms: [asyncthink], thinking: {worker_budget: 20}}
    trace_1024: {arms: [sequential, parallel], thinking: {organizer_budget: 30}}
    n_4: {arms: [parallel], thinking: {capacity: 4}}
training_sets:
  competition_math: {source: data/sources/deepscaler.jsonl, items: null}
test_sets:
  sudoku: {task: sudoku, source: data/sources/enigmata.jsonl, subset: null, items: 400, clues: null, gaps: null,
    samples: 1, arms: [asyncthink], thinking: {}}
  amc_23: {task: competition_math, source: data/sources/amc.jsonl, subset: null, items: null, clues: null, gaps: null,
    samples: 2, arms: [asyncthink_math, parallel_math], thinking: {}}
  aime_24: null
  graph_theory: {task: multiple_choice, source: data/sources/mmlu.jsonl, subset: graph-theory, items: null, clues: null,
    gaps: null, samples: 1, arms: [asyncthink_math], thinking: {}}
  genetics: null
"""
LESSONS = 2 * 12 + 12 + 2 * 12  # requests: two for each of an organizer's demonstrations, on two tasks; one otherwise
BOARD = [[1, 0, 3, 0], [3, 4, 0, 2], [0, 1, 4, 0], [4, 0, 2, 1]]
TREE = {"question": "How many edges has a graph without cycles?", "options": ["n", "n - 1", "1"], "answer": "B"}
COPIES = {  # local copies of the data, in their publishers' records
    "deepscaler": [{"problem": f"What is ${n} + {n}$?", "answer": str(2 * n), "solution": ""} for n in range(6)],
    "enigmata": [
        {"task_name": "sudoku2", "meta": json.dumps({"id": "a", "question": BOARD})},
        {"task_name": "kakurasu", "meta": "{}"},
    ],
    "amc": [{"id": n, "question": f"Find $x$ if $2x = {2 * n}$.", "answer": float(n)} for n in range(3)],
    "mmlu": [{"question_id": n, **TREE, "category": name} for n, name in enumerate(("math", "biology"))],
}
FAULTS = ("server_error", "cut", "invalid_json", "no_choice", "no_text")


def cut(cuts):
    """The paper's parameters with some values replaced."""
    return scales.merge(scales.scaled(ROOT, "paper"), cuts)


def test_the_cut_leaves_no_task_no_way_of_thinking_no_way_to_weights_and_no_kind_of_test_set_out():
    whole, found = (params.from_mapping(yaml.safe_load(cut(cuts))) for cuts in ("{}", CUTS))
    assert found.scale == "paper" and found.synthesize.teacher == "openai" and found.thinking.prompts == "chat"
    there = kinds_of(found)
    assert not {name: left for name, kinds in kinds_of(whole).items() if (left := kinds - there[name])}


def kinds_of(given):
    """What the parameters differ in but for numbers and names."""
    arms = [given.arm_params(name).arm for name in given.arms]
    sets = [each for each in given.test_sets.values() if each]
    return {
        "tasks": {arm.task for arm in arms},
        "ways of thinking": {arm.mode for arm in arms},
        "ways to weights": {(arm.cold_start, arm.rl, arm.weights_of is not None) for arm in arms},
        "test sets": {(each.task, each.subset is not None, each.samples > 1) for each in sets},
        "variants": {tuple(each.thinking) for each in given.evaluate.variants.values()},
    }


# -- the run ---------------------------------------------------------------------------------------------------------


def tiny_model(folder):
    """A random model of the Qwen3 family whose byte-level tokenizer spells a tag in several tokens."""
    words = tokenizer()
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 4096}
    ends = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id, "bos_token_id": None}
    wide = {"vocab_size": len(words), "tie_word_embeddings": True, "initializer_range": 32**-0.5}
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(Qwen3Config(**wide, **shape, **heads, **ends))
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def flaky():
    """Every fourth answer goes wrong; one text in seven has a tag that is broken."""
    faults, texts = itertools.cycle(each for fault in FAULTS for each in (None, None, fault, None)), itertools.count(1)

    def write(call):
        return teacher(call).replace("</FORK-1>", "</FORK-1" if next(texts) % 7 == 0 else "</FORK-1>")

    return ChatServer(write, lambda call: next(faults))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The project after `snakemake`, and the server that was its teacher."""
    directory = tmp_path_factory.mktemp("paper")
    model = tiny_model(directory / "model")
    with flaky() as server:
        asked = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY, "ASYNCTHINK_TEACHER_MODEL": "gpt-4o"}
        project = Project.laid_out(directory / "project", "paper", **asked)
        for name, records in COPIES.items():
            write_json_lines(project.directory / "data/sources" / f"{name}.jsonl", records)
        (project.directory / "params.yaml").write_text(cut(CUTS.replace("MODEL", str(model))))
        project.run("snakemake", "--cores", "2")
    return project, server


def answered(given):
    """Every test set with every arm that answers it."""
    yield from (("countdown", name) for name in given.arms if given.arm_params(name).arm.task == "countdown")
    yield from ((name, arm) for name, found in given.test_sets.items() if found for arm in found.arms)


@pytest.mark.slow
def test_every_arm_is_evaluated_with_the_real_prompts_and_every_figure_is_drawn(run):
    project, _ = run
    made, given = project.made(), params.read(project.directory / "params.yaml")
    for test_set, arm in answered(given):
        prompt = episodes(made, test_set, arm)[0]["traces"][0]["prompt"]
        organizes = given.arm_params(arm).arm.mode == "asynchronous"
        role = "You are the organizer" if organizes else "Think about the question"
        assert prompt.startswith(f"<|im_start|>system\n{role}")
        assert prompt.endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert all(made[f"figures/{name}.png"].startswith(b"\x89PNG") for name in graph.FIGURES)


def episodes(made, test_set, arm):
    """What was recorded of an arm."""
    lines = gzip.decompress(made[f"results/evaluate/{test_set}/{arm}/1.jsonl.gz"]).splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_broken_texts_are_dropped_and_the_others_teach_to_fork_to_return_and_to_answer(run):
    project, _ = run
    made = project.made()
    assert any(made[f"data/filter/{name}.rejected.jsonl"] for name in ("asyncthink", "asyncthink_math"))
    asked = [each for name in ("asyncthink", "no_rl") for each in episodes(made, "countdown", name)]
    assert any(trace["stop"] == "return" for each in asked for trace in each["traces"][1:])
    assert any(each["answer"] and each["schedule"]["joins"] for each in asked)


@pytest.mark.slow
def test_the_trained_models_spell_a_tag_in_several_tokens(run):
    project, _ = run
    words = AutoTokenizer.from_pretrained(project.directory / "results/grpo/asyncthink/1")
    assert len(words.encode("</FORK-1>", add_special_tokens=False)) > 1
    assert "<FORK-1>" in words.decode(words.encode("so <FORK-1> on"))


@pytest.mark.slow
def test_what_was_paid_for_is_kept_once_and_the_key_nowhere(run):
    project, server = run
    paid = [
        (path.stem, json.loads(line)["name"])
        for path in (project.directory / "work/synthesize/responses").glob("*.jsonl")
        for line in path.read_text().splitlines()
        if json.loads(line)["fault"] is None
    ]
    assert len(paid) == len(set(paid)) == LESSONS
    assert {call.fault for call in server.calls} == {None, *FAULTS}
    for path in project.directory.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc") and ".git" not in path.parts:
            assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_each_claim_of_the_papers_scale_has_a_verdict_or_says_what_it_needs(run):
    project, _ = run
    rows = {row["id"]: row for row in json.loads(project.made()["metrics/claims.json"])["claims"]}
    open_ones = {name for name, row in rows.items() if row["verdict"] == NOT_RUN}
    assert {"C3 math", "C7", "C12"} <= open_ones < set(rows)
    assert all("needs " in rows[name]["reason"] for name in open_ones)
