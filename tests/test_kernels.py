"""Who computes between the products is chosen by a setting and recorded; what is computed is what torch computes."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from taught_model import WORDS, random_model

from asyncthink.errors import InputError
from asyncthink.models import kernels
from asyncthink.training.log_probabilities import padded, plain, score

SHAPES = {
    "nano's": {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 24},
    "grouped": {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
    "wide heads": {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 40},
}
USED = "from asyncthink.models import kernels; print(kernels.used())"


def used(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), **environment}
    return subprocess.run([sys.executable, "-c", USED], env=own, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("longest", [1, 5, 70])
def test_scores_and_gradients_equal_those_of_transformers(shape, longest):
    rng = random.Random(longest)
    lengths = [rng.randint(1, longest) for _ in range(9)] + [longest]
    ids_N = torch.randint(0, len(WORDS), (sum(lengths),), generator=torch.Generator().manual_seed(0))
    weight_N = torch.rand(sum(lengths), generator=torch.Generator().manual_seed(1))
    model, gradients, scores = random_model(WORDS, **shape), [], []
    for way in ({"budget": 100}, {"layout": padded, "head": plain}):
        model.zero_grad()
        scored = score(model, ids_N, lengths, temperature=0.7, **way)
        (scored.logprob_N * weight_N).sum().backward()
        gradients.append([torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()])
        scores.append((scored.logprob_N.detach(), scored.entropy_N, scored.likeliest_N))
    for own, expected in zip(*scores, strict=True):
        torch.testing.assert_close(own, expected, atol=2e-5, rtol=0)
    for own, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(own, expected, atol=1e-5 * max(1.0, expected.abs().max().item()), rtol=1e-3)


@pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="there is no C compiler here")
def test_what_computes_is_compiled_once_and_recorded(tmp_path):
    first, second = used(tmp_path), used(tmp_path)
    assert first.stdout.startswith("compiled ")
    assert (second.stdout, second.stderr) == (first.stdout, "")
    assert len(list(tmp_path.rglob("kernels-*.so"))) == 1


def test_torch_computes_where_the_environment_says_so(tmp_path):
    told = used(tmp_path, ASYNCTHINK_KERNELS="plain")
    assert (told.stdout, told.stderr) == ("plain\n", "")


def test_without_a_compiler_torch_computes_and_a_line_says_so(tmp_path):
    told = used(tmp_path, CC="no-such-compiler")
    assert told.stdout == "plain\n"
    assert told.stderr.startswith("no compiled kernels (there is no C compiler no-such-compiler)")


def test_an_unknown_choice_is_refused(monkeypatch):
    monkeypatch.setenv(kernels.CHOICE, "fast")
    kernels.library.cache_clear()
    with pytest.raises(InputError, match="'fast' in the environment: it can be compiled or plain"):
        kernels.library()
    kernels.library.cache_clear()
