"""Thinking: from a question to an Episode, on any engine.

Each entry of THINKING is a coroutine function (engine, task name, item, settings, key, seed) -> Episode, not yet
scored. `key` is recorded; `seed` keys the sampling, and no two episodes that live at the same time share it.

    sequential          one trace; parallel: several that know nothing of each other
    asynchronous        an organizer and its workers; organizer: their runtime
    fixed_plan          a plan in the organizer's place, as a baseline
    agents              one context of the model that decodes in calls
    scoring             what an episode was worth
    organization        what an organizer did with a countdown puzzle, read from its text
"""

from asyncthink.thinking.asynchronous import asynchronous
from asyncthink.thinking.parallel import parallel
from asyncthink.thinking.sequential import sequential

THINKING = {"asynchronous": asynchronous, "sequential": sequential, "parallel": parallel}
