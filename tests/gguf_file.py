"""A tiny Llama as llama.cpp would write it into a GGUF file, with numbers that are not quantized."""

import json
from pathlib import Path

from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, path: Path) -> None:
    """The file of a model with tied embeddings and of a byte-level BPE tokenizer."""
    import gguf

    config, out = model.config, gguf.GGUFWriter(path, "llama")
    out.add_context_length(config.max_position_embeddings)
    out.add_block_count(config.num_hidden_layers)
    out.add_embedding_length(config.hidden_size)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_rope_dimension_count(config.head_dim)
    out.add_rope_freq_base(config.rope_parameters["rope_theta"])
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_vocab_size(config.vocab_size)
    words = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    out.add_tokenizer_model("gpt2")
    out.add_token_list(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    special = tokenizer.backend_tokenizer.get_added_tokens_decoder()
    out.add_token_types([3 if i in special else 1 for i in range(len(tokenizer))])
    out.add_token_merges([" ".join(pair) for pair in words["merges"]])
    out.add_bos_token_id(tokenizer.pad_token_id)  # transformers asks for one
    out.add_eos_token_id(tokenizer.eos_token_id)
    out.add_chat_template(tokenizer.chat_template)
    out.add_tensor("token_embd.weight", model.model.embed_tokens.weight.detach().numpy())
    out.add_tensor("output_norm.weight", model.model.norm.weight.detach().numpy())
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for number, layer in enumerate(model.model.layers):
        for own, theirs in NAMES.items():
            weight = layer.get_submodule(own).weight.detach()
            weight = _interleaved(weight, heads[theirs]) if theirs in heads else weight
            out.add_tensor(f"blk.{number}.{theirs}.weight", weight.contiguous().numpy())
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def _interleaved(weight: Tensor, heads: int) -> Tensor:
    """Output rows with the two halves of each head's rotary pairs beside each other, as GGUF has them."""
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)
