"""Decoding with another model than Qwen3, by its own forward pass: a Llama as wide as SmolLM2-135M, beside generate.

The same prompts on both sides, and as many tokens of each, so that generate's batch wastes nothing.
"""

import random

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from asyncthink.engines import Completion, Request, run
from asyncthink.engines.local import Local
from benchmarks import record, replay, timing

TRACES, TOKENS, REPEATS = 16, 160, 3
PROMPT = 48, 112  # tokens, the fewest and the most
SHAPE = {"num_hidden_layers": 4, "hidden_size": 576, "intermediate_size": 1536, "head_dim": 64}
HEADS = {"num_attention_heads": 9, "num_key_value_heads": 3}


def measure() -> record.Row:
    """Processor seconds of all traces."""
    _, tokenizer = replay.random_model(replay.nano())
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPE, **HEADS, vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=None)
    model = LlamaForCausalLM(config).eval()
    drawn = random.Random(0)
    prompts = [[drawn.randrange(1, len(tokenizer)) for _ in range(drawn.randint(*PROMPT))] for _ in range(TRACES)]
    engine = Local(model, tokenizer)
    said = [list(completion.ids) for completion in decoded(engine, prompts)]
    assert said == generated(model, prompts), "greedy decoding differs"
    own, theirs = timing.alternating(lambda: decoded(engine, prompts), lambda: generated(model, prompts), REPEATS)
    return {
        "what": f"decoding {TRACES} traces with another model, a Llama as wide as SmolLM2",
        "against": "transformers generate, one batch of them",
        "goal": "",
        "ratio": timing.ratio(theirs, own),
        "unit": "CPU s",
        "ours": own,
        "theirs": theirs,
        "checked": f"greedy tokens, {TOKENS} of each trace",
    }


def decoded(engine: Local, prompts: list[list[int]]) -> list[Completion]:
    """By the local engine."""
    requests = [Request((row,), tuple(ids), replay.NEVER, TOKENS, row, 0.0) for row, ids in enumerate(prompts)]
    return run(engine, [engine.complete(request) for request in requests])


@torch.inference_mode()
def generated(model: PreTrainedModel, prompts: list[list[int]]) -> list[list[int]]:
    """By transformers."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    told = model.generate(ids, attention_mask=mask, do_sample=False, min_new_tokens=TOKENS, max_new_tokens=TOKENS)
    return [row[width:].tolist() for row in told]


if __name__ == "__main__":
    record.main(measure)
