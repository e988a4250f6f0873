"""A training that takes a step whenever it is told to, by whichever package PYTHONPATH has: the child of turns.

    python benchmarks/training_steps.py grpo FOLDER

It reads what `turns.prepared` wrote there. After each line on standard input it takes a step and writes a JSON object:
processor seconds, and what the step's loss and gradient were. What differs between the package as it is and commit
c844dab is told apart in `trainer`, and nowhere else.
"""

import json
import os
import sys
import time
from collections import deque
from dataclasses import fields, replace
from itertools import cycle
from math import inf
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from asyncthink.engines import Completion, Request
from asyncthink.engines.local import Local
from asyncthink.files import read_json_lines
from asyncthink.synthesis import demonstration
from asyncthink.training import grpo, pretrain, samplers, sft
from asyncthink.training.checkpoints import Scratch

try:
    from asyncthink import params
    from asyncthink.training import language_model

    EARLIER = True
except ImportError:
    from asyncthink.config import params
    from asyncthink.models import language_model, word_tokenizer
    from asyncthink.synthesis.documents import Document
    from asyncthink.training.episode_trainer import Settings
    from asyncthink.training.resumption import Run

    EARLIER = False

SEED = 1
CORPUS = 1_000_000  # tokens, of which the first steps are taken
NEVER = ("no such text",)


class Said:
    """An engine that says demonstrations, while the local engine decodes as many tokens.

    `replay` has the same; it imports what commit c844dab lacks, so what both sides need stands here.
    """

    def __init__(self, local: Local, written: list[Any], items: int) -> None:
        self.local, self.written, self.items = local, written, items
        self.encode, self.decode, self.vocabulary = local.encode, local.decode, getattr(local, "vocabulary", None)
        self._stretches: dict[Any, deque[str]] = {}
        self._decoded: dict[Any, tuple[int, tuple[int, ...]]] = {}

    async def __aenter__(self) -> "Said":
        await self.local.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.local.__aexit__(*error)
        self._stretches.clear()
        self._decoded.clear()

    def release(self, trace: Any) -> None:
        self.local.release(trace)
        self._stretches.pop(trace, None)
        self._decoded.pop(trace, None)

    async def complete(self, request: Request) -> Completion:
        text = self._upcoming(request.trace).popleft()
        ids = tuple(self.encode(text))
        known, decoded = self._decoded.get(request.trace, (0, ()))
        context = (*decoded, *request.ids[known:])
        done = await self.local.complete(replace(request, ids=context, stops=NEVER, max_tokens=len(ids)))
        assert len(done.ids) == len(ids), f"{len(done.ids)} tokens were decoded where {len(ids)} are said"
        self._decoded[request.trace] = len(request.ids) + len(ids), (*context, *done.ids)
        return Completion(ids, (0.0,) * len(ids), text.split()[-1])

    def _upcoming(self, trace: Any) -> deque[str]:
        if trace not in self._stretches:
            *_, index, sample, agent = trace
            one = self.written[(index + self.items * sample) % len(self.written)]
            if agent == "organizer":
                self._stretches[trace] = deque(_stretches(one.organizer))
            else:
                self._stretches[trace] = deque([one.workers[int(agent.removeprefix("worker-"))]])
        return self._stretches[trace]


def _stretches(text: str) -> list[str]:
    """An organizer's text, cut after each `</FORK-i>`, `<JOIN-i>` and `</ANSWER>`."""
    parts: list[list[str]] = [[]]
    for word in text.split():
        parts[-1].append(word)
        if word.startswith(("</FORK-", "<JOIN-", "</ANSWER")):
            parts.append([])
    return [" ".join(part) for part in parts if part]


def sampler(written: list[Any], items: int) -> samplers.Sampler:
    """Of those episodes, whose log-probabilities nobody knows."""

    def engine(trainer: Any) -> Said:
        tokenizer = trainer.processing_class
        local = Local(trainer.accelerator.unwrap_model(trainer.model), tokenizer)
        local._ends = frozenset()  # rows are as long as they are asked to be
        return Said(local, written, items)

    chosen = {"engine": engine, "settle": lambda engine, trainer: None}
    if not EARLIER:
        chosen["tolerance"] = samplers.Tolerance(inf, inf)
    return replace(samplers.LOCAL, **chosen)


def trainer(step: str, folder: Path, steps: int) -> Any:
    """The trainer of a step with the inputs of the folder, in either package."""
    language_model.deterministic()
    shared = json.loads((folder / "settings.json").read_text())
    if EARLIER:
        sections = ("puzzles", "thinking", "model", "reward", "pretrain", "sft", "grpo")
        given = params.read(Path(params.__file__).parents[2] / "params.yaml").arm_params("asyncthink")
        own = replace(given, **{name: _known(getattr(given, name), shared[name]) for name in sections})
    else:
        own = params.read(folder / "params.yaml").arm_params("asyncthink")
    own = replace(own, grpo=replace(own.grpo, steps=steps, checkpoint_every=10**6))
    # The two do not take the same tokens for tags: of sixteen Forks one knows eight.
    own = replace(own, sft=replace(own.sft, checkpoint_every=10**6, tag_weight=1.0))
    own = replace(own, pretrain=replace(own.pretrain, checkpoint_every=10**6, tokens=CORPUS))
    scratch = Scratch(folder / f"states-{os.getpid()}")
    return {"grpo": _grpo, "sft": _sft, "pretrain": _pretrain}[step](own, folder, scratch)


def _known(section: Any, values: dict[str, Any]) -> Any:
    return replace(section, **{field.name: values[field.name] for field in fields(section) if field.name in values})


def _grpo(own: Any, folder: Path, scratch: Scratch) -> Any:
    items = read_json_lines(folder / "items.jsonl")
    replayed = sampler(list(demonstration.read(folder / "demonstrations.jsonl")), len(items))
    if EARLIER:
        from asyncthink.training import episode_trainer

        episode_trainer.WIDEST_GAP = inf
        return grpo.trainer_of(own, SEED, folder / "start", items, scratch, "grpo", replayed)
    chosen = Settings(own.arm, own.thinking, own.reward, own.grpo)
    return grpo.trainer_of(chosen, Run("grpo", SEED, scratch), folder / "start", items, replayed)


def _sft(own: Any, folder: Path, scratch: Scratch) -> Any:
    made = read_json_lines(folder / "rows.jsonl")
    sft.rows = lambda *given: made if EARLIER else [sft.Row(**row) for row in made]
    if EARLIER:
        return sft.trainer_of(own, SEED, folder / "start", [], scratch, "sft")
    return sft.trainer_of(own.sft, own.thinking, Run("sft", SEED, scratch), folder / "start", [])


def _pretrain(own: Any, folder: Path, scratch: Scratch) -> Any:
    written = read_json_lines(folder / "documents.jsonl")
    pretrain.measure = lambda *given: {}  # of skills, which are asked for in two languages
    if EARLIER:
        from asyncthink.training.pretrain import documents as own_documents

        kind = own_documents.__globals__["Document"]
        documents = [kind(one["text"], one["weights"]) for one in written]
        pretrain.documents = lambda *key: cycle(documents)
        pretrain.word_tokenizer.build = lambda puzzles: language_model.load(folder / "start")[1]
        return pretrain.trainer_of(own, SEED, [], scratch)
    documents = [Document(one["text"], one["weights"]) for one in written]
    chosen = pretrain.Settings(own.pretrain, own.model, word_tokenizer.build(own.puzzles))
    return pretrain.trainer_of(chosen, Run("pretrain", SEED, scratch), lambda start: cycle(documents))


class Turns(TrainerCallback):
    """Waits for its turn before each step; tells what it took, with what was done between steps."""

    def __init__(self, told: Any) -> None:
        self._told = told

    def on_train_begin(self, *given: Any, **others: Any) -> None:
        self._wait()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **others: Any) -> None:
        if "loss" in logs:
            seconds = time.process_time() - self._begun
            row = {"seconds": seconds, "loss": logs["loss"], "grad_norm": logs["grad_norm"]}
            print(json.dumps(row), file=self._told, flush=True)
            self._wait()

    def _wait(self) -> None:
        if not sys.stdin.readline():
            os._exit(0)
        self._begun = time.process_time()


def main() -> None:
    """Until standard input ends."""
    torch.set_num_threads(1)
    told, sys.stdout = sys.stdout, sys.stderr
    step, folder, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    made = trainer(step, folder, steps)
    made.add_callback(Turns(told))
    made.train()


if __name__ == "__main__":
    main()
