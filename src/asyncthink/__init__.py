"""An open reproduction of AsyncThink (arXiv 2510.26658).

The names below need no model; each is loaded when it is first asked for, so that a step of the graph imports what it
uses and nothing else. To think with a model of your own, take an engine (`asyncthink.engines.local.Local` or
`asyncthink.engines.vllm.VLLM`) to `asyncthink.thinking.THINKING`; docs/extending.md shows how.
"""

from importlib import import_module
from typing import Any

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
