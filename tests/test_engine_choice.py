"""Which engine a command decodes with, and what the records then say."""

import argparse
import json
import re
from pathlib import Path

import pytest
import yaml
from misbehaving_server import KEY, Server
from transformers import Qwen3Config
from vllm_stub import ITEM, WORDS, VLLMStub

from asyncthink import cli, episode
from asyncthink.cli import engine_choice
from asyncthink.errors import InputError
from asyncthink.files import write_json_lines

ROOT = Path(__file__).parent.parent
URL = "http://127.0.0.1:8000/v1"


def choice(*flags, **environment):
    parser = argparse.ArgumentParser()
    engine_choice.arguments(parser)
    return engine_choice.chosen(parser.parse_args(flags), environment)


@pytest.mark.parametrize(
    ("flags", "environment", "name", "server"),
    [
        ([], {}, "local", None),
        (["--server", URL], {}, "vllm", URL),
        ([], {"ASYNCTHINK_SERVER": URL}, "vllm", URL),
        ([], {"ASYNCTHINK_ENGINE": "vllm"}, "vllm", None),
        (["--server", URL], {"ASYNCTHINK_SERVER": "http://other/v1"}, "vllm", URL),
        (["--engine", "text", "--server", URL], {}, "text", URL),
        ([], {"ASYNCTHINK_ENGINE": "text", "ASYNCTHINK_SERVER": URL}, "text", URL),
    ],
)
def test_the_command_line_comes_before_the_environment_and_this_process_is_the_default(
    flags, environment, name, server
):
    found = choice(*flags, **environment)
    assert (found.name, found.server) == (name, server)


def test_what_a_vllm_here_takes_of_its_gpu_stands_in_the_environment():
    told = {"ASYNCTHINK_VLLM_MEMORY": "70", "ASYNCTHINK_VLLM_LENGTH": "32768", "ASYNCTHINK_VLLM_SEQUENCES": "128"}
    own = choice(ASYNCTHINK_ENGINE="vllm", ASYNCTHINK_VLLM_SLEEP="1", **told).own
    assert own == engine_choice.Own(70, 32768, 128, 1)
    assert own.vllm() == {"gpu_memory_utilization": 0.7, "max_model_len": 32768, "max_num_seqs": 128}
    assert engine_choice.Own().vllm() == {}


@pytest.mark.parametrize("value", ["0", "96", "0.7", "-1", "all"])
def test_a_share_of_a_gpu_that_is_none_is_told(value):
    told = re.escape(f"ASYNCTHINK_VLLM_MEMORY is {value!r}; allowed: a whole number from 1 to 95")
    with pytest.raises(InputError, match=told):
        choice(ASYNCTHINK_VLLM_MEMORY=value)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--engine", "vlm"], "no engine 'vlm'; allowed: local, vllm, text"),
        (["--engine", "local", "--server", URL], "the engine local has no server"),
        (["--engine", "text"], "the engine text needs a --server"),
    ],
)
def test_a_choice_that_fits_no_engine_is_told(flags, told):
    with pytest.raises(InputError, match=told):
        choice(*flags)


def test_the_key_of_a_server_is_not_shown():
    found = choice("--server", URL, ASYNCTHINK_SERVER_KEY=KEY)
    assert found.key == KEY and KEY not in repr(found)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """The tokenizer and the shape of what is served; the weights are the server's."""
    folder = tmp_path_factory.mktemp("model")
    Qwen3Config(vocab_size=len(WORDS)).save_pretrained(folder)
    WORDS.save_pretrained(folder)
    return folder


def think(model, server, *flags):
    given = ["--params", str(ROOT / "params.yaml"), "--item", json.dumps(ITEM)]
    return cli.main(["think", "--model", str(model), "--server", server.url, "--capacity", "3", *given, *flags])


@pytest.mark.parametrize("engine", ["vllm", "text"])
def test_an_episode_on_a_server_is_watched_as_one_here_is(engine, model, capsys):
    with Server(VLLMStub("word")) as server:
        assert think(model, server, "--engine", engine) == 0
    out = capsys.readouterr().out
    told = [line.split(maxsplit=1) for line in out.splitlines()]
    organizer = [text for agent, text in told if agent == "organizer"]
    assert organizer[0] == "> <organizer> 11 9 8 5 3 =24"
    assert "> 8 * 3 </JOIN-1>" in organizer and organizer[-1] == "<ANSWER> 8 * 3 </ANSWER>"
    assert [text for agent, text in told if agent == "worker-1"][-1] == "8 * 3 24 ! <RETURN> 8 * 3 </RETURN>"
    assert re.search(r"^answer +8 \* 3$", out, re.MULTILINE)


def evaluate(model, server, folder, *flags):
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["evaluate"] |= {"variants": {}}
    raw["thinking"] |= {"capacity": 3}
    (folder / "params.yaml").write_text(json.dumps(raw))
    write_json_lines(folder / "test.jsonl", [ITEM])
    paths = ["--items", "test.jsonl", "--episodes", "episodes.jsonl.gz", "--recording", "recording.json"]
    arm = ["--test-set", "countdown", "--split", "test", "--arm", "asyncthink", "--seed", "1", "--model", str(model)]
    return cli.main(["evaluate", *arm, *paths, "--server", server.url, *flags])


@pytest.mark.parametrize(
    ("engine", "identity"),
    [
        ("vllm", {"name": "vllm", "version": "0.31.0", "exact": True}),
        ("text", {"name": "text", "version": "served", "exact": False}),
    ],
)
def test_the_record_of_an_evaluation_names_the_engine(engine, identity, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Server(VLLMStub("word", root=str(model))) as server:
        assert evaluate(model, server, tmp_path, "--engine", engine) == 0
    assert json.loads((tmp_path / "recording.json").read_text())["engine"] == identity
    assert [each.answer for each in episode.read(tmp_path / "episodes.jsonl.gz")] == ["8 * 3"]


def test_a_server_of_other_weights_is_not_evaluated_in_their_name(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Server(VLLMStub("word", root="/models/another")) as server:
        assert evaluate(model, server, tmp_path) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "has its weights from /models/another, and not from" in line
