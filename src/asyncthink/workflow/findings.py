"""What a check of `asyncthink doctor` looks at, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asyncthink.config.params import Params


@dataclass(frozen=True)
class Finding:
    """state: ok, note or lacks."""

    state: str
    said: str


@dataclass(frozen=True)
class Place:
    """What the checks look at: parameters, the root of the checkout, environment variables."""

    params: Params
    root: Path
    environment: Mapping[str, str]
