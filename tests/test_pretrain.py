"""The base model: its batches, its weighted loss, its skills, and a checkpoint in its place."""

from functools import partial
from pathlib import Path

import pytest
import torch
from taught_model import PARAMS, WORDS, random_model
from training_oracle import relative_error

from asyncthink.config.params import from_mapping, merged
from asyncthink.files import read_json_lines, sha256
from asyncthink.models import language_model
from asyncthink.models.prompts import PROMPTS
from asyncthink.models.tags import extend
from asyncthink.synthesis import documents
from asyncthink.training import pretrain, skills
from asyncthink.training.checkpoints import Scratch
from asyncthink.training.learning_rate import rate
from asyncthink.training.resumption import Outputs, Run
from asyncthink.training.weighted_loss import Batch

SETTINGS = {
    "pretrain": {"tokens": 9000, "batch_tokens": 1000, "hit_weight": 3.0, "learning_rate": 0.01, "checkpoint_every": 4},
    "model": {"hidden_size": 32, "layers": 2, "heads": 2, "head_size": 16, "intermediate_size": 64},
}
PARAMETERS = from_mapping(merged(PARAMS.to_mapping(), SETTINGS))
CORPUS = partial(documents.documents, documents.Settings(PARAMETERS.puzzles, PARAMETERS.pretrain), 1)
VOCABULARY = WORDS.get_vocab()


def test_batches_hold_every_document_once_and_enough_tokens():
    data = pretrain.corpus(CORPUS(0), PARAMETERS.pretrain, VOCABULARY)
    batches = [data.stream(data[number]) for number in range(len(data))]
    assert sum(len(batch["input_ids"]) for batch in batches) >= PARAMETERS.pretrain.tokens
    assert all(len(batch["input_ids"]) >= PARAMETERS.pretrain.batch_tokens for batch in batches)
    stream = CORPUS(0)
    for batch in batches:
        ids, weights = (
            batch["input_ids"].split(batch["lengths"].tolist()),
            batch["weights"].split(batch["lengths"].tolist()),
        )
        for own, weight in zip(ids, weights, strict=True):
            text, expected = next(stream)
            assert WORDS.decode(own).split() == [*text.split(), "<eos>"]
            assert weight.tolist() == [*expected, 1.0]


def test_the_loss_is_the_weighted_mean_over_single_documents(tmp_path):
    settings = pretrain.Settings(PARAMETERS.pretrain, PARAMETERS.model, WORDS)
    trainer = pretrain.trainer_of(settings, Run("test", 1, Scratch(tmp_path)), CORPUS)
    inputs = trainer.train_dataset.stream(trainer.train_dataset[0])
    loss = trainer.compute_loss(
        trainer.model, inputs, num_items_in_batch=trainer._get_num_items_in_batch([inputs], "cpu")
    )
    loss.backward()
    found = {name: parameter.grad.clone() for name, parameter in trainer.model.named_parameters()}
    trainer.model.zero_grad()
    total = 0.0
    batch: Batch = trainer.stream(inputs)
    for ids, weight in zip(batch.ids_N.split(batch.lengths), batch.weight_N.split(batch.lengths), strict=True):
        logits = trainer.model(input_ids=ids[None]).logits[0, :-1]
        nll = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")
        total = total + (nll * weight[1:]).sum()
    (total / batch.weight_N.sum()).backward()
    expected = {name: parameter.grad for name, parameter in trainer.model.named_parameters()}
    assert relative_error(found, expected) < 1e-5


def test_a_process_without_a_document_adds_nothing_to_the_loss(tmp_path):
    """A step may have fewer documents than processes take from it."""
    settings = pretrain.Settings(PARAMETERS.pretrain, PARAMETERS.model, WORDS)
    trainer = pretrain.trainer_of(settings, Run("test", 1, Scratch(tmp_path)), CORPUS)
    nothing = trainer.train_dataset.stream(trainer.train_dataset[0][10**6 :])
    weight = trainer._get_num_items_in_batch([nothing, trainer.train_dataset.stream(trainer.train_dataset[0])], "cpu")
    loss = trainer.compute_loss(trainer.model, nothing, num_items_in_batch=weight)
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in trainer.model.parameters())


def test_skills_are_looked_for_where_they_show():
    text = "<solve> 9 3 2 1 =24 | a-d 9 1 8 2 !* 12 8 3 * 24 !+ ((9 - 1) * 3) + 2 - 5 <ANSWER> 9 + 3 </ANSWER>"
    places = skills.places(text.split())
    shown = {
        name: [word for word, flag in zip(text.split(), flags, strict=True) if flag] for name, flags in places.items()
    }
    assert shown == {
        "arithmetic": ["8", "24", "5"],
        "hit_recall": ["!+"],
        "spelling": ["((9", "-", "1)", "*", "3)", "+", "2"],
        "copying": ["9", "+", "3", "</ANSWER>"],
    }


def run(folder: Path) -> Path:
    settings = pretrain.Settings(PARAMETERS.pretrain, PARAMETERS.model, WORDS)
    pretrain.pretrain(settings, Run("test", 1, Scratch(folder / "scratch")), CORPUS, written_in(folder))
    return folder


def written_in(folder: Path) -> Outputs:
    return Outputs(folder / "model", folder / "history.jsonl", folder / "times.jsonl")


def test_the_same_seed_gives_the_same_bytes_and_a_falling_loss(tmp_path):
    one, two = (run(tmp_path / name) for name in ("one", "two"))
    for name in ("model/model.safetensors", "model/config.json", "history.jsonl"):
        assert sha256(one / name) == sha256(two / name)
    history = read_json_lines(one / "history.jsonl")
    assert history[-1]["loss"] < 0.85 * history[0]["loss"]
    assert history[-1].keys() >= {"arithmetic", "hit_recall", "spelling", "copying"}
    assert len(read_json_lines(one / "times.jsonl")) == len(history)
    model, _ = language_model.load(one / "model")
    assert model.config.tie_word_embeddings and model.config.num_hidden_layers == 2


def test_the_swapped_norms_compute_what_transformers_computes():
    model = random_model(WORDS)
    ids = torch.randint(2, len(WORDS), (3, 17), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model(input_ids=ids).logits
        after = language_model.ready(model)(input_ids=ids).logits
    assert (before - after).abs().max() < 1e-5


def test_a_checkpoint_to_start_from_is_taken_over_as_it_is(tmp_path, monkeypatch):
    given = random_model(WORDS, seed=3)
    language_model.write(given, WORDS, tmp_path / "given")
    monkeypatch.chdir(tmp_path)
    pretrain.prepare(str(tmp_path / "given"), "word", written_in(tmp_path))
    model, tokenizer = language_model.load(tmp_path / "model")
    assert all(torch.equal(value, given.state_dict()[name]) for name, value in model.state_dict().items())
    assert tokenizer.get_vocab() == VOCABULARY
    assert read_json_lines(tmp_path / "history.jsonl") == []


def test_only_tags_that_a_tokenizer_cannot_write_become_new_tokens():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<eos>": 1, "?": 2, **{tag: 3 + n for n, tag in enumerate(PROMPTS["word"].tags[:-2])}}
    inner = Tokenizer(models.WordLevel(words, unk_token="?"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", unk_token="?")
    model = random_model(range(len(words)), tie_word_embeddings=True)
    old = model.get_input_embeddings().weight.detach().clone()
    assert extend(model, tokenizer, PROMPTS["word"].tags) == PROMPTS["word"].tags[-2:]
    new = model.get_input_embeddings().weight
    assert torch.equal(new[:-2], old) and torch.allclose(new[-1], old.mean(0))
    assert all(tokenizer.decode(tokenizer.encode(tag)) == tag for tag in PROMPTS["word"].tags)
    assert extend(model, tokenizer, PROMPTS["word"].tags) == []


def test_the_learning_rate_rises_over_the_warmup_from_its_first_step_and_then_falls_to_nothing():
    rates = [rate("cosine", 0.1, step, 100) for step in range(100)]
    assert 0 < rates[0] < rates[5] < rates[9] and rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[50] == pytest.approx(0.5) and rates[-1] < 0.001
    assert [rate("constant", 0.0, step, 3) for step in range(3)] == [1.0, 1.0, 1.0]
