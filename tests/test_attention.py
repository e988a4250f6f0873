"""FlashAttention is taken where it is asked for and can be had, and refused in one line elsewhere."""

import pytest
import torch
from checkout import ROOT
from taught_chat_model import tokenizer as chat_tokenizer
from tiny_models import tiny_model

from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.models import language_model
from asyncthink.training import attention, log_probabilities
from asyncthink.workflow import surroundings
from asyncthink.workflow.surroundings import Place


@pytest.fixture
def model():
    return tiny_model("llama, tied", chat_tokenizer())


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setenv(attention.CHOICE, attention.FLASH)
    monkeypatch.delenv("FLASH_ATTENTION_DETERMINISTIC", raising=False)


def able(monkeypatch, *, package=True, gpu=True, large=True):
    """A machine that has all of it, or not."""
    monkeypatch.setattr(attention, "find_spec", lambda name: package or None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(language_model, "LARGE", 0 if large else 1e12)


def test_unasked_a_model_keeps_torchs_own(model, monkeypatch):
    able(monkeypatch)
    monkeypatch.delenv(attention.CHOICE, raising=False)
    attention.settle(model)
    assert model.config._attn_implementation == "sdpa"
    assert log_probabilities.layout_of(model) is log_probabilities.padded


def test_asked_for_it_computes_what_is_packed(model, asked, monkeypatch):
    able(monkeypatch)
    taken = []
    monkeypatch.setattr(type(model), "set_attn_implementation", lambda self, name: taken.append(name))
    attention.settle(model, "vllm")
    assert taken == [attention.FLASH]
    model.config._attn_implementation_internal = attention.FLASH
    assert log_probabilities.layout_of(model) is log_probabilities.packed


@pytest.mark.parametrize(
    ("machine", "sampler", "said"),
    [
        ({"package": False}, None, "flash-attn is not installed"),
        ({"gpu": False}, None, "there is no GPU"),
        ({"large": False}, None, "trained in float32"),
        ({}, "local", "ASYNCTHINK_ENGINE=vllm"),
    ],
)
def test_where_it_cannot_be_had_one_line_says_why(model, asked, monkeypatch, machine, sampler, said):
    able(monkeypatch, **machine)
    with pytest.raises(InputError, match=said) as refused:
        attention.settle(model, sampler)
    assert "\n" not in str(refused.value) and attention.CHOICE in str(refused.value)


def test_a_model_without_it_and_a_name_of_nothing_are_refused(model, asked, monkeypatch):
    able(monkeypatch)
    monkeypatch.setattr(type(model), "_supports_flash_attn", False)
    with pytest.raises(InputError, match="LlamaForCausalLM cannot compute with it"):
        attention.settle(model)
    monkeypatch.setenv(attention.CHOICE, "flash")
    with pytest.raises(InputError, match="it can be sdpa or flash_attention_2"):
        attention.settle(model)


@pytest.mark.parametrize(
    ("choice", "package", "state", "said"),
    [
        (None, False, "ok", "torch's own (sdpa)"),
        (None, True, "ok", "ASYNCTHINK_ATTENTION=flash_attention_2 has sft and grpo take flash-attn"),
        ("flash_attention_2", True, "ok", "flash_attention_2"),
        ("flash_attention_2", False, "lacks", "flash-attn is not installed"),
        ("flash", True, "lacks", "it can be sdpa or flash_attention_2"),
    ],
)
def test_doctor_names_it(monkeypatch, choice, package, state, said):
    able(monkeypatch, package=package)
    environment = {attention.CHOICE: choice} if choice else {}
    finding = surroundings.attention(Place(params.read(ROOT / "params.yaml"), ROOT, environment))
    assert finding.state == state and said in finding.said
