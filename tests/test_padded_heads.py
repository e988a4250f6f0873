"""Wider heads that say the same, for servers that know only some head sizes."""

import pytest
import torch
from padded_heads import padded
from taught_model import WORDS, random_model


@pytest.mark.parametrize(("heads", "groups", "old", "new"), [(4, 4, 24, 32), (4, 2, 16, 32), (3, 1, 8, 8)])
def test_padded_heads_change_no_log_probability(heads, groups, old, new):
    model = random_model(WORDS, num_attention_heads=heads, num_key_value_heads=groups, head_dim=old)
    wider = padded(model, new)
    assert wider.config.head_dim == new
    ids = torch.randint(0, len(WORDS), (3, 60), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one, other = (each(input_ids=ids).logits.log_softmax(-1) for each in (model, wider))
    assert torch.allclose(one, other, atol=1e-4)
