"""One GRPO step over episodes, beside a step of stock TRL on single traces of the same total length.

Both sample as many rows as nano's step has, from nano's architecture, score them, and make one update with Adam. Ours
are episodes of the solver teacher, said again by an engine that really decodes as many tokens (see replay). TRL's rows
are single traces of as many tokens as an episode has over all its agents, decoded by transformers' generate. Ours also
measures the KL divergence from the start, as every step does, and TRL's stock step does not.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from asyncthink.models import language_model
from asyncthink.training import grpo
from asyncthink.training.checkpoints import Scratch
from asyncthink.training.episode_trainer import EpisodeTrainer, Settings
from asyncthink.training.resumption import Run
from asyncthink.training.samplers import Sampler, Tolerance
from benchmarks import record, replay, timing

REPEATS = 2
PROMPTS = 12
GROUP = 8


def measure() -> record.Row:
    """Processor seconds of one step."""
    with tempfile.TemporaryDirectory() as folder:
        given = replay.nano()
        model, tokenizer = replay.random_model(given)
        start = Path(folder) / "start"
        model.save_pretrained(start)
        tokenizer.save_pretrained(start)
        steps = Steps(given, start, Path(folder))
        ours, theirs = timing.alternating(steps.ours, steps.theirs, REPEATS, steps.seconds)
        decoded, peer_decoded = steps.checked()
    return {
        "what": f"one GRPO step, {PROMPTS} × {GROUP} episodes",
        "against": "stock TRL GRPOTrainer, single traces of the same total length",
        "goal": "≤ 0.6 of its CPU time",
        "ratio": timing.ratio(ours, theirs),
        "unit": "CPU s a step",
        "ours": ours,
        "theirs": theirs,
        "checked": f"as many parameters and rows; {decoded:,} and {peer_decoded:,} tokens decoded",
    }


class Steps:
    """Trainers of both kinds, each for one step from the same weights."""

    def __init__(self, given: Any, start: Path, folder: Path) -> None:
        self.given, self.start, self.folder = given, start, folder
        self.written = replay.demonstrations(given, PROMPTS * GROUP, PROMPTS)
        words = sum(len(text.split()) for one in self.written for text in (one.organizer, *one.workers.values()))
        self.length = round(words / len(self.written))
        self.made = 0
        self.engines: list[replay.Replay] = []
        self.trained: list[Any] = []

    def seconds(self, make: Callable[[], Any]) -> float:
        """Of a trainer's one step, without making the trainer."""
        self.trained = [*self.trained[-1:], make()]
        return timing.cpu(self.trained[-1].train)

    def checked(self) -> tuple[int, int]:
        """Tokens that each side decoded in its last step; AssertionError where the two do not learn from as much."""
        own, peer = self.trained
        assert own.model.num_parameters() == peer.model.num_parameters(), "the two sides train different models"
        decoded, peer_decoded = self.engines[-1].tokens, sampled(peer, len(self.written))
        assert abs(decoded / peer_decoded - 1) < 0.02, f"one side decodes {decoded} tokens, the other {peer_decoded}"
        return decoded, peer_decoded

    def ours(self) -> EpisodeTrainer:
        """Our trainer, whose engine says the demonstrations: sample s of item i says demonstration i + s * PROMPTS."""
        own = replace(self.given.grpo, steps=1, prompts_per_step=PROMPTS, group=GROUP, checkpoint_every=1000)
        settings = Settings(self.given.arm, replay.unlimited(self.given.thinking), self.given.reward, own)
        self.made += 1
        run = Run("benchmark", 1, Scratch(self.folder / f"scratch-{self.made}"))
        items = [one.item for one in self.written[:PROMPTS]]
        sampler = Sampler("replay", self._replay, lambda *_: None, Tolerance(inf, inf), "")
        return grpo.trainer_of(settings, run, self.start, items, sampler)

    def _replay(self, trainer: Any) -> replay.Replay:
        self.engines.append(replay.Replay(replay.Local(trainer.model, trainer.processing_class), self._said))
        return self.engines[-1]

    def _said(self, seeds: tuple[Any, ...]) -> Any:
        *_, item, sample = seeds
        return self.written[item + sample * PROMPTS]

    def theirs(self) -> GRPOTrainer:
        """TRL's own, in its defaults where they are not a matter of size."""
        model, tokenizer = language_model.load(self.start)
        tokenizer.eos_token = replay.word_tokenizer.EOS  # TRL cannot do without
        self.made += 1
        rows = [{"prompt": "<organizer> " + " ".join(map(str, one.item["numbers"]))} for one in self.written[:PROMPTS]]
        config = GRPOConfig(
            output_dir=str(self.folder / f"trl-{self.made}"),
            per_device_train_batch_size=PROMPTS * GROUP,
            steps_per_generation=1,
            num_generations=GROUP,
            max_completion_length=self.length,
            generation_kwargs={"min_new_tokens": self.length, "eos_token_id": tokenizer.eos_token_id},
            max_steps=1,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        return GRPOTrainer(
            model, [_unequal], args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
        )


def sampled(trainer: Any, rows: int) -> int:
    """Tokens of all rows that TRL's trainer says it sampled in its last step."""
    means = [log["completions/mean_length"] for log in trainer.state.log_history if "completions/mean_length" in log]
    return round(means[-1] * rows)


def _unequal(completions: list[Any], **_: Any) -> list[float]:
    """Rewards that differ within a group, so that the update is one."""
    return [float(place % 2) for place, _ in enumerate(completions)]


if __name__ == "__main__":
    record.main(measure)
