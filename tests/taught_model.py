"""A tiny Qwen3 model that has learned one demonstration by heart, so that it forks, joins and answers when sampled."""

from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from asyncthink.config import params
from asyncthink.models import word_tokenizer
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.replay import replay

COMMITTED = params.read(Path(__file__).parent.parent / "params.yaml").to_mapping()
PARAMS = params.from_mapping(params.merged(COMMITTED, {"thinking": {"capacity": 3}}))  # two workers at once, as below
THINKING_SETTINGS = params.Thinking(
    capacity=3,
    organizer_budget=96,
    worker_budget=46,
    latency_budget=None,
    plan=None,
    diversified=False,
    slot_release="join",
    temperature=1.0,
    prompts="word",
)
WORDS = word_tokenizer.build(PARAMS.puzzles)
ITEM = {"id": "x", "numbers": [3, 5, 8, 9, 11], "target": 24, "required": 3, "uses": 2, "operations": "+-*"}
DEMONSTRATION = Demonstration(
    task="countdown",
    item=ITEM,
    form="asynchronous",
    structure=("T", "F1", "F2", "T", "J1", "J2", "A"),
    organizer="3 + 5 8 . <FORK-1> 3 8 9 =24 </FORK-1> <FORK-2> 9 11 3 =24 </FORK-2> 5 + 8 13 . 5 * 8 40 . <JOIN-1>"
    " <JOIN-2> <ANSWER> 8 * 3 </ANSWER>",
    workers={
        1: "3 + 8 11 . 8 - 3 5 . 8 * 3 24 ! <RETURN> 8 * 3 </RETURN>",
        2: "9 + 11 20 . 11 - 9 2 . 9 * 11 99 . 9 + 3 12 . 9 - 3 6 . <RETURN> none </RETURN>",
    },
)
SEQUENTIAL = Demonstration("countdown", ITEM, "sequential", ("T", "A"), "3 + 5 8 . <ANSWER> 8 * 3 </ANSWER>", {})


def random_model(tokenizer: PreTrainedTokenizerFast, seed: int = 0, **shape: object) -> Qwen3ForCausalLM:
    """Random weights, large enough that the distributions are far from uniform."""
    sizes = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16} | shape
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, pad_token_id=0, **sizes
    )
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def taught_model(steps: int = 60) -> Qwen3ForCausalLM:
    """A model that mostly says what the demonstrations say."""
    model = random_model(WORDS, tie_word_embeddings=True)
    episodes = [replay(each, WORDS, THINKING_SETTINGS) for each in (DEMONSTRATION, SEQUENTIAL)]
    rows = [(trace.prompt_ids + trace.ids, len(trace.prompt_ids)) for episode in episodes for trace in episode.traces]
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row, _ in rows])
    targets = ids.clone()
    for place, (row, start) in enumerate(rows):
        targets[place, :start] = targets[place, len(row) :] = -100
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(steps):
        logits = model(input_ids=ids).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()
