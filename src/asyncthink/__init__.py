"""An open reproduction of AsyncThink (arXiv 2510.26658).

The names below need no model and load in a moment. To think with a model of your own, take an engine
(`asyncthink.engines.local.Local` or `asyncthink.engines.vllm.VLLM`) to `asyncthink.thinking.THINKING`;
docs/extending.md shows how.
"""

from asyncthink.episode import Episode, Trace
from asyncthink.errors import InputError
from asyncthink.protocol import Answer, Fork, Join, Think, format_error, parse, returned
from asyncthink.schedule import Schedule, recursion, simulate

__all__ = [
    "Answer",
    "Episode",
    "Fork",
    "InputError",
    "Join",
    "Schedule",
    "Think",
    "Trace",
    "format_error",
    "parse",
    "recursion",
    "returned",
    "simulate",
]
