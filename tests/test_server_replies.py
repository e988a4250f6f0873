"""What servers of the field reply to the engines: contexts that are full, odd JSON, reasoning, silence."""

import asyncio
import gc
import gzip
import json
import sys
import warnings
import zlib
from dataclasses import replace
from types import SimpleNamespace

import pytest
import recorded_experiment as experiment
from misbehaving_server import KEY, Answer, Server
from test_engine_choice import model, think  # noqa: F401 (a fixture)
from test_vllm_engine import episode, scripted
from tokenizers import processors
from vllm_stub import ITEM, SETTINGS, SSE, TOKENIZERS, WORDS, LLMStub, VLLMStub, byte_tokenizer, sse

from asyncthink import engines
from asyncthink.engines import FULL, Request
from asyncthink.engines import server as connection
from asyncthink.engines.context_window import ContextWindow, TooLong
from asyncthink.engines.reasoning import answer_of
from asyncthink.engines.text_server import TextServer
from asyncthink.engines.vllm import VLLM
from asyncthink.engines.vllm_here import VLLMHere
from asyncthink.episode import read_lines
from asyncthink.errors import InputError
from asyncthink.evaluation import episode_chunks, evaluate
from asyncthink.evaluation.measure import measured
from asyncthink.thinking import THINKING

KINDS = [VLLM, TextServer]
REFUSALS = {  # how servers say that a prompt of p tokens and m more do not fit into a context of c
    "vllm": "This model's maximum context length is {c} tokens. However, you requested {t} tokens ({p} in the "
    "messages, {m} in the completion). Please reduce the length of the messages or completion.",
    "vllm, later": "'max_tokens' or 'max_completion_tokens' is too large: {m}. This model's maximum context length is "
    "{c} tokens and your request has {p} input tokens ({m} > {c} - {p}).",
    "vllm, prompt": "The decoder prompt (length {p}) is longer than the maximum model length of {c}.",
    "sglang": "Requested token count exceeds the model's maximum context length of {c} tokens. You requested a total "
    "of {t} tokens: {p} tokens from the input messages and {m} tokens for the completion.",
    "llama.cpp": "the request exceeds the available context size, try increasing it",
    "llama.cpp, later": "request ({p} tokens) exceeds the available context size ({c} tokens), try increasing it",
    "tgi": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= {c}. Given: {p} `inputs` tokens and "
    "{m} `max_new_tokens`",
    "lm studio": "Trying to keep the first {p} tokens when context the overflows. However, the model is loaded with "
    "context length of only {c} tokens, which is not enough.",
}


class Narrow(VLLMStub):
    """A server whose context holds `context` tokens, and that refuses what is longer in the words of `refusal`."""

    def __init__(self, style, context, refusal, listed=False, **oddities):
        super().__init__(style, **oddities)
        self.context, self.refusal, self.listed = context, refusal, listed

    def __call__(self, call):
        if call.path == "/v1/models" and self.listed:
            return Answer({"object": "list", "data": [{"id": "served", "max_model_len": self.context}]})
        if call.path == "/v1/completions":
            prompt, most = call.body["prompt"], call.body["max_tokens"]
            length = len(self.vocabulary.encode(prompt) if isinstance(prompt, str) else prompt)
            if length + most > self.context:
                words = REFUSALS[self.refusal].format(c=self.context, p=length, m=most, t=length + most)
                return Answer({"error": {"message": words, "type": "BadRequestError", "code": 400}}, 400)
        return super().__call__(call)


def many(engine, style, budgets):
    """Episodes side by side, each with a budget of its own for the organizer and for workers."""
    settings = [SETTINGS[style].__class__(**vars(SETTINGS[style]) | budget) for budget in budgets]
    thoughts = [
        THINKING["asynchronous"](engine, "countdown", ITEM, each, {"index": n}, (7, "test", n))
        for n, each in enumerate(settings)
    ]
    return engines.run(engine, thoughts)


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "refused"])
@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_context_that_is_too_long_ends_its_own_trace_alone(kind, refusal, listed, capfd):
    """The second worker never stops by itself: its context ends it, as its budget does elsewhere."""
    style = "word"
    reference = episode(scripted(style), style)
    context = len(reference.traces[2].prompt_ids) + 44  # two tokens less than that worker's budget
    settings = {"organizer_budget": 40}
    with Server(Narrow(style, context, refusal, listed)) as server:
        told = many(kind(server.url, TOKENIZERS[style]), style, [settings] * 3)
    assert [[trace.stop for trace in each.traces[1:]] for each in told] == [["return", "budget"]] * 3
    length = 44 if listed or refusal != "llama.cpp" else 23  # told no number, half as much is tried
    assert [each.traces[2].decoded for each in told] == [length] * 3
    assert "was full in 3 traces" in capfd.readouterr().err


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "refused"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_episode_beyond_the_context_is_recorded_beside_those_that_finish(kind, listed, tmp_path):
    """A wide server gives the same episodes, but for the end of the one trace."""
    style, recording = "word", tmp_path / "episodes.jsonl.gz"
    context = len(episode(scripted(style), style).traces[2].prompt_ids) + 44
    budgets = [{"organizer_budget": 40, "worker_budget": budget} for budget in (20, 46, 20)]
    with Server(VLLMStub(style)) as wide:
        whole = many(kind(wide.url, TOKENIZERS[style]), style, budgets)
    with Server(Narrow(style, context, "vllm", listed)) as server:
        told = many(kind(server.url, TOKENIZERS[style]), style, budgets)
    episode_chunks.append(recording, told)
    assert sum(map(len, measured(recording).values())) == 3
    recorded = [each for _, each in read_lines(recording)]
    assert [each.key["index"] for each in recorded] == [0, 1, 2] and {each.answer for each in recorded} == {"8 * 3"}
    assert [told[0], told[2]] == [whole[0], whole[2]] and told[1].traces[:2] == whole[1].traces[:2]
    assert (whole[1].traces[2].decoded, told[1].traces[2].decoded, told[1].traces[2].stop) == (46, 44, "budget")


class Mortal(Server):
    """A server that hangs up on everybody once `answers` organizers have their last words, and `begun` their episodes.

    `begun` is not looked at while no one has been refused.
    """

    def __init__(self, stub, answers, begun):
        super().__init__(self._told)
        self.stub, self.left, self.answers, self.begun = stub, answers, answers, begun

    def _told(self, call):
        if call.path == "/v1/completions":
            prompt = call.body["prompt"]
            text = prompt if isinstance(prompt, str) else self.stub.vocabulary.decode(prompt)
            if not self.left:
                return Answer({}, ending="reset")
            self.left -= text.count("</JOIN-") == 2
        return self.stub(call)

    async def _send(self, answer, reader, writer):
        while answer.ending == "reset" and lines(self.begun) < self.answers:
            await asyncio.sleep(0.01)
        return await super()._send(answer, reader, writer)


def lines(path):
    """Of a gzipped file that may be being written."""
    try:
        return gzip.decompress(path.read_bytes()).count(b"\n")
    except (OSError, EOFError, zlib.error):
        return 0


def of_six_items(engine):
    """What is recorded where six items are answered once each."""
    about = experiment.subject(experiment.settings(items=6), "asyncthink", 1)
    return replace(about, items=[ITEM] * 6, evaluations={"headline": SETTINGS["word"]}, engine=engine.identity())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cut", [0, 5], ids=["a server died", "and we too, while an episode was written"])
@pytest.mark.parametrize("kind", KINDS)
def test_after_a_servers_death_only_the_episodes_that_had_not_finished_are_asked_for(kind, cut, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "ATTEMPTS", 0)
    monkeypatch.setattr("asyncthink.engines.text_server.ATTEMPTS", 1)
    stubs, paths = [], [tmp_path / name / "episodes.jsonl.gz" for name in ("whole", "cut")]
    begun = paths[1].with_name(f"begun-{paths[1].name}")

    def recorded(path, answers):
        stubs.append(VLLMStub("word"))
        with Mortal(stubs[-1], answers, begun) as server:
            engine = kind(server.url, WORDS)
            evaluate.record(of_six_items(engine), engine, path)

    recorded(paths[0], 6)
    with pytest.raises(InputError, match=r"127\.0\.0\.1"):
        recorded(paths[1], 3)
    begun.write_bytes(begun.read_bytes()[: begun.stat().st_size - cut])
    recorded(paths[1], 6)
    assert paths[1].read_bytes() == paths[0].read_bytes() and not begun.exists()
    # one token is asked for to see what the server's log-probabilities are of
    every, before, after = ([body["seed"] for body in stub.bodies if body["max_tokens"] > 1] for stub in stubs)
    assert len(set(every)) == len(every) and set(after) < set(every)
    assert len(after) == len(every) * (3 if cut == 0 else 4) // 6 and set(every) - set(after) <= set(before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_that_leaves_no_room_is_a_budget_spent_and_the_others_go_on(kind):
    style = "word"
    prompt = len(episode(scripted(style), style).traces[0].prompt_ids)
    with Server(Narrow(style, prompt, "vllm", listed=True)) as server:
        [told] = many(kind(server.url, TOKENIZERS[style]), style, [{}])
    assert (told.answer, told.schedule["format_error"], told.traces[0].stop) == (None, "no_answer", "budget")
    assert told.traces[0].ids == []
    with Server(Narrow(style, 400, "vllm", listed=True)) as server:
        [told] = many(kind(server.url, TOKENIZERS[style]), style, [{}])
    assert told.answer == "8 * 3"


def test_vllm_in_this_process_is_asked_for_no_more_than_its_context_holds(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=SimpleNamespace, __version__="0.31.0"))
    style = "word"
    reference = episode(scripted(style), style)
    context = len(reference.traces[2].prompt_ids) + 44
    [told] = many(VLLMHere(LLMStub(style, context=context), WORDS), style, [{"organizer_budget": 40}])
    assert [trace.stop for trace in told.traces[1:]] == ["return", "budget"]
    assert told.traces[2].decoded == 44
    assert "its context" in capfd.readouterr().err


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_of_length_always_leads_to_less_or_to_an_end(refusal):
    """Also where the server's own numbers do not add up, the requests get shorter and come to an end."""
    asked = []

    async def refuse(request):
        asked.append(request.max_tokens)
        raise TooLong(REFUSALS[refusal].format(c=9000, p=1, m=1, t=2))

    request = Request(("a",), (1, 2, 3), (), 64, 0, 1.0)
    completion = asyncio.run(ContextWindow().completed(request, refuse))
    assert (completion.ids, completion.stop) == ((), FULL)
    assert asked == [64, 32, 16, 8, 4, 2, 1]


def request(temperature=1.0, stops=("</ANSWER>",), max_tokens=60) -> Request:
    prompt = tuple(WORDS.encode("<organizer> 11 9 8 5 3 =24", add_special_tokens=False))
    return Request(("a",), prompt, stops, max_tokens, 5, temperature)


def complete(engine, asked=None):
    async def once():
        async with engine:
            return await engine.complete(asked or request())

    return asyncio.run(once())


ODD_LISTS = {
    "another key": {"models": [{"name": "served", "model": "served"}]},
    "a bare list": [{"id": "served"}],
    "names alone": {"object": "list", "data": ["served"]},
    "both": {"data": None, "models": [{"name": "served"}]},
}


@pytest.mark.parametrize("form", ODD_LISTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_models_is_read_in_each_form_of_it(kind, form):
    stub = VLLMStub("word")
    with Server(lambda call: Answer(ODD_LISTS[form]) if call.path == "/v1/models" else stub(call)) as server:
        complete(kind(server.url, WORDS))
    assert {body["model"] for body in stub.bodies} == {"served"}


NO_LISTS = {
    "empty": Answer({"object": "list", "data": []}),
    "null": Answer({"object": "list", "data": None}),
    "nameless": Answer({"data": [{"object": "model"}, 3]}),
    "text": Answer("pong"),
    "page": Answer(b"<html>Welcome</html>", headers={"Content-Type": "text/html"}),
    "broken": Answer({"error": {"message": "no list today"}}, 500),
    "not found": Answer(b"404 page not found", 404),
}


@pytest.mark.parametrize("form", NO_LISTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_lists_no_model_must_be_told_the_name_and_then_works(kind, form):
    stub = VLLMStub("word")
    with Server(lambda call: NO_LISTS[form] if call.path == "/v1/models" else stub(call)) as server:
        with pytest.raises(InputError, match=r"127\.0\.0\.1.*/models: .*give its name for the model"):
            complete(kind(server.url, WORDS))
        assert complete(kind(server.url, WORDS, model="mine")).stop == "</ANSWER>"


@pytest.mark.parametrize("engine", ["vllm", "text"])
def test_a_server_that_cannot_begin_ends_in_one_line_and_no_warning(engine, model, capsys):  # noqa: F811
    with Server(lambda call: NO_LISTS["broken"]) as server, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert think(model, server, "--engine", engine) == 2
        gc.collect()
    assert not [each for each in warned if "never awaited" in str(each.message)]
    err = capsys.readouterr().err
    assert "500: no list today; give its name" in err.splitlines()[-1] and "Traceback" not in err


GOOD = {"index": 0, "text": "x", "finish_reason": "length", "stop_reason": None, "token_ids": [5, 6]}
LOGPROBS = {"token_logprobs": [-0.5, -0.25]}
ODD_COMPLETIONS = {
    "no choices": ({"choices": []}, "answered with no choices"),
    "choices missing": ({"id": "x"}, "answered without choices"),
    "choices null": ({"choices": None}, "answered with null where choices is a list"),
    "choice a text": ({"choices": ["hello"]}, "answered with text where choices.0 is an object"),
    "error in a 200": ({"error": {"message": "out of memory"}}, "answered with an error: out of memory"),
    "error as text": ({"error": "Model unloaded."}, "answered with an error: Model unloaded."),
    "error by type": ({"object": "error", "message": "no such thing"}, "answered with an error: no such thing"),
    "error in the choice": ({"choices": [{"error": {"message": "upstream"}}]}, "answered with an error: upstream"),
    "a list": ([1], "answered with a list where the reply is an object"),
    "a text": ("ok", "answered with text where the reply is an object"),
}
ODD_TOKENS = {
    "logprobs null": ({"logprobs": None}, "no log-probability of 2 of 2 tokens"),
    "logprobs missing": ({}, "no log-probability of 2 of 2 tokens"),
    "a null log-probability": ({"logprobs": {"token_logprobs": [-0.5, None]}}, "no log-probability of 1 of 2 tokens"),
    "too few": ({"logprobs": {"token_logprobs": [-0.5]}}, "no log-probability of 1 of 2 tokens"),
    "infinite": ({"logprobs": {"token_logprobs": [-0.5, float("-inf")]}}, "no log-probability of 1 of 2 tokens"),
    "as text": ({"logprobs": {"token_logprobs": ["-0.5", -1]}}, "no log-probability of 1 of 2 tokens"),
    "in chat's form": ({"logprobs": {"content": [{"logprob": -0.5}]}}, "no log-probability of 2 of 2 tokens"),
    "ids as text": ({"token_ids": "5 6", "logprobs": LOGPROBS}, "no token ids"),
    "an id as text": ({"token_ids": ["5", 6], "logprobs": LOGPROBS}, "no token ids"),
    "aborted": ({"finish_reason": "abort", "logprobs": LOGPROBS}, "ended after 2 of 60 tokens with the reason 'abort'"),
    "no reason": ({"finish_reason": None, "logprobs": LOGPROBS}, "ended after 2 of 60 tokens with the reason None"),
}
ODD = ODD_COMPLETIONS | {name: ({"choices": [GOOD | part]}, told) for name, (part, told) in ODD_TOKENS.items()}


def saying(reply):
    """A server with this one completion to give."""
    models = Answer({"data": [{"id": "served"}]})
    data = json.dumps(reply).encode()  # with -Infinity, as servers in Python write it
    return Server(lambda call: models if call.path == "/v1/models" else Answer(data))


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_completion_is_one_line_that_names_the_server_and_what_was_wrong(odd):
    reply, told = ODD[odd]
    with saying(reply) as server, pytest.raises(InputError) as error:
        complete(VLLM(server.url, WORDS))
    assert "127.0.0.1" in str(error.value) and told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("odd", ODD_COMPLETIONS)
@pytest.mark.parametrize("streamed", [True, False])
def test_by_text_too(odd, streamed):
    reply, told = ODD_COMPLETIONS[odd]
    stub = VLLMStub("word")
    data = b"data: " + json.dumps(reply).encode() + b"\n\ndata: [DONE]\n\n"
    odd_answer = Answer(data, headers=SSE) if streamed else Answer(reply)
    answer = lambda call: odd_answer if call.path == "/v1/completions" else stub(call)  # noqa: E731
    with Server(answer) as server, pytest.raises(InputError) as error:
        complete(TextServer(server.url, WORDS))
    said = str(error.value)
    assert "127.0.0.1" in said and "\n" not in said
    assert told in said or (streamed and "no whole answer in 5 attempts" in said)


STREAMS = {
    "an error inside": (b'data: {"error": {"message": "CUDA out of memory"}}\n\n', "CUDA out of memory"),
    "an error as text": (b'data: {"error": "slot unavailable"}\n\n', "no whole answer"),
    "half an event": (b'data: {"choices": [{"te\n\n', "no whole answer"),
    "no reason at the end": (sse([{"text": "8 "}]), "the stream ended without a finish_reason"),
    "an accident": (sse([{"text": "8 ", "finish_reason": "error"}]), "the stream ended with the reason error"),
    "nothing": (b"data: [DONE]\n\n", "the stream ended without a finish_reason"),
    "a choice a text": (sse(["8"]), "text where choices.0 is an object"),
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_is_none_is_one_line(kind, stream):
    data, told = STREAMS[stream]
    stub = VLLMStub("word")
    answer = Answer(data, headers=SSE)
    with Server(lambda call: answer if call.path == "/v1/completions" else stub(call)) as server:
        engine = kind(server.url, WORDS)
        engine.watch = lambda trace, token: None
        with pytest.raises(InputError) as error:
            complete(engine)
    assert "127.0.0.1" in str(error.value) and "\n" not in str(error.value)
    assert kind is VLLM or told in str(error.value)


def test_a_server_that_ignores_streaming_is_read_all_the_same():
    whole = {"choices": [{"text": " 8 * 3 </ANSWER> and more", "finish_reason": "length"}]}
    with saying(whole) as server:
        completion = complete(TextServer(server.url, WORDS))
    assert WORDS.decode(completion.ids).strip() == "8 * 3 </ANSWER>" and completion.stop == "</ANSWER>"


def test_a_letter_that_comes_in_halves_is_joined_and_half_a_letter_is_replaced():
    pieces = [{"text": text, "finish_reason": None} for text in ("a \ud83d", "\ude00 b", "\ud83d c")]
    streamed, stub = Answer(sse([*pieces, {"text": "", "finish_reason": "stop"}]), headers=SSE), VLLMStub("chat")
    with Server(lambda call: streamed if call.path == "/v1/completions" else stub(call)) as server:
        engine = TextServer(server.url, byte_tokenizer())
        engine.watch = lambda trace, token: None
        completion = complete(engine, Request(("a",), tuple(engine.encode("Say.")), ("</ANSWER>",), 900, 5, 1.0))
    assert engine.decode(completion.ids) == "a 😀 b\ufffd c"


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_does_not_answer_in_time_ends_the_run_and_grades_nothing(kind, monkeypatch):
    monkeypatch.setattr(connection, "TIME_LIMIT", 0.2)
    monkeypatch.setattr(connection, "ATTEMPTS", 0)
    monkeypatch.setattr("asyncthink.engines.text_server.ATTEMPTS", 1)
    stub = VLLMStub("word")
    slow = lambda call: Answer({}, ending="hang") if call.path == "/v1/completions" else stub(call)  # noqa: E731
    with Server(slow) as server, pytest.raises(InputError, match=r"127\.0\.0\.1.*(no answer|no whole answer)"):
        episode(kind(server.url, WORDS), "word")


THOUGHTS = {
    "a draft": ("<think>maybe <ANSWER>1</ANSWER></think>so <ANSWER>2</ANSWER>", "so <ANSWER>2</ANSWER>"),
    "opened by the template": ("maybe <ANSWER>1 or</think>\n<ANSWER>2</ANSWER>", "\n<ANSWER>2</ANSWER>"),
    "twice": ("<think>a</think>b<think>c</think>d<ANSWER>2</ANSWER>", "d<ANSWER>2</ANSWER>"),
    "never closed": ("<think>all of it <ANSWER>1</ANSWER>", ""),
    "none": ("so <ANSWER>2</ANSWER>", "so <ANSWER>2</ANSWER>"),
    "a mark in the question": ("so <ANSWER>2</ANSWER>", "so <ANSWER>2</ANSWER>"),
    "another mark": ("[THINK]maybe <ANSWER>1</ANSWER>[/THINK]<ANSWER>2</ANSWER>", "<ANSWER>2</ANSWER>"),
    "long": ("<thinking>" + "well, " * 400 + "<ANSWER>1</ANSWER></thinking><ANSWER>2</ANSWER>", "<ANSWER>2</ANSWER>"),
    "harmony": (
        "<|channel|>analysis<|message|>try <ANSWER>1</ANSWER><|end|><|start|>assistant<|channel|>final<|message|>"
        "<ANSWER>2</ANSWER>",
        "<ANSWER>2</ANSWER>",
    ),
}


@pytest.mark.parametrize("size", [1, 3, 7, 5000])
@pytest.mark.parametrize("thought", THOUGHTS)
def test_what_stands_before_the_last_end_of_thinking_is_not_the_answer(thought, size):
    text, answer = THOUGHTS[thought]
    assert answer_of(text) == answer
    pieces = [{"text": text[at : at + size], "finish_reason": None} for at in range(0, len(text), size)]
    stub, heard = VLLMStub("chat"), []
    streamed = Answer(sse([*pieces, {"text": "", "finish_reason": "stop"}]), headers=SSE)
    with Server(lambda call: streamed if call.path == "/v1/completions" else stub(call)) as server:
        engine = TextServer(server.url, TOKENIZERS["chat"])
        engine.watch = lambda trace, token: heard.append(token)
        prompt = {"opened by the template": "Say.<think>\n", "a mark in the question": "What is <think> for?"}
        prompt = prompt.get(thought, "Say.")
        asked = Request(("a",), tuple(engine.encode(prompt)), ("</ANSWER>",), 900, 5, 1.0)
        completion = complete(engine, asked)
    assert engine.decode(completion.ids) == answer
    assert completion.stop == ("</ANSWER>" if answer else "eos")
    assert engine.decode(heard).endswith(answer) and "<ANSWER>1" not in engine.decode(heard)


@pytest.mark.parametrize("size", [1, 5000])
def test_an_answer_that_came_before_further_reasoning_counts(size):
    text = "<think>hm</think><ANSWER>2</ANSWER><think>or was it <ANSWER>3"
    pieces = [{"text": text[at : at + size], "finish_reason": None} for at in range(0, len(text), size)]
    streamed, stub = Answer(sse([*pieces, {"text": "", "finish_reason": "length"}]), headers=SSE), VLLMStub("chat")
    with Server(lambda call: streamed if call.path == "/v1/completions" else stub(call)) as server:
        engine = TextServer(server.url, TOKENIZERS["chat"])
        completion = complete(engine, Request(("a",), tuple(engine.encode("Say.")), ("</ANSWER>",), 900, 5, 1.0))
    assert (engine.decode(completion.ids), completion.stop) == ("<ANSWER>2</ANSWER>", "</ANSWER>")


def test_what_a_server_puts_before_every_text_is_not_sent_with_it():
    tokenizer, sent = byte_tokenizer(), []
    lead = "<|endoftext|>"
    own = processors.TemplateProcessing(single=f"{lead} $A", special_tokens=[(lead, tokenizer.encode(lead)[0])])
    tokenizer.backend_tokenizer.post_processor = own
    streamed, stub = Answer(sse([{"text": "4", "finish_reason": "stop"}]), headers=SSE), VLLMStub("chat")

    def answer(call):
        if call.path != "/v1/completions":
            return stub(call)
        sent.append(call.body["prompt"])
        return streamed

    with Server(answer) as server:
        engine = TextServer(server.url, tokenizer)
        for prompt in (f"{lead}Say.", "Say."):
            complete(engine, Request(("a",), tuple(engine.encode(prompt)), ("</ANSWER>",), 9, 5, 1.0))
    assert sent == ["Say.", "Say."]


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_is_in_no_error_that_a_good_status_hides(kind):
    with saying({"error": {"message": f"bad key {KEY}"}}) as server, pytest.raises(InputError) as error:
        complete(kind(server.url, WORDS, key=KEY))
    assert "bad key [key]" in str(error.value)
