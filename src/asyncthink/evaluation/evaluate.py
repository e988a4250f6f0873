"""Recorded evaluation: every test item, answered by an arm's model in its way of thinking, as Episodes.

The headline comes first, then each variant of params.yaml that names the arm (other budgets, another n). All of them
share their sampling seeds, so that a variant differs from the headline by what it overrides and nothing else.
The work is done in chunks of whole items, each recorded and measured once; a killed run goes on after its last one.
What had finished of the chunk after it is kept too, unless the engine repeats whole runs to the byte and a part of one
would not be equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asyncthink.engines import Engine, Identity, run
from asyncthink.episode import Episode, Trace
from asyncthink.evaluation import episode_chunks, metrics, recordings
from asyncthink.evaluation.metrics import UNION, Measurement
from asyncthink.evaluation.recordings import HEADLINE, note
from asyncthink.progress import Progress
from asyncthink.settings import COUNTDOWN, Arm, Reward, Thinking
from asyncthink.thinking import THINKING
from asyncthink.thinking.scoring import finish

Measured = Mapping[str, Mapping[str | None, Measurement]]  # by evaluation, then by aggregation

CHUNK = 256  # episodes that are decoded side by side, or those of one item where it has more
# What tables and claims read of a variant; the headline keeps every measure.
VARIANT_MEASURES = (
    *("accuracy", "correct", "all_correct", "valid", "latency", "elapsed", "work", "concurrency_ratio"),
    "out_of_time",
)


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a test set's items of one split, by one arm's model of one training seed, on one engine.

    Only countdown has more than one split. `task` is that of the items, `samples` are episodes an item, and
    `evaluations` are the headline, then the variants.
    """

    scale: str
    test_set: str
    split: str
    task: str
    arm: str
    seed: int
    samples: int
    items: Sequence[dict[str, Any]]
    engine: Identity
    arm_settings: Arm
    reward: Reward
    evaluations: Mapping[str, Thinking]

    @property
    def title(self) -> str:
        """Of its job."""
        named = "" if self.test_set == COUNTDOWN else f"{self.test_set} "
        return f"evaluate {self.arm} {named}{self.seed}"

    @property
    def item_set(self) -> str:
        """What its items are called in the sampling seeds: countdown's by their split, others by their test set."""
        return self.split if self.test_set == COUNTDOWN else self.test_set

    def config(self, thinking: Thinking) -> dict[str, Any]:
        """The parameters behind an evaluation; only an organizer is paid for concurrency."""
        sections = {"thinking": asdict(thinking), "arm": asdict(self.arm_settings)}
        return sections | ({"reward": asdict(self.reward)} if self.arm_settings.mode == "asynchronous" else {})

    def fingerprint(self) -> dict[str, Any]:
        """All that the episodes depend on beside the model and the items; chunks of two engines are never mixed."""
        named = {key: getattr(self, key) for key in ("test_set", "split", "task", "arm", "seed", "samples")}
        settings = {name: self.config(thinking) for name, thinking in self.evaluations.items()}
        return {**named, "evaluations": settings, "chunk": CHUNK, "engine": asdict(self.engine)}


def record(subject: Subject, engine: Engine, path: Path) -> Measured:
    """Record all episodes of a subject, the headline's first, in the order of items and samples, and measure them."""
    evaluations = subject.evaluations
    chunks = [(name, keys) for name in evaluations for keys in _chunks(subject)]
    progress = Progress(subject.title, sum(len(keys) for _, keys in chunks), "episodes")
    recorded, done = episode_chunks.whole(path), 0
    parts: dict[str, dict[str | None, list[Measurement]]] = {name: {} for name in evaluations}
    for name, keys in chunks:
        episodes, done = next(recorded, None), done + len(keys)
        if episodes is None:
            begun = path.with_name(f"begun-{path.name}")
            episodes = _decoded(subject, engine, name, evaluations[name], keys, begun)
            episode_chunks.append(path, episodes)
            begun.unlink(missing_ok=True)
            progress.tell(done)
        else:
            progress.resume(done)
        for aggregation, group in metrics.aggregations(episodes).items():
            parts[name].setdefault(aggregation, []).append(metrics.measurement(group))
    progress.end()
    return {name: {key: _joined(chunk) for key, chunk in parts[name].items()} for name in evaluations}


def _chunks(subject: Subject) -> Iterator[list[tuple[int, int]]]:
    """Keys (index, sample), every sample of an item in one chunk."""
    items = max(1, CHUNK // subject.samples)
    for start in range(0, len(subject.items), items):
        indices = range(start, min(start + items, len(subject.items)))
        yield [(index, sample) for index in indices for sample in range(subject.samples)]


def _joined(chunks: Sequence[Measurement]) -> Measurement:
    """The measurement of all items from those of runs of items."""
    values = {name: np.concatenate([chunk.values[name] for chunk in chunks], axis=1) for name in chunks[0].values}
    structures = [chunk.topologies for chunk in chunks if chunk.topologies is not None]
    required = max(chunk.required for chunk in chunks)
    return Measurement(required, values, np.concatenate(structures, axis=1) if structures else None)


def _decoded(
    subject: Subject, engine: Engine, variant: str, thinking: Thinking, pairs: Sequence[tuple[int, int]], begun: Path
) -> list[Episode]:
    """The episodes of a chunk's (index, sample) pairs. `begun` is the file of those that an earlier run finished."""
    base = {"split": subject.item_set, "seed": subject.seed, "variant": variant}
    keys = {(index, sample): {**base, "index": index, "sample": sample} for index, sample in pairs}
    finished = {_pair(e): e for group in episode_chunks.whole(begun) for e in group if e.key in keys.values()}
    think = THINKING[subject.arm_settings.mode]
    coroutines = [
        think(
            engine,
            subject.task,
            subject.items[index],
            thinking,
            keys[index, sample],
            (subject.seed, subject.item_set, index, sample),
        )
        for index, sample in pairs
        if (index, sample) not in finished
    ]

    def ended(e: Episode) -> None:
        finished[_pair(e)] = e
        if not subject.engine.repeats_whole_runs:
            episode_chunks.append(begun, [e])

    if coroutines:
        run(engine, coroutines, ended)
    episodes = [finish(replace(finished[pair], arm=subject.arm), subject.reward) for pair in pairs]
    return episodes if variant == HEADLINE else [slim(e) for e in episodes]


def _pair(recorded: Episode) -> tuple[int, int]:
    return recorded.key["index"], recorded.key["sample"]


def slim(recorded: Episode) -> Episode:
    """Without token ids and log-probabilities: text, token counts and scores are all that a table reads."""
    empty: dict[str, list] = {"prompt_ids": [], "ids": [], "logprobs": [], "policy": []}
    traces: list[Trace] = [replace(trace, **empty) for trace in recorded.traces]
    return replace(recorded, traces=traces)


def summarized(subject: Subject, measured: Measured, items_hash: str) -> dict[str, Any]:
    """The metrics file of a subject: each evaluation with intervals, and the measures of its single episodes."""
    evaluations: dict[str, dict[str, Any]] = {}
    for name, thinking in subject.evaluations.items():
        base = {"variant": name, "mode": subject.arm_settings.mode, "config": subject.config(thinking)}
        for aggregation, measurement in measured[name].items():
            names = None if (name, aggregation) in ((HEADLINE, None), (HEADLINE, "vote")) else VARIANT_MEASURES
            entry = f"{name}_{UNION}" if aggregation == UNION else name
            evaluations[entry] = base | {"aggregation": aggregation} | _entry(measurement, names)
    return {
        "scale": subject.scale,
        "note": note(subject.scale),
        "test_set": subject.test_set,
        "task": subject.task,
        "arm": subject.arm,
        "seed": subject.seed,
        "engine": asdict(subject.engine),
        "items": {"count": len(subject.items), "split": subject.item_set, "sha256": items_hash},
        "samples": subject.samples,
        "evaluations": evaluations,
    }


def _entry(measured: Measurement, names: Sequence[str] | None) -> dict[str, Any]:
    kept = measured if names is None else measured.only(names)
    found = {"required": measured.required, "episodes": recordings.episode_values(kept)}
    if kept.topologies is not None:
        found["episodes"]["topology"] = recordings.topology_codes(kept)
    return found | metrics.summary(kept)
