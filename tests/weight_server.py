"""What TRL sends the trainer's weights to, without a GPU: a server that takes them as vLLM's does, and vllm.LLM.

Both decode with a model of their own. HTTP is real: TRL's `VLLMClient` and our engine talk to the server. The one thing
that it cannot have is NCCL between two GPUs: the tensors that TRL broadcasts are put into its `mail` instead.
"""

import json
import os
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import torch
import trl.generation.vllm_client as client
import trl.generation.vllm_generation as generation
from misbehaving_server import Answer, Server
from vllm_stub import Vocabulary

from asyncthink.training import samplers


class Served:
    """A model that decodes. New weights count once the prefix cache was reset, as for a context that was seen before.

    `said` lists what was asked of it in order, without repetitions of decoding and of loading.
    """

    def __init__(self, model, tokenizer, resets=True, applies=True):
        self.model, self.vocabulary = model.eval(), Vocabulary(tokenizer, model.config.vocab_size)
        self.resets, self.applies = resets, applies
        self.pending, self.said = {}, []

    def note(self, name):
        if name not in ("completions", "load_weights") or self.said[-1:] != [name]:
            self.said.append(name)

    def reset(self):
        if self.resets and self.applies:
            self.model.load_state_dict(self.pending, strict=False)
        return self.resets

    @torch.no_grad()
    def choice(self, prompt, seed, max_tokens, temperature, stop_token_ids, **others):
        """One continuation in the words of vLLM's server; stops are single tokens here."""
        chance = torch.Generator().manual_seed(seed)
        ids, logprobs, reason = list(prompt), [], "length"
        for _ in range(max_tokens):
            logits = self.model(input_ids=torch.tensor([ids])).logits[0, -1] / temperature
            ids.append(int(torch.multinomial(logits.softmax(-1), 1, generator=chance)))
            logprobs.append(float(logits.log_softmax(-1)[ids[-1]]))
            if ids[-1] in (*stop_token_ids, self.vocabulary.eos):
                reason = "stop"
                break
        own = {"token_ids": ids[len(prompt) :], "logprobs": {"token_logprobs": logprobs}}
        return {**own, "finish_reason": reason, "stop_reason": None}


class WeightServer(Server):
    """`vllm serve`, as far as TRL's client and our engine use it; `develops`: it was started in development mode."""

    def __init__(self, served, develops=True):
        super().__init__(self.reply)
        self.served, self.develops, self.mail, self.announced = served, develops, {}, []

    def reply(self, call):
        name = call.path.split("?")[0].removeprefix("/v1").strip("/")
        self.served.note(name)
        if name == "server_info" and not self.develops:
            return Answer({"detail": "Not Found"}, 404)
        if name == "completions":
            return Answer({"choices": [self.served.choice(**call.body)]})
        return Answer(getattr(self, f"_{name}", dict)() if not call.data else self.told(name, json.loads(call.data)))

    def _models(self):
        return {"data": [{"id": "served", "root": None}]}

    def _server_info(self):
        return {"vllm_config": {"weight_transfer_config": {}, "model_config": {"logprobs_mode": "processed_logprobs"}}}

    def _get_world_size(self):
        return {"world_size": 1}

    def _reset_prefix_cache(self):
        return {"success": self.served.reset()}

    def told(self, name, body):
        if name == "update_weights":
            self.announced = body["update_info"]["names"]
        elif name == "finish_weight_update":
            assert list(self.mail) == self.announced
            self.served.pending, self.mail = self.mail, {}
        elif name == "reset_prefix_cache":
            return self._reset_prefix_cache()
        return {}


class LLM:
    """vllm.LLM and what TRL reaches through it; a request is decoded to its end in one step."""

    def __init__(self, served, **made):
        self.served, self.made, self.open = served, made, []
        self.llm_engine = self
        runner = SimpleNamespace(model_runner=SimpleNamespace(model=self))
        self.model_executor = SimpleNamespace(driver_worker=runner)

    def load_weights(self, weights):
        self.served.note("load_weights")
        self.served.pending |= {name: tensor.detach().clone() for name, tensor in weights}

    def reset_prefix_cache(self):
        self.served.note("reset_prefix_cache")
        return self.served.reset()

    def wake_up(self, tags):
        self.served.note(f"wake up {' '.join(tags)}")

    def sleep(self, level):
        self.served.note("sleep")

    def add_request(self, name, prompt, params):
        self.served.note("completions")
        self.open.append((name, self.served.choice(prompt["prompt_token_ids"], **vars(params))))

    def abort_request(self, names):
        self.open = [each for each in self.open if each[0] not in names]

    def step(self):
        ended, self.open = self.open, []
        return [SimpleNamespace(request_id=name, outputs=[_output(choice)], finished=True) for name, choice in ended]


def _output(choice):
    logprobs = zip(choice["token_ids"], choice["logprobs"]["token_logprobs"], strict=True)
    told = [{token: SimpleNamespace(logprob=value)} for token, value in logprobs]
    return SimpleNamespace(**{**choice, "logprobs": told})


@contextmanager
def on_a_server(served, monkeypatch, **started):
    """The sampler for a server, over HTTP; TRL has the four things of the package vllm that it imports for one."""

    def joined(self, device=0):
        assert self.get_server_info()["weight_transfer_config"] is not None
        self._post(f"{self.base_url}/init_weight_transfer_engine", json={"init_info": {"world_size": 2}})

    def broadcast(iterator, group, src, post_iter_func):
        for name, tensor in iterator:
            server.mail[name] = tensor.detach().clone()

    with WeightServer(served, **started) as server, monkeypatch.context() as patch:
        for module in (client, generation):
            patch.setattr(module, "is_vllm_available", lambda *_, **__: True)
        patch.setattr(client, "_HAS_STATEFUL_TRAINER_ENGINE", True)
        patch.setattr(client, "_HAS_RESET_PREFIX_CACHE_SUCCESS", True)
        patch.setattr(client.VLLMClient, "init_communicator", joined)
        patch.setattr(client, "packed_nccl_broadcast_producer", broadcast, raising=False)
        yield samplers.vllm_server(server.url)


@contextmanager
def in_this_process(served, monkeypatch, *own):
    """The sampler for the vLLM that TRL makes itself; what TRL writes into the environment for it is taken back."""
    with monkeypatch.context() as patch:
        patch.setattr(generation, "is_vllm_available", lambda *_, **__: True)
        patch.setattr(generation, "LLM", lambda **made: LLM(served, **made), raising=False)
        patch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=SimpleNamespace, __version__="0.31.0"))
        patch.setattr(os, "environ", dict(os.environ))
        yield samplers.vllm_here(*own)
