"""A demonstration as an episode: the scripted engine says what the teacher wrote, and the runtime does the rest.

So fine-tuning sees the layout that inference makes: the same prompts, the same injected texts, the same budgets.
"""

from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from asyncthink.engines import run
from asyncthink.engines.scripted import Scripted
from asyncthink.episode import Episode
from asyncthink.settings import Thinking
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.thinking import THINKING


def replay(demonstration: Demonstration, tokenizer: PreTrainedTokenizerBase, settings: Thinking) -> Episode:
    """The episode, not yet scored; a Fork whose worker says nothing in the demonstration gets no result."""
    seed = ("replay",)
    texts: dict[tuple[Any, ...], str] = {(*seed, role): demonstration.organizer for role in ("organizer", "sequential")}
    queries = {} if demonstration.form == "sequential" else demonstration.queries
    texts |= {(*seed, f"worker-{i}"): demonstration.workers.get(i, "") for i in queries}
    engine = Scripted(tokenizer, texts)
    # Nothing is sampled and nothing planned: these keys decide nothing here.
    written = replace(settings, temperature=0.0, plan=None, diversified=False)
    think = THINKING[demonstration.form](engine, demonstration.task, demonstration.item, written, {}, seed)
    return run(engine, [think])[0]
