"""The vLLM engine and the text engine against a server on this machine that answers in vLLM's words."""

import asyncio
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from misbehaving_server import KEY, Answer, Server
from vllm_stub import ITEM, SCRIPTS, SETTINGS, TOKENIZERS, WORDS, LLMStub, VLLMStub, say

from asyncthink import engines
from asyncthink.engines import Identity, Request
from asyncthink.engines.scripted import Scripted
from asyncthink.engines.text_server import TextServer
from asyncthink.engines.vllm import VLLM
from asyncthink.engines.vllm_here import VLLMHere, load
from asyncthink.engines.vocabulary import Vocabulary
from asyncthink.errors import InputError
from asyncthink.thinking import THINKING


def episode(engine, style, **settings):
    """One episode of asynchronous thinking."""
    settings = replace(SETTINGS[style], **settings)
    thought = THINKING["asynchronous"](engine, "countdown", ITEM, settings, {"index": 0}, (7, "test", 0))
    return engines.run(engine, [thought])[0]


def scripted(style):
    """The reference: the same words, said by the scripted engine."""

    class Talker(dict):
        def __contains__(self, trace):
            return True

        def __getitem__(self, trace):
            return lambda context: say(style, context)

    return Scripted(TOKENIZERS[style], Talker())


def unscored(traces):
    return [(trace.role, trace.prompt_ids, trace.ids, trace.policy, trace.stop, trace.own_text) for trace in traces]


@pytest.mark.parametrize("style", TOKENIZERS)
@pytest.mark.parametrize("ahead", [0, 3])
def test_an_episode_over_http_is_the_scripted_one_token_for_token(style, ahead):
    reference = episode(scripted(style), style)
    assert [trace.stop for trace in reference.traces] == ["answer", "return", "budget"]
    with Server(VLLMStub(style, ahead)) as server:
        spoken = episode(VLLM(server.url, TOKENIZERS[style]), style)
    assert unscored(spoken.traces) == unscored(reference.traces)
    assert (spoken.plan, spoken.answer) == (reference.plan, reference.answer)


@pytest.mark.parametrize("style", TOKENIZERS)
@pytest.mark.parametrize("kind", [VLLM, TextServer])
def test_what_is_watched_is_what_is_said_and_changes_nothing(kind, style):
    heard = {}
    with Server(VLLMStub(style)) as server:
        plain, watched = kind(server.url, TOKENIZERS[style]), kind(server.url, TOKENIZERS[style])
        watched.watch = lambda trace, token: heard.setdefault(trace[-1], []).append(token)
        spoken = episode(watched, style)
        assert spoken == episode(plain, style)
    for trace in spoken.traces:
        name = trace.role if trace.fork is None else f"worker-{trace.fork}"
        own = [token for token, sampled in zip(trace.ids, trace.policy, strict=True) if sampled]
        text = watched.decode(own)
        assert watched.decode(heard[name])[: len(text)] == text


@pytest.fixture
def package(monkeypatch):
    """What the engine in this process takes from the package vllm, which is not installed here."""
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=SimpleNamespace, __version__="0.31.0"))


@pytest.mark.parametrize("style", TOKENIZERS)
def test_an_episode_on_vllm_in_this_process_is_the_scripted_one_token_for_token(style, package):
    llm, heard = LLMStub(style), {}
    engine = VLLMHere(llm, TOKENIZERS[style])
    engine.watch = lambda trace, token: heard.setdefault(trace[-1], []).append(token)
    spoken = episode(engine, style)
    assert unscored(spoken.traces) == unscored(episode(scripted(style), style).traces)
    assert llm.most_at_once >= 2
    first = spoken.traces[0]
    assert heard["organizer"] == [i for i, sampled in zip(first.ids, first.policy, strict=True) if sampled]
    assert first.logprobs[:2] == [-0.25, -0.375] and engine.identity() == Identity("vllm", "0.31.0")


@pytest.mark.timeout(60)
def test_an_answer_that_vllm_in_this_process_gives_without_logprobs_ends_the_run(package):
    class Numberless(LLMStub):
        def output(self, name, choice, done):
            choice["logprobs"]["token_logprobs"][0] = float("nan")
            return super().output(name, choice, done)

    with pytest.raises(InputError, match="vllm: the server gives no log-probability of 1 of"):
        episode(VLLMHere(Numberless("word"), WORDS), "word")


def test_vllm_in_this_process_must_drop_its_prefix_cache():
    VLLMHere(LLMStub("word"), WORDS).reset_prefix_cache()
    with pytest.raises(InputError, match="was not reset"):
        VLLMHere(LLMStub("word", reset=False), WORDS).reset_prefix_cache()


def test_without_the_package_it_is_said_what_to_do():
    with pytest.raises(InputError, match=r"pip install -e '\.\[vllm\]'"):
        load("anything")


def test_a_server_says_its_version_and_by_text_the_name_of_its_model():
    with Server(VLLMStub("word")) as server:
        assert VLLM(server.url, WORDS).identity() == Identity("vllm", "0.31.0")
        unnamed = TextServer(server.url, WORDS).identity()
        assert (
            unnamed
            == TextServer(server.url, WORDS, unnamed.version).identity()
            == Identity("text", "served", exact=False)
        )


@pytest.mark.parametrize("style", TOKENIZERS)
def test_workers_run_while_the_organizer_decodes(style):
    with Server(VLLMStub(style), pause=0.3) as server:
        episode(VLLM(server.url, TOKENIZERS[style]), style)
        assert server.most_at_once >= 2


def request(stops=("</FORK-1>", "<JOIN-1>", "</ANSWER>"), temperature=0.7, max_tokens=99, seed=2**64 - 1) -> Request:
    ids = Vocabulary(WORDS).encode("<organizer> 11 9 8 5 3 =24")
    return Request(("a",), tuple(ids), stops, max_tokens, seed, temperature)


def complete(engine, *requests):
    async def one_by_one():
        async with engine:
            return [await engine.complete(each) for each in requests]

    return asyncio.run(one_by_one())


def test_everything_that_decides_a_sample_is_in_the_request():
    stub = VLLMStub("word")
    with Server(stub) as server:
        [completion] = complete(VLLM(server.url, WORDS), request())
    sent = stub.bodies[-1]
    fork, join, answer = (Vocabulary(WORDS).encode(tag)[0] for tag in request().stops)
    assert sent == {
        "model": "served",
        "prompt": list(request().ids),
        "max_tokens": 99,
        "temperature": 0.7,
        "seed": 2**63 - 1,
        "stop": [],
        "stop_token_ids": [fork, join, answer],
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "return_token_ids": True,
        "logprobs": 0,
        "skip_special_tokens": False,
        "spaces_between_special_tokens": False,
        "include_stop_str_in_output": True,
    }
    assert completion.stop == "</FORK-1>" and len(completion.logprobs) == len(completion.ids) == 11
    assert completion.logprobs[:2] == (-0.25, -0.375)


def test_tags_of_several_tokens_go_as_text():
    stub = VLLMStub("chat")
    with Server(stub) as server:
        episode(VLLM(server.url, TOKENIZERS["chat"]), "chat")
    assert all(body["stop_token_ids"] == [] for body in stub.bodies)
    assert {body["stop"][-1] for body in stub.bodies} == {"</ANSWER>", "</RETURN>"}


@pytest.mark.parametrize("temperature", [0.7, 1.0])  # at 0.7 the first request is the check of log-probabilities
def test_a_server_that_takes_too_few_stops_is_told_how_to_take_more(temperature):
    with (
        Server(VLLMStub("chat", most_stops=4)) as server,
        pytest.raises(InputError, match="VLLM_MAX_STOP_STRINGS=33"),
    ):
        episode(VLLM(server.url, TOKENIZERS["chat"]), "chat", temperature=temperature)


def test_greedy_log_probabilities_are_zero_and_the_length_and_the_end_of_sequence_are_told():
    with Server(VLLMStub("word")) as server:
        short, whole = complete(
            VLLM(server.url, WORDS), request(temperature=0.0, max_tokens=4), request((), temperature=0.0)
        )
    assert (len(short.ids), short.logprobs, short.stop) == (4, (0.0,) * 4, None)
    assert whole.stop == "eos" and whole.ids[-1] == WORDS.eos_token_id


def test_a_server_error_is_asked_again_with_the_same_seed():
    stub = VLLMStub("word", fail_at=1)
    with Server(stub) as server:
        complete(VLLM(server.url, WORDS), request(temperature=1.0))
    assert len(stub.bodies) == 2 and stub.bodies[0] == stub.bodies[1]


@pytest.mark.parametrize(
    ("oddities", "told"),
    [
        ({"choice": {"token_ids": None}}, "no token ids"),
        ({"choice": {"prompt_token_ids": [1, 2]}}, "changed the ids of the prompt"),
        ({"choice": {"token_ids": [9], "stop_reason": "</ANSWER>"}}, "do not spell"),
        ({"processed": False}, "--logprobs-mode processed_logprobs"),
    ],
)
def test_a_server_that_is_not_what_it_should_be_is_told(oddities, told):
    with Server(VLLMStub("word", **oddities)) as server, pytest.raises(InputError, match=told):
        complete(VLLM(server.url, WORDS), request())


@pytest.mark.parametrize("kind", [VLLM, TextServer])
def test_the_key_is_in_no_error_even_where_the_server_quotes_it(kind):
    refusal = Answer({"error": {"message": f"Incorrect API key provided: {KEY}"}}, 401)
    with Server(lambda call: refusal) as server, pytest.raises(InputError, match=r"401: .*provided: \[key\]") as error:
        complete(kind(server.url, WORDS, model="served", key=KEY), request())
    assert KEY not in str(error.value)


def test_a_model_that_is_not_served_is_told():
    with Server(VLLMStub("word")) as server, pytest.raises(InputError, match="serves served, and not mine"):
        complete(VLLM(server.url, WORDS, model="mine"), request())


def test_a_server_that_is_not_there_is_told():
    with Server(VLLMStub("word")) as server:
        engine = VLLM(server.url, WORDS)
    with pytest.raises(InputError, match="cannot be reached"):
        complete(engine, request(temperature=1.0))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer({"success": False}), "was not reset"),
        (Answer({"detail": "Not Found"}, 404), "VLLM_SERVER_DEV_MODE=1"),
        (Answer({"success": True}), None),
        (Answer(b""), None),
    ],
)
def test_a_prefix_cache_that_was_not_reset_is_told(answer, told):
    async def reset(engine):
        async with engine:
            await engine.reset_prefix_cache()

    with Server(VLLMStub("word", reset=answer)) as server:
        engine = VLLM(server.url, WORDS)
        if told is None:
            asyncio.run(reset(engine))
        else:
            with pytest.raises(InputError, match=told):
                asyncio.run(reset(engine))


@pytest.mark.parametrize("style", TOKENIZERS)
def test_by_text_the_words_are_the_same_and_the_loss_is_said_once(style, capfd):
    reference = episode(scripted(style), style)
    with Server(VLLMStub(style)) as server:
        engine = TextServer(server.url, TOKENIZERS[style], model="served")
        spoken = [episode(engine, style) for _ in range(2)]
    for each in spoken:
        assert [trace.own_text for trace in each.traces[:2]] == [trace.own_text for trace in reference.traces[:2]]
        assert each.answer == reference.answer
        assert not any(any(trace.logprobs) for trace in each.traces)
    assert capfd.readouterr().err.count("nothing can be trained") == 1


def test_by_text_a_stream_that_breaks_off_is_asked_for_again():
    stub = VLLMStub("word", cut_at=1)
    with Server(stub) as server:
        [completion] = complete(TextServer(server.url, WORDS, model="served"), request(("<RETURN>",)))
    assert len(stub.bodies) == 2
    assert Vocabulary(WORDS).decode(completion.ids) == SCRIPTS["word"]["organizer"]
    assert completion.stop == "eos"
