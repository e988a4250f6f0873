"""Tokens a second of the local engine beside transformers' generate: one run, one model, the same lengths.

    python benchmarks/decode.py --batch 32 256 --tokens 96

Both sample at temperature 1 from a model with random weights (nano's architecture in params.yaml) until all rows have
the same number of tokens. The ratio is what counts: tokens a second depend on the machine and on what else runs there.
"""

import argparse
import time
from collections.abc import Callable

import torch
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from asyncthink import engines
from asyncthink.config import params
from asyncthink.engines.local import Local
from asyncthink.models.word_tokenizer import build


def main() -> None:
    """Print one line a batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", default="params.yaml")
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    settings = params.read(options.params)
    tokenizer = build(settings.puzzles)
    tokenizer.eos_token = None  # so that every row has all its tokens
    model = random_model(settings.model, len(tokenizer)).to(options.device)
    prompt = tokenizer.encode("<solve> 1 2 3 4 5 =24", add_special_tokens=False)
    print(f"{'batch':>6} {'local':>10} {'generate':>10} tokens/s  ratio")
    for batch in options.batch:
        local = best(lambda b=batch: decode_local(model, tokenizer, prompt, b, options.tokens), options.repeats)
        generate = best(lambda b=batch: decode_generate(model, prompt, b, options.tokens), options.repeats)
        rates = [batch * options.tokens / seconds for seconds in (local, generate)]
        print(f"{batch:>6} {rates[0]:>10.0f} {rates[1]:>10.0f} {'':>8} {rates[0] / rates[1]:>6.2f}")


def random_model(model: params.Model, words: int) -> Qwen3ForCausalLM:
    """The architecture of a section `model`, untrained."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=words,
        hidden_size=model.hidden_size,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        num_key_value_heads=model.heads,
        head_dim=model.head_size,
        intermediate_size=model.intermediate_size,
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config).eval()


def best(call: Callable[[], None], repeats: int) -> float:
    """The shortest of several runs, in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def decode_local(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, prompt: list[int], batch: int, tokens: int
) -> None:
    """`batch` requests side by side."""
    engine = Local(model, tokenizer)
    requests = [engines.Request((row,), tuple(prompt), ("no such text",), tokens, row, 1.0) for row in range(batch)]
    engines.run(engine, [engine.complete(request) for request in requests])


@torch.inference_mode()
def decode_generate(model: Qwen3ForCausalLM, prompt: list[int], batch: int, tokens: int) -> None:
    """The same with transformers."""
    ids = torch.tensor([prompt] * batch, device=model.device)
    model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, max_new_tokens=tokens)


if __name__ == "__main__":
    main()
