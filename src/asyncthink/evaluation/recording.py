"""What `evaluate` records beside the episodes, so that they can be measured without it."""

from typing import Any

from typing_extensions import TypedDict


class Items(TypedDict):
    """The test items: how many, of which split or test set, and the hash of their file."""

    count: int
    split: str
    sha256: str


class EngineRecord(TypedDict):
    """What decoded, as its Identity says."""

    name: str
    version: str | None
    exact: bool


class Evaluated(TypedDict):
    """What was evaluated, on which engine."""

    scale: str
    test_set: str
    task: str
    arm: str
    seed: int
    engine: EngineRecord
    items: Items
    samples: int


class Recording(Evaluated):
    """The same, and in `evaluations` the settings of each by section."""

    evaluations: dict[str, dict[str, dict[str, Any]]]
