"""Greedy episodes by vLLM in this process; run by vllm_cpu_check.py with the interpreter that has vLLM.

python tests/vllm_here_episodes.py CHECKPOINT JOBS EPISODES     (JOBS: JSON, [{"items": [...], "thinking": {...}}])
"""

import json
import sys
from pathlib import Path

from transformers import AutoTokenizer

from asyncthink import engines, episode
from asyncthink.engines.vllm_here import VLLMHere, load
from asyncthink.settings import Thinking
from asyncthink.thinking import THINKING


def main(checkpoint: str, jobs: str, episodes: str) -> None:
    """Every item of every job, one episode each, in order."""
    llm = load(checkpoint, dtype="float32", enforce_eager=True, max_model_len=2048)
    engine = VLLMHere(llm, AutoTokenizer.from_pretrained(checkpoint), llm.llm_engine.model_config.get_vocab_size())
    think, found = THINKING["asynchronous"], []
    for job in json.loads(Path(jobs).read_text(encoding="utf-8")):
        settings = Thinking(**job["thinking"])
        runs = [think(engine, "countdown", item, settings, {}, (n,)) for n, item in enumerate(job["items"])]
        found += engines.run(engine, runs)
        engine.reset_prefix_cache()
    episode.write(episodes, found)


if __name__ == "__main__":
    main(*sys.argv[1:])
