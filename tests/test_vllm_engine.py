"""The vLLM engine and the text engine against a server on this machine that answers in vLLM's words."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from misbehaving_server import Answer, Server
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from asyncthink import engines, params
from asyncthink.engines import Request
from asyncthink.engines.scripted import Scripted
from asyncthink.engines.text_server import TextServer
from asyncthink.engines.vllm import VLLM
from asyncthink.engines.vocabulary import Vocabulary
from asyncthink.errors import InputError
from asyncthink.tasks import TASKS
from asyncthink.thinking import THINKING
from asyncthink.thinking.prompts import PROMPTS
from asyncthink.training import word_tokenizer

PARAMS = params.read(Path(__file__).parent.parent / "params.yaml")
WORDS = word_tokenizer.build(PARAMS.puzzles)
ITEM = {"id": "x", "numbers": [3, 5, 8, 9, 11], "target": 24, "required": 3, "uses": 2, "operations": "+-*"}
SCRIPTS = {
    "word": {
        "organizer": " 3 + 5 8 . <FORK-1> 3 8 9 =24 </FORK-1> <FORK-2> 9 11 3 =24 </FORK-2> 5 + 8 13 . <JOIN-2>"
        " <JOIN-1> <ANSWER> 8 * 3 </ANSWER>",
        "3 8 9 =24": " 8 * 3 24 ! <RETURN> 8 * 3 </RETURN>",
        "9 11 3 =24": " 11 + 9 20 ." * 40,
    },
    "chat": {
        "organizer": "Split it.<FORK-1>pairs with 8</FORK-1> Meanwhile <FORK-2>pairs with 9</FORK-2>3+5=8.<JOIN-2>"
        "so <JOIN-1>\n<ANSWER>8 * 3</ANSWER>",
        "pairs with 8": "8*3=24 <RETURN>8 * 3</RETURN>",
        "pairs with 9": "9+11=20 " * 100,
    },
}


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE in which tags are several tokens, and a token may hold the end of one and more."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = [*SCRIPTS["chat"].values(), "> <", ">so", ">\n<", "FORK", "JOIN", "ANSWER", "RETURN"] * 20
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")


TOKENIZERS = {"word": WORDS, "chat": byte_tokenizer()}
SETTINGS = {
    style: replace(
        PARAMS.thinking, prompts=style, capacity=3, organizer_budget=400, worker_budget=46, latency_budget=None
    )
    for style in TOKENIZERS
}


def prompts(style: str) -> dict[str, str]:
    """The prompt of each script's trace, as its ids decode."""
    vocabulary, words = Vocabulary(TOKENIZERS[style]), PROMPTS[style]
    question = TASKS["countdown"].prompt(ITEM, style)
    texts = {query: words.worker(query) for query in SCRIPTS[style]}
    texts["organizer"] = words.organizer(question, SETTINGS[style].capacity)
    return {name: vocabulary.decode(vocabulary.encode(text)) for name, text in texts.items()}


def say(style: str, context: str) -> str:
    """What comes next in a context: the part of its script that is not there yet, injected text apart."""
    name, prompt = next(pair for pair in prompts(style).items() if context.startswith(pair[1]))
    own = re.sub(r"(<JOIN-(\d)>).*?</JOIN-\2>", r"\1", context[len(prompt) :], flags=re.DOTALL)
    return SCRIPTS[style][name][len(own) :]


class VLLMStub:
    """`/v1/completions` as vLLM answers it: text is cut at a stop only if asked to, ids never are."""

    def __init__(self, style: str, ahead: int = 0, **oddities):
        self.style, self.ahead, self.oddities = style, ahead, oddities
        self.vocabulary = Vocabulary(TOKENIZERS[style])
        self.bodies = []

    def __call__(self, call):
        if call.path == "/v1/models":
            return Answer({"object": "list", "data": [{"id": "served", "object": "model"}]})
        if call.path == "/reset_prefix_cache":
            return self.oddities.get("reset", Answer(b""))
        if len(call.body.get("stop") or []) > self.oddities.get("most_stops", 64):
            return Answer({"error": {"message": "1 validation error: stop: List should have at most 4 items"}}, 400)
        self.bodies.append(call.body)
        if len(self.bodies) == self.oddities.get("fail_at"):
            return Answer({"error": {"message": "worn out"}}, 500)
        return self.streamed(call.body) if call.body.get("stream") else Answer(self.complete(call.body))

    def decoded(self, body):
        """(ids, finish_reason, stop_reason) of a request by ids."""
        prompt = body["prompt"]
        text = prompt if isinstance(prompt, str) else self.vocabulary.decode(prompt)
        rest = [*self.vocabulary.encode(say(self.style, text)), self.vocabulary.eos]
        ids = []
        for place, token in enumerate(rest):
            ids.append(token)
            seen = self.vocabulary.decode(ids)
            hit = next((stop for stop in body.get("stop") or [] if stop in seen), None)
            if hit or token in body.get("stop_token_ids", []):
                return ids + rest[place + 1 : place + 1 + self.ahead], "stop", hit or token
            if token == self.vocabulary.eos:
                return ids, "stop", None
            if len(ids) == body["max_tokens"]:
                return ids, "length", None
        raise AssertionError("a script ends with the end of sequence")

    def complete(self, body):
        ids, finish, reason = self.decoded(body)
        tempered = (self.oddities.get("processed", True) and body["temperature"]) or 1.0
        choice = {
            "index": 0,
            "text": "the engine must not look here",
            "finish_reason": finish,
            "stop_reason": reason,
            "token_ids": ids if body.get("return_token_ids") else None,
            "prompt_token_ids": body["prompt"],
            "logprobs": {
                "token_logprobs": [-0.125 * (n % 7) - 0.25 for n in range(len(ids))],
                "top_logprobs": [{"a": -0.5 / tempered, "b": -1.5 / tempered}] * len(ids),
            },
        }
        choice |= self.oddities.get("choice", {})
        return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "served", "choices": [choice]}

    def streamed(self, body):
        ids, finish, _ = self.decoded({**body, "stop": None, "stop_token_ids": []})
        text = self.vocabulary.decode([i for i in ids if i != self.vocabulary.eos])
        pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
        if len(self.bodies) == self.oddities.get("cut_at"):
            return Answer(sse([(piece, None) for piece in pieces]), headers=SSE, ending="cut")
        return Answer(sse([*((piece, None) for piece in pieces), ("", finish)]), headers=SSE)


SSE = {"Content-Type": "text/event-stream"}


def sse(events) -> bytes:
    lines = [
        {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
        for text, finish in events
        for choice in [{"index": 0, "text": text, "finish_reason": finish, "logprobs": None}]
    ]
    return b"".join(b"data: " + json.dumps(line).encode() + b"\n\n" for line in lines) + b"data: [DONE]\n\n"


def episode(engine, style):
    """One episode of asynchronous thinking."""
    thought = THINKING["asynchronous"](engine, "countdown", ITEM, SETTINGS[style], {"index": 0}, (7, "test", 0))
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
def test_workers_run_while_the_organizer_decodes(style):
    with Server(VLLMStub(style), pause=0.05) as server:
        episode(VLLM(server.url, TOKENIZERS[style]), style)
        assert server.most_at_once >= 2


def request(stops=("</FORK-1>", "<JOIN-1>", "</ANSWER>"), temperature=0.7, max_tokens=99, seed=2**64 - 1) -> Request:
    ids = Vocabulary(WORDS).encode("<organizer> 3 5 8 9 11 =24")
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


def test_a_server_that_takes_too_few_stops_is_told_how_to_take_more():
    with (
        Server(VLLMStub("chat", most_stops=4)) as server,
        pytest.raises(InputError, match="VLLM_MAX_STOP_STRINGS=33"),
    ):
        episode(VLLM(server.url, TOKENIZERS["chat"]), "chat")


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
        engine = TextServer(server.url, TOKENIZERS[style], "served")
        spoken = [episode(engine, style) for _ in range(2)]
    for each in spoken:
        assert [trace.own_text for trace in each.traces[:2]] == [trace.own_text for trace in reference.traces[:2]]
        assert each.answer == reference.answer
        assert not any(any(trace.logprobs) for trace in each.traces)
    assert capfd.readouterr().err.count("nothing can be trained") == 1


def test_by_text_a_stream_that_breaks_off_is_asked_for_again():
    stub = VLLMStub("word", cut_at=1)
    with Server(stub) as server:
        [completion] = complete(TextServer(server.url, WORDS, "served"), request(("<RETURN>",)))
    assert len(stub.bodies) == 2
    assert Vocabulary(WORDS).decode(completion.ids) == SCRIPTS["word"]["organizer"]
    assert completion.stop == "eos"
