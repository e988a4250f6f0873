"""Decoding a test set: every item, answered by an arm's model in its way of thinking, as Episodes.

The headline comes first, then each variant of params.yaml that names the arm (other budgets, another n). All of them
share their sampling seeds, so that a variant differs from the headline by what it overrides and nothing else.
The work is done in chunks of whole items, each recorded once; a killed run goes on after its last one. What had
finished of the chunk after it is kept too, unless the engine repeats whole runs to the byte and a part of one would not
be equal. Nothing is measured here, so that a change of a measure decodes nothing again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from asyncthink.engines import Engine, Identity, run
from asyncthink.episode import Episode
from asyncthink.evaluation import episode_chunks
from asyncthink.evaluation.recording import Recording
from asyncthink.progress import Progress
from asyncthink.settings import COUNTDOWN, HEADLINE, Arm, Reward, Thinking
from asyncthink.thinking import THINKING
from asyncthink.thinking.scoring import finish

CHUNK = 256  # episodes that are decoded side by side, or those of one item where it has more


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

    def config(self, thinking: Thinking) -> dict[str, dict[str, Any]]:
        """The parameters behind an evaluation; only an organizer is paid for concurrency."""
        sections = {"thinking": asdict(thinking), "arm": asdict(self.arm_settings)}
        return sections | ({"reward": asdict(self.reward)} if self.arm_settings.mode == "asynchronous" else {})

    def fingerprint(self) -> dict[str, Any]:
        """All that the episodes depend on beside the model and the items; chunks of two engines are never mixed."""
        named = {key: getattr(self, key) for key in ("test_set", "split", "task", "arm", "seed", "samples")}
        return {**named, "evaluations": self.settings(), "chunk": CHUNK, "engine": asdict(self.engine)}

    def settings(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The parameters behind each evaluation."""
        return {name: self.config(thinking) for name, thinking in self.evaluations.items()}

    def recording(self, items_hash: str) -> Recording:
        """What stands beside the episodes."""
        engine = self.engine
        return {
            "scale": self.scale,
            "test_set": self.test_set,
            "task": self.task,
            "arm": self.arm,
            "seed": self.seed,
            "engine": {"name": engine.name, "version": engine.version, "exact": engine.exact},
            "items": {"count": len(self.items), "split": self.item_set, "sha256": items_hash},
            "samples": self.samples,
            "evaluations": self.settings(),
        }


def record(subject: Subject, engine: Engine, path: Path) -> None:
    """Record all episodes of a subject, the headline's first, in the order of items and samples."""
    evaluations = subject.evaluations
    chunks = [(name, keys) for name in evaluations for keys in _chunks(subject)]
    progress = Progress(subject.title, sum(len(keys) for _, keys in chunks), "episodes")
    recorded, done = episode_chunks.whole(path), 0
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
    progress.end()


def _chunks(subject: Subject) -> Iterator[list[tuple[int, int]]]:
    """Keys (index, sample), every sample of an item in one chunk."""
    items = max(1, CHUNK // subject.samples)
    for start in range(0, len(subject.items), items):
        indices = range(start, min(start + items, len(subject.items)))
        yield [(index, sample) for index in indices for sample in range(subject.samples)]


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
    traces = [replace(trace, prompt_ids=[], ids=[], logprobs=[], policy=[]) for trace in recorded.traces]
    return replace(recorded, traces=traces)
