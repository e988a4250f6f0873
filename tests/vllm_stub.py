"""A server on this machine that answers in vLLM's words what scripts say, and the scripts of one episode."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from chat_templates import QWEN
from misbehaving_server import Answer
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from asyncthink.config import params
from asyncthink.engines.vocabulary import Vocabulary
from asyncthink.models import word_tokenizer
from asyncthink.models.prompts import PROMPTS
from asyncthink.tasks import TASKS

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
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", chat_template=QWEN)


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
    tokenizer, told = vocabulary.tokenizer, words.organizer(SETTINGS[style].capacity)
    texts = {query: words.written(tokenizer, words.worker, query, False) for query in SCRIPTS[style]}
    texts["organizer"] = words.written(tokenizer, told, question, False)
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
            model = {"id": "served", "object": "model", "root": self.oddities.get("root")}
            return Answer({"object": "list", "data": [model]})
        if call.path == "/version":
            return Answer({"version": "0.31.0"})
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
        if body.get("return_token_ids"):
            return Answer(sse(self.by_token(body)), headers=SSE)
        ids, finish, _ = self.decoded({**body, "stop": None, "stop_token_ids": []})
        text = self.vocabulary.decode([i for i in ids if i != self.vocabulary.eos])
        pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
        if len(self.bodies) == self.oddities.get("cut_at"):
            return Answer(sse(map(_text_choice, pieces)), headers=SSE, ending="cut")
        return Answer(sse([*map(_text_choice, pieces), _text_choice("", finish)]), headers=SSE)

    def by_token(self, body):
        """The choices of a stream: two tokens each, the last one with the reason."""
        [whole] = self.complete(body)["choices"]
        ids, logprobs = whole["token_ids"], whole["logprobs"]["token_logprobs"]
        for start in range(0, len(ids), 2):
            ended = {name: whole[name] if start + 2 >= len(ids) else None for name in ("finish_reason", "stop_reason")}
            told = {"token_logprobs": logprobs[start : start + 2]}
            yield {"index": 0, "text": "", "token_ids": ids[start : start + 2], "logprobs": told, **ended}


SSE = {"Content-Type": "text/event-stream"}


class LLMStub:
    """vllm.LLM, whose core decodes one token of every request at each step; `reset` is what a reset answers.

    A prompt that its `context` does not hold, it refuses as vLLM does.
    """

    def __init__(self, style: str, reset: bool = True, context: int = 4096):
        self.llm_engine, self.style, self.reset = self, style, reset
        self.model_config = SimpleNamespace(max_model_len=context)
        self.most_at_once = 0
        self.open = {}

    def add_request(self, name, prompt, params):
        body = {"prompt": prompt["prompt_token_ids"], "return_token_ids": True, **vars(params)}
        if len(body["prompt"]) + params.max_tokens > self.model_config.max_model_len:
            raise ValueError("The decoder prompt is longer than the maximum model length")
        [choice] = VLLMStub(self.style).complete(body)["choices"]
        self.open[name] = [choice, 0]

    def abort_request(self, names):
        for name in names:
            self.open.pop(name, None)

    def reset_prefix_cache(self):
        return self.reset

    def step(self):
        self.most_at_once = max(self.most_at_once, len(self.open))
        for name, progress in list(self.open.items()):
            progress[1] += 1
            yield self.output(name, *progress)

    def output(self, name, choice, done):
        ids = choice["token_ids"][:done]
        logprobs = choice["logprobs"]["token_logprobs"]
        told = [{token: SimpleNamespace(logprob=value)} for token, value in zip(ids, logprobs, strict=False)]
        finished = done == len(choice["token_ids"])
        reasons = {key: choice[key] if finished else None for key in ("finish_reason", "stop_reason")}
        if finished:
            del self.open[name]
        output = SimpleNamespace(token_ids=ids, logprobs=told, **reasons)
        return SimpleNamespace(request_id=name, outputs=[output], finished=finished)


def _text_choice(text, finish=None):
    return {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}


def sse(choices) -> bytes:
    lines = [
        {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [each]} for each in choices
    ]
    return b"".join(b"data: " + json.dumps(line).encode() + b"\n\n" for line in lines) + b"data: [DONE]\n\n"
