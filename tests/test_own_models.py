"""A model of one's own: `asyncthink think` and `asyncthink doctor` on a folder or a file, with no project around."""

import os
import re
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from types import SimpleNamespace

import gguf_file
import pytest
import torch
from chat_templates import ALWAYS_REASONS, SWITCHES
from taught_chat_model import tokenizer as chat_tokenizer
from taught_model import WORDS, random_model
from tiny_models import tiny_model
from tokenizers import normalizers
from transformers import RwkvConfig
from transformers.models.rwkv.modeling_rwkv import RwkvForCausalLM

from asyncthink import cli
from asyncthink.cli import think, think_settings
from asyncthink.config import params
from asyncthink.models import gguf, language_model, names
from asyncthink.workflow import model_doctor

TOKENIZER = chat_tokenizer()
PUZZLE = ["--numbers", "3", "5", "7", "9", "--target", "24"]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """A folder without a params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("mode", ["asynchronous", "sequential", "parallel"])
def test_it_thinks_out_of_the_box(llama, elsewhere, mode, capsys):
    assert cli.main(["think", "--model", str(llama), "--mode", mode, "--budget", "30", *PUZZLE]) == 0
    out = capsys.readouterr().out
    assert "Find a way to reach 24" in out
    assert re.search(r"work +\d+ tokens", out)


def test_the_budgets_of_another_language_are_not_taken():
    nano = params.read(Path(__file__).parent.parent / "params.yaml").thinking
    args = parsed("--capacity", "5")
    assert think_settings.suited(nano, WORDS, args) == nano
    suited = think_settings.suited(nano, TOKENIZER, args)
    assert (suited.prompts, suited.organizer_budget, suited.capacity) == ("chat", 1000, 5)
    assert think_settings.suited(suited, TOKENIZER, args) == suited


def parsed(*flags: str) -> Namespace:
    parser = ArgumentParser()
    think.arguments(parser)
    return parser.parse_args(["--model", "here", *flags])


def refusal(capsys, *words: str) -> str:
    assert cli.main(list(words)) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_what_does_not_work_names_what_does(llama, elsewhere, monkeypatch, capsys):
    base = elsewhere / "base"
    unasked = chat_tokenizer()
    unasked.chat_template = None
    language_model.write(tiny_model("llama, tied", unasked), unasked, base)
    assert "no chat template" in (line := refusal(capsys, "think", "--model", str(base), *PUZZLE))
    assert "take an instruction-tuned one, most often called NAME-Instruct" in line
    recurrent = recurrent_model(elsewhere / "rwkv")
    line = refusal(capsys, "think", "--model", str(recurrent), *PUZZLE)
    assert "--engine text --server" in line
    assert "no such file" in refusal(capsys, "think", "--model", "nothing.gguf", *PUZZLE)
    assert "no such file" in refusal(capsys, "think", "--model", "nothing.GGUF", *PUZZLE)
    Path("one.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    assert "pip install 'asyncthink[gguf]'" in refusal(capsys, "think", "--model", "one.gguf", *PUZZLE)


def recurrent_model(folder: Path) -> Path:
    sizes = {"hidden_size": 8, "attention_hidden_size": 8, "num_hidden_layers": 2}
    language_model.write(RwkvForCausalLM(RwkvConfig(vocab_size=len(TOKENIZER), **sizes)), TOKENIZER, folder)
    return folder


def test_a_gguf_file_is_imported_once_and_anew_after_a_change(llama, elsewhere, monkeypatch, capsys):
    calls = []

    def read(file: Path, folder: Path) -> None:
        calls.append(file)
        language_model.write(tiny_model("llama, tied", TOKENIZER), TOKENIZER, folder)

    monkeypatch.setattr(gguf, "_import", read)
    monkeypatch.setattr(gguf, "find_spec", lambda name: True)
    file = elsewhere / "one.gguf"
    file.write_bytes(b"GGUF")
    first = gguf.imported(file)
    assert first == gguf.imported(file) and first.name.startswith("one-")
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    assert language_model.load(file)[0].num_parameters() == language_model.load(llama)[0].num_parameters()
    file.write_bytes(b"GGUF, another")
    assert gguf.imported(file) != first
    assert len(calls) == 2
    assert "imported once, into" in capsys.readouterr().err


def test_a_tokenizer_that_was_read_wrongly_is_refused():
    gguf._check(TOKENIZER, Path("one.gguf"))
    wrong = chat_tokenizer()
    wrong.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(gguf.InputError, match=r"one.gguf: transformers reads its tokenizer wrongly; .*llama-server"):
        gguf._check(wrong, Path("one.gguf"))


def test_a_gguf_file_that_cannot_be_read_is_told_in_one_line(elsewhere, capsys):
    (elsewhere / "torn.gguf").write_bytes(b"GGUF and nothing else")
    line = refusal(capsys, "doctor", "torn.gguf")
    assert re.search(r"torn.gguf: transformers cannot read it .*llama-server", line)


def test_an_import_that_another_process_has_finished_meanwhile_is_taken(elsewhere, monkeypatch):
    monkeypatch.setattr(gguf, "find_spec", lambda name: True)
    file = elsewhere / "one.gguf"
    file.write_bytes(b"GGUF")

    def raced(file: Path, folder: Path) -> None:
        folder.mkdir()
        if not list((elsewhere / "cache").rglob("theirs")):
            monkeypatch.setattr(gguf, "_import", lambda file, folder: (folder.mkdir(), (folder / "theirs").touch()))
            gguf.imported(file)

    monkeypatch.setattr(gguf, "_import", raced)
    assert [path.name for path in gguf.imported(file).iterdir()] == ["theirs"]


@pytest.mark.parametrize("name", ["qwn3", "results/grpo/asyncthink/1", "results/grpo@main/1"])
def test_what_is_neither_here_nor_a_name_of_the_hub_is_refused_before_any_network(elsewhere, monkeypatch, name, capsys):
    monkeypatch.setattr(language_model.AutoTokenizer, "from_pretrained", lambda *_, **__: pytest.fail("asked the hub"))
    for words in (["think", "--model", name, *PUZZLE], ["doctor", name]):
        assert f"{name}: no such folder; `make reproduce`" in refusal(capsys, *words)


def test_a_slip_in_the_name_of_a_folder_does_not_wait_for_the_hub(elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(language_model.AutoTokenizer, "from_pretrained", lambda *_, **__: pytest.fail("asked the hub"))
    (elsewhere / "docs").mkdir()
    for words in (["think", "--model", "docs/nono", *PUZZLE], ["doctor", "docs/nono"]):
        said = refusal(capsys, *words)
        assert "docs/nono: no such folder in docs; if the hub's docs/nono is meant, write docs/nono@main" in said
    names.check("docs/nono@main")


def test_a_hub_out_of_reach_is_told_in_one_line(elsewhere):
    impatient = (
        "import sys, time; time.sleep = lambda _: None; from asyncthink import cli; sys.exit(cli.main(sys.argv[1:]))"
    )
    own = {"HF_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "0"}
    for words in (["doctor", "nobody/qwn3"], ["think", "--model", "nobody/qwn3", *PUZZLE]):
        command = [sys.executable, "-c", impatient, *words]
        done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, timeout=300)
        [line] = done.stderr.splitlines()
        assert done.returncode == 2 and "nobody/qwn3: not a model that can be loaded" in line


def test_a_gguf_file_is_the_model_that_was_written(elsewhere):
    model = tiny_model("llama, tied", TOKENIZER)
    gguf_file.write(model, TOKENIZER, elsewhere / "tiny.gguf")
    found, tokenizer = language_model.load(elsewhere / "tiny.gguf")
    text = TOKENIZER.apply_chat_template([{"role": "user", "content": "é <FORK-1> 8"}], tokenize=False)
    ids = torch.tensor([TOKENIZER.encode(text)])
    assert [tokenizer.encode(text, add_special_tokens=False)] == ids.tolist()
    assert (tokenizer.eos_token, tokenizer.chat_template) == (TOKENIZER.eos_token, TOKENIZER.chat_template)
    torch.testing.assert_close(found(input_ids=ids).logits, model(input_ids=ids).logits, atol=1e-5, rtol=0)


def test_a_gguf_file_that_is_a_part_of_a_model_is_refused(elsewhere, monkeypatch):
    monkeypatch.delitem(gguf_file.NAMES, "mlp.down_proj")
    gguf_file.write(tiny_model("llama, tied", TOKENIZER), TOKENIZER, elsewhere / "part.gguf")
    with pytest.raises(gguf.InputError, match=r"3 of the model's weights are not in it, such as .*down_proj"):
        language_model.load(elsewhere / "part.gguf")


def examined(folder: Path, capsys) -> tuple[int, dict[str, tuple[str, str]]]:
    code = cli.main(["doctor", str(folder)])
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    return code, {name: (state, said) for state, name, said in lines}


def test_a_model_is_examined_and_timed(llama, elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(model_doctor, "SECONDS", 0.1)
    code, found = examined(llama, capsys)
    assert (code, {state for state, _ in found.values()}) == (0, {"ok"})
    assert list(found) == ["template", "tags", "architecture", "memory", "loading", "pass", "speed"]
    assert "LlamaForCausalLM" in found["architecture"][1] and "up to 512 tokens" in found["architecture"][1]
    assert re.fullmatch(r"[\d,.]+ tokens/s alone, [\d,.]+ in 4 traces side by side, prompts [\d,]+", found["speed"][1])


@pytest.mark.parametrize(
    ("template", "said", "state"),
    [
        (SWITCHES, "switched off it answers, switched on it answers", "note"),
        (
            SWITCHES + "{% if enable_thinking %}<think>\n{% endif %}",
            "switched off it answers, switched on it reasons",
            "ok",
        ),
        (
            ALWAYS_REASONS + "{% if enable_thinking %} {% endif %}",
            "switched off it reasons, switched on it reasons",
            "note",
        ),
    ],
)
def test_a_model_that_can_switch_its_reasoning_is_tried_in_both_settings(
    elsewhere, monkeypatch, capsys, template, said, state
):
    monkeypatch.setattr(model_doctor, "SECONDS", 0.1)
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = template
    language_model.write(tiny_model("llama, tied", tokenizer), tokenizer, elsewhere / "switches")
    code, found = examined(elsewhere / "switches", capsys)
    assert code == 0 and found["reasoning"] == (state, f"{said} (thinking.reasoning; greedy, 24 tokens)")


def test_a_model_of_the_word_language_is_examined_too(elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(model_doctor, "SECONDS", 0.1)
    language_model.write(random_model(WORDS), WORDS, elsewhere / "words")
    code, found = examined(elsewhere / "words", capsys)
    assert code == 0 and "the fast path of its family" in found["architecture"][1]
    assert found["template"] == ("ok", "none is used: it speaks the word language of models trained from scratch")


def test_memory_that_only_keeps_files_at_hand_is_free(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=7e9, free=1))
    assert "7.0 GB of main memory are free" in model_doctor._memory(random_model(WORDS)).said


def test_a_model_that_will_not_work_is_not_loaded(llama, elsewhere, monkeypatch, capsys):
    code, found = examined(recurrent_model(elsewhere / "rwkv"), capsys)
    assert code == 1 and found["architecture"][0] == "lacks" and "--engine text" in found["architecture"][1]
    short = elsewhere / "short"
    language_model.write(tiny_model("gpt-2, learned positions and dropout", TOKENIZER), TOKENIZER, short)
    code, found = examined(short, capsys)
    assert code == 1 and "up to 128 tokens: fewer than a question" in found["architecture"][1]
    monkeypatch.setattr(model_doctor, "BYTES", 1e12)
    code, found = examined(llama, capsys)
    assert code == 1 and found["memory"][0] == "lacks" and "pass" not in found
