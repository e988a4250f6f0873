"""A model's folder with something wrong in it: one line that names the file, and exit code 2."""

import json
import resource
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from taught_chat_model import tokenizer as chat_tokenizer
from tiny_models import tiny_model

from asyncthink import cli
from asyncthink.engines.vocabulary import Vocabulary
from asyncthink.errors import InputError
from asyncthink.models import language_model
from asyncthink.models.checkpoint_files import saving

TOKENIZER = chat_tokenizer()
THINK = ["--numbers", "3", "5", "7", "9", "--target", "24", "--mode", "sequential", "--budget", "3"]
CONFIG, WEIGHTS = "config.json", "model.safetensors"


@pytest.fixture
def model(llama, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(llama, tmp_path / "model"))


def refusal(model: Path, capsys) -> str:
    capsys.readouterr()
    assert cli.main(["think", "--model", str(model), *THINK]) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def lose(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def configured(**keys):
    def change(folder):
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | keys))

    return change


def weighted(change):
    def rewrite(folder):
        save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, metadata={"format": "pt"})

    return rewrite


def cut(folder):
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:50_000])


def without_a_shard(folder):
    tiny_model("llama, tied", TOKENIZER).save_pretrained(folder, max_shard_size="20KB")
    (folder / WEIGHTS).unlink(missing_ok=True)
    (folder / "model-00002-of-00006.safetensors").unlink()


def pickled(folder):
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def adapter(folder):
    lose(CONFIG, WEIGHTS)(folder)
    write("adapter_config.json", '{"peft_type": "LORA", "base_model_name_or_path": "somebody/model"}')(folder)


def with_code(folder):
    configured(model_type="theirs", auto_map={"AutoConfig": "theirs.Theirs"})(folder)
    write("theirs.py", "raise SystemExit('this was run')")(folder)


def indexed(folder):
    lose(WEIGHTS)(folder)
    write("model.safetensors.index.json", '{"weight_map": []}')(folder)


NORM = "model.layers.0.input_layernorm.weight"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (write(CONFIG, "{nope"), "config.json is not JSON: "),
        (write(CONFIG, "[1]"), "config.json is not a JSON object"),
        (lose(CONFIG), "config.json is not there"),
        (configured(dtype="float99"), "config.json: dtype is 'float99'; allowed: float32"),
        (configured(model_type="klingon"), "model type `klingon`"),
        (configured(num_hidden_layers=5), "18 are missing, such as model.layers.3."),
        (configured(hidden_size=48), "model.embed_tokens.weight is [329, 32] and not [329, 48]"),
        (configured(model_type="bert"), "are missing, such as bert."),
        (lose("tokenizer.json"), "it has no tokenizer: tokenizer.json is not there"),
        (write("tokenizer.json", "{"), "tokenizer.json is not JSON"),
        (write("tokenizer_config.json", "{"), "tokenizer_config.json is not JSON"),
        (lose("chat_template.jinja"), "the tokenizer has no chat template"),
        (write("chat_template.jinja", "{% for x in %}"), "chat template takes no question"),
        (lose(WEIGHTS), "it has no weights: model.safetensors is not there"),
        (configured(model_type="t5", is_encoder_decoder=True), "it has an encoder; serve it, and say --engine text"),
        (adapter, "it is an adapter (adapter_config.json) and no model: merge it"),
        (with_code, "it comes with code of its own (auto_map in config.json), which is not run here; take a model"),
        (indexed, "'list' object has no attribute"),
        (write(WEIGHTS, "\x0f" + 7 * "\0" + '{"a":{"b":"F32"}}'[:15]), "header"),
        (pickled, "its weights are in pytorch_model.bin, which can run code"),
        (cut, "model.safetensors is cut short: it has 50,000 of "),
        (write(WEIGHTS, ""), "model.safetensors is cut short, or no safetensors file"),
        (without_a_shard, "model-00002-of-00006.safetensors is not there, which model.safetensors.index.json names"),
        (weighted(lambda d: {k: v for k, v in d.items() if k != NORM}), f"1 are missing, such as {NORM}"),
        (weighted(lambda d: {k: v.to(torch.int8) for k, v in d.items()}), "model.embed_tokens.weight is I8"),
        (weighted(lambda d: d | {NORM: d[NORM] * torch.nan}), "the model's logits are not finite"),
    ],
)
def test_one_line_says_what_is_wrong(model, capsys, change, said):
    change(model)
    assert said in refusal(model, capsys)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_are_read(model, kind, capsys):
    weighted(lambda d: {k: v.to(kind) for k, v in d.items()})(model)
    assert cli.main(["think", "--model", str(model), *THINK]) == 0


@pytest.mark.parametrize("key", [{"return_dict": False}, {"auto_map": {"AutoConfig": "theirs.Theirs"}}])
def test_what_a_configuration_says_of_tuples_and_of_code_changes_nothing_where_the_architecture_is_known(model, key):
    configured(**key)(model)
    assert cli.main(["think", "--model", str(model), *THINK]) == 0


def words_more(folder, template=None):
    words = chat_tokenizer()
    words.add_tokens(["<pad>"], special_tokens=True)
    words.chat_template = (template or "") + words.chat_template
    words.save_pretrained(folder)


def test_words_that_only_the_tokenizer_has_do_not_stop_a_model_that_is_not_asked_in_them(model, capsys):
    words_more(model)
    assert cli.main(["think", "--model", str(model), *THINK]) == 0
    words_more(model, "<pad>")
    assert "the tokenizer's '<pad>' is number 329, and the model has 329 tokens" in refusal(model, capsys)


def test_an_end_of_sequence_that_the_model_cannot_say_never_comes(model):
    (model / "generation_config.json").write_text('{"eos_token_id": [5, 9999]}')
    assert cli.main(["think", "--model", str(model), *THINK]) == 0


@pytest.mark.parametrize(
    "left_over",
    [
        {"truncation": {"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}},
        {
            "padding": {
                "strategy": {"Fixed": 400},
                "direction": "Left",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "<|endoftext|>",
            }
        },
    ],
)
def test_a_prompt_is_neither_cut_nor_padded_whatever_a_training_left_in_the_tokenizer(model, left_over):
    path = model / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | left_over))
    words, outputs = language_model.load_tokenizer(model)
    assert Vocabulary(words, outputs).encode(50 * "so ") == Vocabulary(TOKENIZER).encode(50 * "so ")


SAVED = {
    "a model": lambda model, folder: language_model.write(model, TOKENIZER, folder),
    "a tokenizer": lambda model, folder: saved(TOKENIZER, folder),
}


def saved(part, folder):
    with saving(folder):
        part.save_pretrained(folder)


@pytest.mark.parametrize("save", SAVED.values(), ids=SAVED)
def test_a_disk_that_is_full_when_a_model_is_written_is_told_in_one_line(tmp_path, save):
    """A limit on the size of files stands in for the disk."""
    model = tiny_model("llama, tied", TOKENIZER)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, hard))
    try:
        with pytest.raises(InputError, match=r"written: cannot be saved \(.*File too large"):
            save(model, tmp_path / "written")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_doctor_stops_where_a_model_computes_no_numbers(model, capsys):
    weighted(lambda d: d | {NORM: d[NORM] * torch.nan})(model)
    assert cli.main(["doctor", str(model)]) == 1
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("lacks  pass")
