"""An open reproduction of AsyncThink (arXiv 2510.26658).

The names below need no model; each is loaded when it is first asked for, so that a step of the graph imports what it
uses and nothing else. To think with a model of your own, take an engine (`asyncthink.engines.local.Local` or
`asyncthink.engines.vllm.VLLM`) to `asyncthink.thinking.THINKING`; docs/extending.md shows how.
"""

import os
from importlib import import_module
from typing import Any

# Before the first import of huggingface_hub, whoever it is that imports it: training talks to no one, and what the hub
# refuses is told in one line.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("HF_HUB_VERBOSITY", "error")

_ROOMS = {
    "episode": ("Episode", "Trace"),
    "errors": ("InputError",),
    "protocol": ("Answer", "Fork", "Join", "Think", "parse", "returned"),
    "schedule": ("Schedule", "format_error", "simulate"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = sorted(_ROOM_OF)


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'asyncthink' has no attribute {name!r}")
    return getattr(import_module(f"asyncthink.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
