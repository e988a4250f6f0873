"""A tiny Qwen3 model with a byte-level BPE tokenizer that has learned some chat demonstrations by heart.

Its tags are several tokens, as they are for a pretrained model whose tokenizer was not changed, so stops go by text.
"""

from dataclasses import replace
from pathlib import Path

import torch
from chat_templates import QWEN
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from asyncthink.config import params
from asyncthink.episode import Trace
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.replay import replay

THINKING = replace(
    params.read(Path(__file__).parent.parent / "params.yaml").thinking,
    prompts="chat",
    capacity=3,
    organizer_budget=400,
    worker_budget=60,
    latency_budget=None,
)
NUMBERS = ([3, 5, 8, 9, 11], [2, 4, 6, 7, 12], [1, 3, 6, 8, 10], [4, 5, 7, 9, 12])
ITEMS = [
    {"id": str(index), "numbers": numbers, "target": 24, "required": 3, "uses": 2, "operations": "+-*"}
    for index, numbers in enumerate(NUMBERS)
]


def demonstration(item: dict) -> Demonstration:
    """Two workers, the second of which is joined first."""
    one, two, *rest = item["numbers"]
    return Demonstration(
        task="countdown",
        item=item,
        form="asynchronous",
        structure=("T", "F1", "T", "F2", "T", "J2", "T", "J1", "T", "A"),
        organizer=f"Split it.<FORK-1>pairs with {one} and {rest}</FORK-1> Meanwhile <FORK-2>pairs with {two} and {rest}"
        f"</FORK-2>{one} + {two} = {one + two}.<JOIN-2>so <JOIN-1>\n<ANSWER>{one} * {two}</ANSWER>",
        workers={
            1: f"{one} * {rest[0]} = {one * rest[0]} <RETURN>{one} * {rest[0]}</RETURN>",
            2: "".join(f"{two} + {other} = {two + other}, no. " for other in rest) + "<RETURN>none</RETURN>",
        },
    )


def tokenizer() -> PreTrainedTokenizerFast:
    """Learned from the demonstrations; a token may hold the end of a tag and what follows it."""
    result = Tokenizer(BPE())
    result.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    result.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet)
    written = [demonstration(item) for item in ITEMS]
    texts = [text for each in written for text in (each.organizer, *each.workers.values())]
    result.train_from_iterator(texts * 5, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=result, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=QWEN
    )


def taught_chat_model(words: PreTrainedTokenizerFast, steps: int = 150) -> Qwen3ForCausalLM:
    """A model that mostly says what the demonstrations say."""
    config = Qwen3Config(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=words.eos_token_id,
        bos_token_id=None,
        pad_token_id=words.pad_token_id,
    )
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config)
    traces = [trace for item in ITEMS for trace in replay(demonstration(item), words, THINKING).traces]
    ids, targets = _rows(traces, words.pad_token_id)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(steps):
        logits = model(input_ids=ids).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def _rows(traces: list[Trace], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (rows, time), padded behind, and targets with -100 where nothing is learned."""
    longest = max(len(trace.prompt_ids) + len(trace.ids) for trace in traces)
    ids = torch.full((len(traces), longest), pad)
    targets = torch.full((len(traces), longest), -100)
    for row, trace in enumerate(traces):
        start, end = len(trace.prompt_ids), len(trace.prompt_ids) + len(trace.ids)
        ids[row, :end] = torch.tensor(trace.prompt_ids + trace.ids)
        targets[row, start:end] = torch.where(torch.tensor(trace.policy) == 1, ids[row, start:end], -100)
    return ids, targets
