"""Tiny random models of many architectures, as transformers builds them from a configuration; nothing is downloaded."""

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

NARROW = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
GROUPED = {**NARROW, "num_key_value_heads": 2}
GEMMA = {**GROUPED, "head_dim": 12, "query_pre_attn_scalar": 12}
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 3.0], "rope_theta": 1e4}
ARCHITECTURES = {
    "llama, tied": ("llama", {**GROUPED, "tie_word_embeddings": True}),
    "llama, biases": ("llama", {**GROUPED, "attention_bias": True, "mlp_bias": True, "attention_dropout": 0.1}),
    "qwen2, biases and a window": (
        "qwen2",
        {**GROUPED, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    ),
    "qwen3, a window": (
        "qwen3",
        {**GROUPED, "head_dim": 8, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    ),
    "gemma 2, soft caps": ("gemma2", {**GEMMA, "sliding_window": 5, "final_logit_softcapping": 3.0}),
    "gemma 3, windows in two of three": (
        "gemma3_text",
        {
            **GEMMA,
            "sliding_window": 4,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "eos_token_id": [1, 106],
        },
    ),
    "mistral, a window": ("mistral", {**GROUPED, "head_dim": 8, "sliding_window": 4, "tie_word_embeddings": False}),
    "mixtral, experts": ("mixtral", {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "phi-3, partial rotary": (
        "phi3",
        {**GROUPED, "rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}},
    ),
    "phi-3, rotary that changes": (
        "phi3",
        {
            **GROUPED,
            "rope_parameters": {**LONGROPE, "partial_rotary_factor": 0.5, "original_max_position_embeddings": 64},
            "original_max_position_embeddings": 64,
            "max_position_embeddings": 256,
        },
    ),
    "gpt-2, learned positions and dropout": (
        "gpt2",
        {"n_embd": 32, "n_layer": 3, "n_head": 4, "max_position_embeddings": 128},
    ),
    "opt, learned positions with an offset": (
        "opt",
        {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "word_embed_proj_dim": 32},
    ),
    "gpt-neox, parallel residual": ("gpt_neox", NARROW),
    "bloom, no positions but slopes": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
}


# Whose configuration has a part for text and one for images.
SEEING = {
    "text_config": {**GEMMA, "sliding_window": 4},
    "vision_config": {**NARROW, "num_hidden_layers": 1, "image_size": 28, "patch_size": 14},
    "mm_tokens_per_image": 4,
}


def seeing_model(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Gemma 3 with its eyes."""
    own = {
        "vocab_size": len(tokenizer),
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }
    config = CONFIG_MAPPING["gemma3"](**{**SEEING, "text_config": SEEING["text_config"] | own})
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def tiny_model(name: str, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> PreTrainedModel:
    """One of ARCHITECTURES with random weights, large enough that the distributions are far from uniform."""
    kind, shape = ARCHITECTURES[name]
    config = CONFIG_MAPPING[kind](
        **{
            "vocab_size": len(tokenizer),
            "pad_token_id": 0,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "max_position_embeddings": 512,
        }
        | shape
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model
