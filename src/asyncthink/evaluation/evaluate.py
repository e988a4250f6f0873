"""Recorded evaluation: every test item, answered by an arm's model in its way of thinking, as Episodes.

The headline comes first, then each variant of params.yaml that names the arm (other budgets, another n). All of them
share their sampling seeds, so that a variant differs from the headline by what it overrides and nothing else.
The work is done in chunks; a chunk that stands in the scratch folder is finished, and a killed run goes on behind it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from asyncthink import episode, params, steps
from asyncthink.engines import Engine, Identity, run
from asyncthink.episode import Episode, Trace
from asyncthink.evaluation import metrics, recordings
from asyncthink.evaluation.metrics import UNION
from asyncthink.evaluation.recordings import HEADLINE, note
from asyncthink.progress import Progress
from asyncthink.thinking import THINKING
from asyncthink.thinking.scoring import finish

CHUNK = 256  # episodes that are decoded side by side
# What tables and claims read of a variant; the headline keeps every measure.
VARIANT_MEASURES = (
    *("accuracy", "correct", "all_correct", "valid", "latency", "elapsed", "work", "concurrency_ratio"),
    "out_of_time",
)


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a test set's items of one split, by one arm's model of one training seed, on one engine."""

    test_set: str
    split: str
    arm: str
    seed: int
    items: Sequence[dict[str, Any]]
    params: params.Params
    engine: Identity

    @property
    def title(self) -> str:
        """Of its job."""
        named = "" if self.test_set == params.COUNTDOWN else f"{self.test_set} "
        return f"evaluate {self.arm} {named}{self.seed}"

    @property
    def task(self) -> str:
        """The task of its items."""
        found = self.params.test_set(self.test_set)
        return found.task if found else params.COUNTDOWN

    @property
    def samples(self) -> int:
        """Episodes an item."""
        found = self.params.test_set(self.test_set)
        return found.samples if found else self.own.evaluate.samples

    @property
    def evaluations(self) -> dict[str, params.Thinking]:
        """The headline, then the variants."""
        return self.params.evaluations(self.arm, self.test_set)

    @property
    def own(self) -> params.Params:
        """The arm's parameters."""
        return self.params.arm_params(self.arm)

    def config(self, thinking: params.Thinking) -> dict[str, Any]:
        """The parameters behind an evaluation; only an organizer is paid for concurrency."""
        sections = {"thinking": asdict(thinking), "arm": asdict(self.own.arm)}
        return sections | ({"reward": asdict(self.own.reward)} if self.own.arm.mode == "asynchronous" else {})

    def fingerprint(self) -> dict[str, Any]:
        """All that the episodes depend on beside the model and the items; chunks of two engines are never mixed."""
        own = {"test_set": self.test_set, "arm": self.arm, "seed": self.seed, "chunk": CHUNK}
        return {**steps.reads("evaluate", self.params, self.arm, self.test_set), **own, "engine": asdict(self.engine)}


def record(subject: Subject, engine: Engine, scratch: Path) -> list[Episode]:
    """All episodes of a subject, the headline's first, in the order of items and samples."""
    evaluations = subject.evaluations
    chunks = [(name, keys) for name in evaluations for keys in _chunks(subject)]
    progress = Progress(subject.title, sum(len(keys) for _, keys in chunks), "episodes")
    episodes: list[Episode] = []
    for number, (name, keys) in enumerate(chunks):
        path = scratch / f"{number:05d}.jsonl"
        if not path.exists():
            episode.write(path, _decoded(subject, engine, name, evaluations[name], keys))
            progress.tell(len(episodes) + len(keys))
        else:
            progress.resume(len(episodes) + len(keys))
        episodes += episode.read(path)
    progress.end()
    return episodes


def _chunks(subject: Subject) -> Iterator[list[tuple[int, int]]]:
    keys = [(index, sample) for index in range(len(subject.items)) for sample in range(subject.samples)]
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def _decoded(
    subject: Subject, engine: Engine, variant: str, thinking: params.Thinking, keys: Sequence[tuple[int, int]]
) -> list[Episode]:
    think, key = THINKING[subject.own.arm.mode], {"split": subject.split, "seed": subject.seed, "variant": variant}
    coroutines = [
        think(
            engine,
            subject.task,
            subject.items[index],
            thinking,
            {**key, "index": index, "sample": sample},
            (subject.seed, subject.split, index, sample),
        )
        for index, sample in keys
    ]
    finished = [finish(replace(e, arm=subject.arm), subject.own.reward) for e in run(engine, coroutines)]
    return finished if variant == HEADLINE else [slim(e) for e in finished]


def slim(recorded: Episode) -> Episode:
    """Without token ids and log-probabilities: text, token counts and scores are all that a table reads."""
    empty: dict[str, list] = {"prompt_ids": [], "ids": [], "logprobs": [], "policy": []}
    traces: list[Trace] = [replace(trace, **empty) for trace in recorded.traces]
    return replace(recorded, traces=traces)


def summarized(subject: Subject, episodes: Sequence[Episode], items_hash: str) -> dict[str, Any]:
    """The metrics file of a subject: each evaluation with intervals, and the measures of its single episodes."""
    evaluations: dict[str, dict[str, Any]] = {}
    for name, thinking in subject.evaluations.items():
        chosen = [e for e in episodes if e.key["variant"] == name]
        base = {"variant": name, "mode": chosen[0].mode, "config": subject.config(thinking)}
        for aggregation, group in metrics.aggregations(chosen).items():
            names = None if (name, aggregation) in ((HEADLINE, None), (HEADLINE, "vote")) else VARIANT_MEASURES
            entry = f"{name}_{UNION}" if aggregation == UNION else name
            evaluations[entry] = base | {"aggregation": aggregation} | _entry(group, names)
    return {
        "scale": subject.params.scale,
        "note": note(subject.params.scale),
        "test_set": subject.test_set,
        "task": subject.task,
        "arm": subject.arm,
        "seed": subject.seed,
        "engine": asdict(subject.engine),
        "items": {"count": len(subject.items), "split": subject.split, "sha256": items_hash},
        "samples": subject.samples,
        "evaluations": evaluations,
    }


def _entry(episodes: Sequence[Episode], names: Sequence[str] | None) -> dict[str, Any]:
    measured = metrics.measurement(episodes)
    kept = measured if names is None else measured.only(names)
    found = {"required": measured.required, "episodes": recordings.episode_values(kept)}
    if kept.topologies is not None:
        found["episodes"]["topology"] = recordings.topology_codes(kept)
    return found | metrics.summary(kept)
