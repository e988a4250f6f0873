"""The local engine against transformers, and the scripted engine against its script."""

import asyncio
import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from taught_model import ITEM, THINKING_SETTINGS, WORDS, random_model, taught_model
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from asyncthink.engines import Request, qwen3, run
from asyncthink.engines.feed import Feed
from asyncthink.engines.local import Local, sample, uniforms
from asyncthink.engines.scripted import Scripted
from asyncthink.engines.vocabulary import Vocabulary, shared
from asyncthink.errors import InputError, NotFinite
from asyncthink.models import kernels
from asyncthink.thinking import THINKING

SHAPES = {
    "multi-head, tied": {"num_attention_heads": 4, "num_key_value_heads": 4, "tie_word_embeddings": True},
    "grouped, untied": {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False},
    "multi-query, wide heads": {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 40},
    "biases": {"num_attention_heads": 2, "num_key_value_heads": 2, "attention_bias": True},
    "yarn": {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}},
}
SETTINGS = replace(THINKING_SETTINGS, temperature=1.3)


@pytest.fixture(scope="module")
def taught() -> Qwen3ForCausalLM:
    return taught_model()


def byte_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["<FORK-1> é</FORK-1>. JOIN ><so"] * 9, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")


def episodes(model: Qwen3ForCausalLM, seeds: range, mode: str = "asynchronous", **options: object) -> list:
    engine = Local(model, WORDS, **options)
    return run(engine, [THINKING[mode](engine, "countdown", ITEM, SETTINGS, {}, (seed,)) for seed in seeds])


def teacher_forced(model: Qwen3ForCausalLM, prompt: list[int], ids: list[int], temperature: float) -> torch.Tensor:
    """Log-probabilities of `ids` behind `prompt`, from one full forward pass of transformers."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + ids]), use_cache=False).logits[0, len(prompt) - 1 : -1]
    return (logits / temperature).log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0]


@pytest.fixture(params=[kernels.COMPILED, kernels.PLAIN])
def computes(request, monkeypatch) -> str:
    """Who computes, as the environment says it."""
    monkeypatch.setenv(kernels.CHOICE, request.param)
    kernels.library.cache_clear()
    yield request.param
    kernels.library.cache_clear()


@pytest.mark.parametrize("largest_bias", [1 << 25, 300], ids=["together", "in parts"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_logits_equal_those_of_transformers(shape, largest_bias, computes, monkeypatch):
    monkeypatch.setattr(qwen3, "LARGEST_BIAS", largest_bias)
    model = random_model(WORDS, **shape)
    ids = torch.randint(0, len(WORDS), (5, 24), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(input_ids=ids).logits
    decoder = qwen3.Qwen3(model)
    for slots in ([0, 1, 2, 3, 4], [6, 1, 8, 3, 2]):  # as they come, and where others were before
        lengths = [0] * 5
        for counts in ([3, 1, 7, 4, 12], [1, 1, 1, 1, 1], [1, 5, 1, 2, 1], [9, 1, 1, 1, 1]):
            ends = [length + count - 1 for length, count in zip(lengths, counts, strict=True)]
            earlier = {row: ids[row, lengths[row] : end].tolist() for row, end in enumerate(ends) if end > lengths[row]}
            last = ids[range(5), ends].numpy()
            logits = decoder.step(Feed.of(last, np.array(ends), np.array(slots), earlier))
            lengths = [end + 1 for end in ends]
            for row, end in enumerate(ends):
                torch.testing.assert_close(logits[row], expected[row, end], atol=1e-4, rtol=0)


def test_sampled_log_probabilities_equal_teacher_forced_ones_on_traces_with_joins(taught, computes):
    joins = 0
    for episode in episodes(taught, range(12)):
        for trace in episode.traces:
            expected = teacher_forced(taught, trace.prompt_ids, trace.ids, SETTINGS.temperature)
            sampled = torch.tensor(trace.policy).bool()
            torch.testing.assert_close(torch.tensor(trace.logprobs)[sampled], expected[sampled], atol=1e-4, rtol=0)
            joins += sum(segment.injected for segment in trace.segments)
    assert joins >= 5


def test_greedy_text_equals_that_of_transformers(taught, computes):
    prompt = WORDS.encode("<organizer> 3 5 8 9 11 =24", add_special_tokens=False)
    engine = Local(taught, WORDS)
    [completion] = run(engine, [engine.complete(Request(("t",), tuple(prompt), ("</ANSWER>",), 60, 0, 0.0))])
    with torch.no_grad():
        ids = taught.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=len(completion.ids))
    assert list(completion.ids) == ids[0, len(prompt) :].tolist()
    assert completion.logprobs == (0.0,) * len(completion.ids)


def test_an_episode_is_the_same_alone_and_in_company(taught, computes):
    together = episodes(taught, range(12))
    few_rows = episodes(taught, range(12), rows=2)
    for seed in (0, 7):
        alone = episodes(taught, range(seed, seed + 1))[0]
        for other in (together[seed], few_rows[seed]):
            assert [trace.ids for trace in other.traces] == [trace.ids for trace in alone.traces]
            assert (other.plan, other.answer) == (alone.plan, alone.answer)
    assert len({tuple(episode.traces[0].ids) for episode in together}) > 1


@pytest.mark.parametrize("room", [1, 300])
def test_where_memory_is_a_bound_traces_wait_for_room_and_say_the_same(taught, room):
    engine, together = Local(taught, WORDS), episodes(taught, range(12))
    engine.room, kept = room, []

    def watch(trace: tuple, token: int) -> None:
        kept.append((sum(known.most for known in engine._traces.values()), len(engine._rows)))

    engine.watch = watch
    found = run(engine, [THINKING["asynchronous"](engine, "countdown", ITEM, SETTINGS, {}, (s,)) for s in range(12)])
    assert found == together
    assert max(tokens for tokens, _ in kept) > room / 2
    assert room == 1 or max(tokens for tokens, rows in kept if rows > 1) <= 1.5 * room
    assert max(rows for _, rows in kept) < 12


def test_a_run_is_the_same_to_the_last_bit_whatever_ran_before(taught, computes):
    def episodes_of(engine: Local, seeds: range) -> list:
        return run(engine, [THINKING["asynchronous"](engine, "countdown", ITEM, SETTINGS, {}, (s,)) for s in seeds])

    used = Local(taught, WORDS)
    episodes_of(used, range(20))
    assert episodes_of(used, range(5)) == episodes_of(Local(taught, WORDS), range(5))


def test_workers_decode_while_the_organizer_does(taught):
    said = []
    engine = Local(taught, WORDS, watch=lambda trace, token: said.append(trace[-1]))
    think = THINKING["asynchronous"](engine, "countdown", ITEM, replace(SETTINGS, temperature=0.0), {}, (0,))
    [episode] = run(engine, [think])
    first = said.index("worker-1")
    assert episode.schedule["joins"] == 2
    assert {"organizer", "worker-1", "worker-2"} <= set(said[first : first + 30])
    assert engine.steps < episode.schedule["work"]


def test_a_trace_is_fed_each_of_its_tokens_once(taught):
    """So an organizer that goes on behind a Join is fed the injected text and nothing else."""
    engine = Local(taught, WORDS)
    told = run(
        engine, [THINKING["asynchronous"](engine, "countdown", ITEM, SETTINGS, {}, (seed,)) for seed in range(9)]
    )
    traces = [trace for episode in told for trace in episode.traces]
    unread = sum(trace.policy[-1] for trace in traces)  # nothing follows the last decoded token
    assert engine.fed == sum(len(trace.prompt_ids) + len(trace.ids) for trace in traces) - unread


def test_rows_leave_as_they_finish(taught):
    engine = Local(taught, WORDS)
    lengths = [2, 2, 2, 40]
    run(engine, [engine.complete(_request(row, tokens=length)) for row, length in enumerate(lengths)])
    assert engine.steps == 40
    assert engine.fed == sum(lengths) - len(lengths) + 3 * len(lengths)


def held(cache):
    """Bytes of keys and values."""
    return sum(tensor.nbytes for tensor in (*cache.keys, *cache.values))


def test_nothing_is_kept_behind_a_run_or_a_released_trace(taught):
    engine = Local(taught, WORDS)
    sizes = []

    async def measured() -> None:
        for row in range(3):
            await engine.complete(_request(row, tokens=20))
            engine.release((row,))
            await engine.complete(_request(100 + row, tokens=2))
            sizes.append((held(engine.decoder.cache), len(engine._traces)))

    run(engine, [measured()])
    assert all(size > 0 for size, _ in sizes)
    assert [kept for _, kept in sizes] == [1, 2, 3]  # those that were not released
    assert (held(engine.decoder.cache), len(engine._traces), len(engine._rows)) == (0, 0, 0)


def test_weights_that_changed_between_two_runs_are_used(taught):
    model = copy.deepcopy(taught)
    engine = Local(model, WORDS)
    for _ in range(2):
        [completion] = run(engine, [engine.complete(_request(0, tokens=20))])
        expected = teacher_forced(model, list(_request(0).ids), list(completion.ids), 1.0)
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-4, rtol=0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.9)


def drawn(logits: torch.Tensor, temperatures: list[float], uniforms: list[float]) -> tuple[list[int], list[float]]:
    tokens, logprobs = sample(logits, np.array(temperatures, np.float32), np.array(uniforms))
    return tokens.tolist(), logprobs.tolist()


def test_tokens_follow_the_distribution(computes):
    """With evenly spaced uniforms every token comes as often as its probability says, to one count."""
    logits = torch.tensor([[0.0, 2.0, -1.0, -torch.inf, 1.0]])
    count = 2000
    spaced = [(place + 0.5) / count for place in range(count)]
    tokens, logprobs = drawn(logits.expand(count, -1), [0.7] * count, spaced)
    probabilities = (logits[0] / 0.7).softmax(-1)
    found = torch.bincount(torch.tensor(tokens), minlength=5)
    torch.testing.assert_close(found.float(), probabilities * count, atol=1.0, rtol=0)
    torch.testing.assert_close(torch.tensor(logprobs), probabilities.log()[tokens], atol=1e-5, rtol=0)


def test_the_end_of_the_distribution_is_never_passed(computes):
    logits = torch.cat(
        [torch.randn(50, 300, generator=torch.Generator().manual_seed(1)), -torch.inf * torch.ones(50, 9)], 1
    )
    tokens, logprobs = drawn(logits, [1.0] * 50, [1 - 2**-53] * 50)
    assert max(tokens) < 300
    assert min(logprobs) > -torch.inf


def test_greedy_rows_and_sampled_rows_share_a_batch(computes):
    logits = torch.tensor([[0.0, 3.0, 1.0]] * 2)
    tokens, logprobs = drawn(logits, [0.0, 1.0], [0.01, 0.01])
    assert tokens == [1, 0]
    assert logprobs[0] == 0.0
    assert logprobs[1] == pytest.approx(logits[1].log_softmax(-1)[0].item())


def test_the_numbers_of_a_seed_are_even_and_those_of_two_seeds_have_nothing_in_common():
    places, seeds = np.arange(4000), np.arange(50, dtype=np.uint64)
    streams = np.array([uniforms(np.full(4000, seed), places) for seed in seeds])
    assert streams.min() >= 0
    assert streams.max() < 1
    counts = np.stack([np.histogram(stream, 20, (0, 1))[0] for stream in streams])
    assert ((counts - 200) ** 2 / 200).sum(1).max() < 50  # chi-square with 19 degrees of freedom: p = 1e-4
    apart = np.corrcoef(np.concatenate([streams, streams[:, ::-1]])) - np.eye(100)
    assert np.abs(apart).max() < 5 / np.sqrt(4000)


def test_reference_values_of_splitmix64():
    """The first numbers of seed 1234567, as its authors' code gives them."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    told = uniforms(np.full(3, 1234567, np.uint64), np.arange(3))
    assert told.tolist() == [(number >> 11) * 2.0**-53 for number in expected]


def test_a_stop_of_several_tokens_is_found_where_it_ends():
    tokenizer = byte_tokenizer()
    vocabulary = Vocabulary(tokenizer)
    stops = ("</FORK-1>", "<JOIN-1>")
    ids = vocabulary.encode("<FORK-1> é </FORK-1>. so")
    assert len(vocabulary.encode("</FORK-1>")) > 1
    found = [
        vocabulary.stop(ids[: end + 1], stops) if ids[end] in vocabulary.closers(stops) else None
        for end in range(len(ids))
    ]
    [end] = [place for place, stop in enumerate(found) if stop]
    assert found[end] == "</FORK-1>"
    assert "</FORK-1>" in vocabulary.decode(ids[: end + 1])
    assert "</FORK-1>" not in vocabulary.decode(ids[:end])


def test_a_byte_level_model_stops_at_a_tag_of_several_tokens():
    """A model that says one text by heart, token by token."""
    tokenizer = byte_tokenizer()
    text = "é so</FORK-1> more"
    ids = tokenizer.encode(text, add_special_tokens=False)
    model = random_model(tokenizer)
    context = torch.tensor([[1, *ids]])
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        logits = model(input_ids=context).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, context[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    engine = Local(model.eval(), tokenizer)
    [completion] = run(engine, [engine.complete(Request(("t",), (1,), ("</FORK-1>", "<JOIN-1>"), 40, 0, 0.0))])
    assert completion.stop == "</FORK-1>"
    assert engine.decode(completion.ids).startswith("é so</FORK-1>")
    assert len(completion.ids) < len(ids)


def test_a_word_that_the_model_lacks_is_named():
    with pytest.raises(InputError, match="'977' is not among the"):
        Vocabulary(WORDS).encode("<organizer> 3 977 5")


def test_an_error_in_one_trace_ends_the_run_with_that_error(taught):
    engine = Local(taught, WORDS)

    async def wrong() -> None:
        await engine.complete(_request(1, tokens=3))
        raise InputError("this one")

    with pytest.raises(InputError, match="this one"):
        run(engine, [engine.complete(_request(0, tokens=500)), wrong()])
    assert run(engine, [engine.complete(_request(0, tokens=3))])[0].ids


def test_an_error_on_the_way_into_the_batch_ends_the_run_too(taught, monkeypatch):
    engine = Local(taught, WORDS)
    monkeypatch.setattr(engine, "_enter", lambda row: {}["slot"])
    with pytest.raises(KeyError):
        run(engine, [asyncio.wait_for(engine.complete(_request(0, tokens=3)), 60)])


def test_a_model_that_has_diverged_ends_the_run(taught, computes):
    model = copy.deepcopy(taught)
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    engine = Local(model, WORDS)
    with pytest.raises(NotFinite, match="not finite"):
        run(engine, [engine.complete(_request(0, tokens=5))])


def test_a_script_is_handed_out_stop_by_stop_and_ends_with_the_end_of_sequence():
    engine = Scripted(WORDS, {("a",): "3 5 <JOIN-1> 8 9"})

    async def told() -> list[tuple[str, str | None]]:
        parts = []
        for _ in range(3):
            completion = await engine.complete(Request(("a",), (2,), ("<JOIN-1>",), 2, 0, 1.0))
            parts.append((engine.decode(completion.ids), completion.stop))
        return parts

    assert asyncio.run(told()) == [(" 3 5", None), (" <JOIN-1>", "<JOIN-1>"), (" 8 9", None)]


def test_a_script_may_answer_to_its_context():
    engine = Scripted(WORDS, {("a",): lambda context: "8 !" if "5" in context else "none"})
    ids = tuple(engine.encode("3 5"))
    [completion] = run(engine, [engine.complete(Request(("a",), ids, (";",), 9, 0, 1.0))])
    assert engine.decode(completion.ids) == " 8 ! <eos>"
    assert completion.stop == "eos"


def _request(row: int, tokens: int = 1) -> Request:
    """A trace that no stop ends; the taught model's end of sequence is as unlikely as any other token."""
    return Request((row,), tuple(WORDS.encode("<solve> 3 5", add_special_tokens=False)), ("never>",), tokens, row, 1.0)


def test_the_texts_of_all_tokens_are_looked_up_once_for_a_tokenizer_and_again_when_tokens_were_added():
    tokenizer = byte_tokenizer()
    assert shared(tokenizer).pieces is shared(tokenizer).pieces
    tokenizer.add_tokens(["<FORK-1>"])
    assert shared(tokenizer).pieces[-1] == "<FORK-1>"
