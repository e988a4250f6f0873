"""Thinking: from a question to an Episode, on any engine.

Each entry of THINKING is a coroutine function (engine, task name, item, settings, key, seed) -> Episode, not yet
scored. `key` is recorded; `seed` keys the sampling, and no two episodes that live at the same time share it.
"""

from asyncthink.thinking.asynchronous import asynchronous
from asyncthink.thinking.parallel import parallel
from asyncthink.thinking.sequential import sequential

THINKING = {"asynchronous": asynchronous, "sequential": sequential, "parallel": parallel}
