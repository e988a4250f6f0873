"""The local engine on models of many architectures, held to transformers' own forward pass."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from taught_model import DEMONSTRATION, ITEM, PARAMS, THINKING_SETTINGS, WORDS, random_model
from tiny_models import ARCHITECTURES, seeing_model, tiny_model
from transformers import (
    BartConfig,
    BartForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RwkvConfig,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.rwkv.modeling_rwkv import RwkvForCausalLM
from trl.trainer.utils import add_fused_lm_head

from asyncthink.config.params import from_mapping, merged
from asyncthink.engines import FULL, Request, run
from asyncthink.engines.cache import BLOCK
from asyncthink.engines.feed import Feed
from asyncthink.engines.forward_pass import GROUPED, ForwardPass, context_of, grouped, passes
from asyncthink.engines.local import Local, decoder_of, token_bytes
from asyncthink.engines.qwen3 import Qwen3
from asyncthink.episode import Trace
from asyncthink.errors import InputError
from asyncthink.models import language_model
from asyncthink.thinking.agents import Agent
from asyncthink.training import episode_trainer, grpo, sft
from asyncthink.training.checkpoints import Scratch
from asyncthink.training.episode_trainer import EpisodeTrainer, Row, Settings
from asyncthink.training.log_probabilities import fused, plain, score
from asyncthink.training.resumption import Run, train

STOPS = ("</ANSWER>",)
ADVANTAGE = torch.tensor([1.0, -1.0])
every_architecture = pytest.mark.parametrize("name", ARCHITECTURES)


@pytest.fixture
def model(name: str) -> PreTrainedModel:
    return tiny_model(name, WORDS)


def forced(model: PreTrainedModel, ids: list[int]) -> torch.Tensor:
    """Logits of one forward pass over one trace, (time, vocabulary)."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


@every_architecture
def test_logits_equal_those_of_transformers(model):
    ids = torch.randint(0, len(WORDS), (5, 24), generator=torch.Generator().manual_seed(0))
    expected = [forced(model, row.tolist()) for row in ids]
    decoder = decoder_of(model)
    assert isinstance(decoder, ForwardPass)
    attention = model.config._attn_implementation
    decoder.refresh()
    assert attention != "sdpa" or model.config._attn_implementation == GROUPED
    for slots in ([0, 1, 2, 3, 4], [6, 1, 8, 3, 2]):  # as they come, and where others were before
        lengths = [0] * 5
        for counts in ([3, 1, 7, 4, 12], [1, 1, 1, 1, 1], [1, 5, 1, 2, 1], [9, 1, 1, 1, 1]):
            ends = [length + count - 1 for length, count in zip(lengths, counts, strict=True)]
            earlier = {row: ids[row, lengths[row] : end].tolist() for row, end in enumerate(ends) if end > lengths[row]}
            last = ids[range(5), ends].numpy()
            logits = decoder.step(Feed.of(last, np.array(ends), np.array(slots), earlier))
            lengths = [end + 1 for end in ends]
            for row, end in enumerate(ends):
                torch.testing.assert_close(logits[row], expected[row][end], atol=1e-4, rtol=0)
    decoder.free()
    assert model.config._attn_implementation == attention


@every_architecture
def test_the_bytes_of_a_token_are_those_that_are_kept_of_it(model):
    decoder = decoder_of(model)
    decoder.refresh()
    decoder.step(Feed.of(np.array([3]), np.array([2]), np.array([0]), {0: [5, 7]}))
    kept = sum(part.nbytes for layer in decoder._layers for part in (layer.keys, layer.values))
    assert kept == token_bytes(model) * BLOCK * decoder.cache.count


@pytest.mark.parametrize("columns", [1, 5])
def test_heads_that_share_a_key_head_attend_as_with_copies_of_it(columns):
    drawn = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(3, heads, n, 8, generator=drawn) for heads, n in ((6, columns), (2, 9), (2, 9)))
    real = torch.arange(9) >= torch.tensor([0, 3, 4])[:, None]
    mask = (real[:, None] & (torch.arange(9) <= torch.arange(9 - columns, 9)[:, None]))[:, None]
    layer = torch.nn.Module()
    layer.num_key_value_groups = 3
    ours, copied = (
        attend(layer, query, key, value, mask, scaling=0.3)[0] for attend in (grouped, sdpa_attention_forward)
    )
    assert ours.shape == (3, columns, 6, 8)
    torch.testing.assert_close(ours, copied)


def traces_with_joins(model: PreTrainedModel, temperature: float) -> list[Trace]:
    """Organizers that wait for workers of other lengths and get text injected, all in one batch of the engine."""
    engine, rng = Local(model, WORDS), random.Random(0)

    async def organizer(number: int) -> list[Trace]:
        boss = Agent(engine, (number, "organizer"), "organizer", None, "<organizer> 3 5 8 =24", temperature)
        workers = []
        for fork in range(1, rng.randint(2, 4)):
            await boss.decode(STOPS, rng.randint(1, 5))
            worker = Agent(engine, (number, fork), "worker", fork, f"<worker> {number} {fork} =24", temperature)
            await worker.decode(STOPS, rng.randint(1, 9))
            worker.release()
            boss.inject(" 8 * 3 ; 9 + 11 </JOIN-1>" if fork % 2 else " none </JOIN-2>")
            workers.append(worker.trace)
        await boss.decode(STOPS, 6)
        return [boss.trace, *workers]

    return [trace for several in run(engine, [organizer(number) for number in range(6)]) for trace in several]


@every_architecture
def test_sampled_log_probabilities_equal_teacher_forced_ones_on_traces_with_joins(model):
    model.train()  # as a trainer hands it over; no dropout takes part
    traces = traces_with_joins(model, 1.1)
    assert model.training
    model.eval()
    assert sum(segment.injected for trace in traces for segment in trace.segments) >= 6
    for trace in traces:
        logits = forced(model, trace.prompt_ids + trace.ids)[len(trace.prompt_ids) - 1 : -1]
        expected = (logits / 1.1).log_softmax(-1).gather(1, torch.tensor(trace.ids)[:, None])[:, 0]
        sampled = torch.tensor(trace.policy).bool()
        torch.testing.assert_close(torch.tensor(trace.logprobs)[sampled], expected[sampled], atol=1e-4, rtol=0)


@pytest.fixture
def start(model, tmp_path) -> Path:
    folder = tmp_path / "start"
    unpadded = PreTrainedTokenizerFast(tokenizer_object=WORDS.backend_tokenizer, eos_token=WORDS.eos_token)
    language_model.write(model, unpadded, folder)  # as many have no token for padding
    return folder


@every_architecture
def test_scores_without_whole_logits_are_those_with_them(model):
    ids_N, lengths = torch.randint(2, len(WORDS), (40,), generator=torch.Generator().manual_seed(1)), [13, 9, 18]
    expected = score(model, ids_N, lengths, temperature=0.8, head=plain)
    for trace, logprob_T in zip(ids_N.split(lengths), expected.logprob_N.split(lengths), strict=True):
        alone_T = (forced(model, trace.tolist())[:-1] / 0.8).log_softmax(-1).gather(1, trace[1:, None])[:, 0]
        torch.testing.assert_close(logprob_T[1:].detach(), alone_T, atol=1e-4, rtol=0)
    add_fused_lm_head(model, temperature=0.8, outputs=("log_probs", "entropy"))
    found = score(model, ids_N, lengths, temperature=0.8, head=fused)
    torch.testing.assert_close(found.logprob_N, expected.logprob_N, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.entropy_N, expected.entropy_N, atol=1e-4, rtol=0)


@every_architecture
def test_it_is_fine_tuned_on_demonstrations(start, tmp_path):
    settings = replace(PARAMS.sft, epochs=10, batch_traces=4, learning_rate=1e-2, tag_weight=1.0, answer_weight=1.0)
    run = Run("sft", 1, Scratch(tmp_path / "scratch"))
    first, *_, last = train(sft.trainer_of(settings, THINKING_SETTINGS, run, start, [DEMONSTRATION] * 2))
    assert last["loss"] < 0.7 * first["loss"]


def test_a_model_that_sees_images_too_is_fine_tuned_on_text(tmp_path):
    language_model.write(seeing_model(WORDS), WORDS, tmp_path / "start")
    settings = replace(PARAMS.sft, epochs=2, batch_traces=4, learning_rate=1e-2, tag_weight=1.0, answer_weight=1.0)
    run = Run("sft", 1, Scratch(tmp_path / "scratch"))
    first, *_, last = train(sft.trainer_of(settings, THINKING_SETTINGS, run, tmp_path / "start", [DEMONSTRATION] * 2))
    assert last["loss"] < first["loss"]


@every_architecture
def test_it_is_trained_on_the_very_log_probabilities_that_were_sampled(start, tmp_path):
    changed = {"grpo": {"steps": 2, "prompts_per_step": 1, "group": 2, "learning_rate": 1e-3, "warmup": 0.0}}
    thinking = {"organizer_budget": 20, "worker_budget": 10}
    params = from_mapping(merged(PARAMS.to_mapping(), {**changed, "thinking": thinking}))
    settings = Settings(params.arm, params.thinking, params.reward, params.grpo)
    log = train(grpo.trainer_of(settings, Run("grpo", 1, Scratch(tmp_path / "scratch")), start, [ITEM]))
    assert [entry["episodes/largest_sampler_gap"] < 1e-4 for entry in log] == [True, True]


@every_architecture
def test_a_large_model_is_trained_in_bfloat16_and_sampled_in_single_precision(start, tmp_path, monkeypatch):
    monkeypatch.setattr(language_model, "LARGE", 0)
    monkeypatch.setattr(language_model, "multiplies_in_bfloat16", lambda: True)
    changed = {"grpo": {"steps": 1, "prompts_per_step": 1, "group": 2}, "thinking": {"organizer_budget": 20}}
    params = from_mapping(merged(PARAMS.to_mapping(), changed))
    settings = Settings(params.arm, params.thinking, params.reward, params.grpo)
    engine = Local(*language_model.load(start))
    expected = episode_trainer.sample(engine, [Row(0, 0, 0, number) for number in range(2)], [ITEM], settings, 1)
    sampled = []
    monkeypatch.setattr(EpisodeTrainer, "advantages", lambda self, episodes: (sampled.extend(episodes), ADVANTAGE)[1])
    trainer = grpo.trainer_of(settings, Run("grpo", 1, Scratch(tmp_path / "scratch")), start, [ITEM])
    assert trainer.args.bf16
    [log] = train(trainer)
    assert sampled == expected
    assert 0 < log["episodes/sampler_gap"] < 0.1  # the trainer rounds, and the sampler does not


@pytest.mark.parametrize("name", ["gemma 3, windows in two of three"])
def test_each_of_several_ends_of_sequence_ends_a_trace(model):
    assert model.generation_config.eos_token_id == [1, 106]
    ends = {1, 106}
    with torch.no_grad():
        model.get_input_embeddings().weight[106] *= 3  # tied: one of them comes soon
    engine = Local(model, WORDS)
    [completion] = run(engine, [engine.complete(Request(("t",), (5, 6, 7), ("no such stop",), 400, 0, 1.0))])
    assert completion.stop == "eos" and completion.ids[-1] in ends and not ends & set(completion.ids[:-1])


@pytest.mark.parametrize(
    ("name", "room"), [("gpt-2, learned positions and dropout", 128), ("phi-3, rotary that changes", 64)]
)
def test_a_trace_ends_where_the_models_positions_do(model, room, capsys):
    model.generation_config.eos_token_id = None
    assert context_of(model) == room
    engine = Local(model, WORDS)
    engine._ends = frozenset()
    requests = [Request((seed,), (5, 6, 7), ("no such stop",), 400, seed, 1.0) for seed in range(2)]
    for completion in run(engine, [engine.complete(request) for request in requests]):
        assert (len(completion.ids), completion.stop) == (room - 3, FULL)
    assert f"local: its context of {room} tokens was full in 2 traces" in capsys.readouterr().err


def test_a_family_with_a_pass_of_its_own_takes_it():
    assert isinstance(decoder_of(random_model(WORDS)), Qwen3)


def test_rows_that_are_fed_alike_share_a_pass():
    assert passes([1, 1, 1]) == [[0, 1, 2]]
    assert passes([1, 40, 9, 1, 38, 10]) == [[0, 3], [1, 4], [5, 2]]
    assert passes([5000, 5000, 2]) == [[0], [1], [2]]


def test_models_that_cannot_be_decoded_here_are_refused_with_the_reason():
    rwkv = RwkvForCausalLM(RwkvConfig(vocab_size=20, hidden_size=8, attention_hidden_size=8, num_hidden_layers=2))
    with pytest.raises(InputError, match="cannot decode RwkvForCausalLM: it keeps a state that is more than keys and"):
        decoder_of(rwkv)
    t5 = T5ForConditionalGeneration(T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2))
    with pytest.raises(InputError, match="cannot decode T5ForConditionalGeneration: it has an encoder"):
        decoder_of(t5)
    sizes = {"d_model": 8, "decoder_layers": 1, "decoder_ffn_dim": 8, "decoder_attention_heads": 2}
    with pytest.raises(InputError, match="cannot decode BartForCausalLM: it takes no positions"):
        decoder_of(BartForCausalLM(BartConfig(vocab_size=20, **sizes)))


def test_a_model_whose_own_forward_pass_fails_is_refused_with_what_it_says(monkeypatch):
    model = tiny_model("gpt-2, learned positions and dropout", WORDS)
    monkeypatch.setattr(model.transformer, "forward", lambda *a, **k: torch.zeros(2, 3).T.view(6))
    engine = Local(model, WORDS)
    with pytest.raises(InputError, match="cannot decode GPT2LMHeadModel: its own forward pass fails, RuntimeE"):
        run(engine, [engine.complete(Request((0,), (1, 2), ("\0",), 4, 0, 0.0))])
