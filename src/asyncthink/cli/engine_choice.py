"""Which engine decodes: ours, vLLM (in this process or on a server), or any OpenAI-compatible server by text.

Which one there is depends on the machine, so it stands on the command line or in the environment, and not in
params.yaml. No two engines give equal bytes, for they round differently: what was chosen stands in the records, and
Snakemake treats as stale what another one decoded.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncthink.errors import InputError

if TYPE_CHECKING:
    from asyncthink.engines import Engine

FLAGS = {
    "engine": ("ASYNCTHINK_ENGINE", "local | vllm | text; default: vllm where there is a --server, else local"),
    "server": ("ASYNCTHINK_SERVER", "address of a server, like http://127.0.0.1:8000/v1"),
    "served_model": ("ASYNCTHINK_SERVED_MODEL", "its name for the model; default: the first that it lists"),
}
KEY = "ASYNCTHINK_SERVER_KEY"  # only in the environment: a command line can be read by others
# What a vLLM in the process takes belongs to the machine: `vllm_memory` and so on in a cluster's profile.
OWN = {name: f"ASYNCTHINK_VLLM_{name.upper()}" for name in ("memory", "length", "sequences", "sleep")}
LIMITS = {"memory": (1, 95), "length": (1, 10**7), "sequences": (1, 10**5), "sleep": (0, 1)}


@dataclass(frozen=True)
class Own:
    """What a vLLM in this process takes; None leaves it to vLLM, and in training to TRL.

    memory     percent of the GPU
    length     tokens of a sequence, prompt included
    sequences  at once
    sleep      1: it gives its memory back while weights are trained
    """

    memory: int | None = None
    length: int | None = None
    sequences: int | None = None
    sleep: int | None = None

    @classmethod
    def told(cls, environment: Mapping[str, str]) -> "Own":
        """By the environment; InputError for what is no number in its range."""
        given = {name: environment.get(variable, "").strip() for name, variable in OWN.items()}
        for name, value in given.items():
            least, most = LIMITS[name]
            if value and not (value.isdecimal() and least <= int(value) <= most):
                raise InputError(f"{OWN[name]} is {value!r}; allowed: a whole number from {least} to {most}")
        return cls(**{name: int(value) for name, value in given.items() if value})

    @property
    def share(self) -> float | None:
        """Of the GPU's memory."""
        return None if self.memory is None else self.memory / 100

    def vllm(self) -> dict[str, Any]:
        """The arguments of vllm.LLM."""
        wanted = {
            "gpu_memory_utilization": self.share,
            "max_model_len": self.length,
            "max_num_seqs": self.sequences,
        }
        return {name: value for name, value in wanted.items() if value is not None}


@dataclass(frozen=True)
class Choice:
    """name is one of ENGINES; server and served_model belong to those that talk to one, own to a vLLM here.

    The key is never shown.
    """

    name: str
    server: str | None = None
    served_model: str | None = None
    key: str = field(default="none", repr=False)
    own: Own = Own()

    def opened(self, model: Path) -> "Engine":
        """The engine for a model's folder or hub name."""
        return ENGINES[self.name](self, model)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags; each can stand in the environment as well."""
    group = parser.add_argument_group("engine", f"who decodes; the key of a server: {KEY} in the environment")
    for name, (variable, said) in FLAGS.items():
        group.add_argument(f"--{name.replace('_', '-')}", help=f"{said} (environment: {variable})")


def chosen(args: argparse.Namespace, environment: Mapping[str, str]) -> Choice:
    """What the flags say, and the environment where they are silent; InputError if that fits no engine."""
    told = {
        name: getattr(args, name) or environment.get(variable, "").strip() or None
        for name, (variable, _) in FLAGS.items()
    }
    name = told["engine"] or ("vllm" if told["server"] else "local")
    if name not in ENGINES:
        raise InputError(f"no engine {name!r}; allowed: {', '.join(ENGINES)}")
    if name == "local" and told["server"]:
        raise InputError("the engine local has no server; leave --server away, or say --engine vllm or text")
    if name == "text" and not told["server"]:
        raise InputError("the engine text needs a --server, like http://127.0.0.1:8000/v1")
    key = environment.get(KEY, "").strip() or "none"
    return Choice(name, told["server"], told["served_model"], key, Own.told(environment))


def declared(environment: Mapping[str, str]) -> dict[str, str]:
    """What the environment chooses for the steps of a run, as far as it decides their results; {} for the default."""
    choice = chosen(argparse.Namespace(**dict.fromkeys(FLAGS)), environment)
    served = {"served_model": choice.served_model} if choice.served_model else {}
    return {} if choice.name == "local" else {"engine": choice.name} | served


def check_weights(engine: "Engine", model: Path) -> None:
    """InputError where a server says that its weights come from another place than `model`."""
    root = engine.root
    if root is not None and Path(root).resolve() != model.resolve():
        raise InputError(f"the server has its weights from {root}, and not from {model}; serve {model.resolve()}")


def _local(choice: Choice, model: Path) -> "Engine":
    from asyncthink.engines.local import Local
    from asyncthink.models import language_model

    language_model.deterministic()
    return Local(*language_model.placed(model))


def _vllm(choice: Choice, model: Path) -> "Engine":
    from asyncthink.engines import vllm_here
    from asyncthink.engines.vllm import VLLM
    from asyncthink.models import language_model

    words = language_model.load_tokenizer(model)
    if choice.server is None:
        return vllm_here.VLLMHere(vllm_here.load(str(model), **choice.own.vllm()), *words)
    return VLLM(choice.server, *words, choice.served_model, choice.key)


def _text(choice: Choice, model: Path) -> "Engine":
    from asyncthink.engines.text_server import TextServer
    from asyncthink.models import language_model

    assert choice.server is not None  # as `chosen` has seen to
    return TextServer(choice.server, *language_model.load_tokenizer(model), choice.served_model, choice.key)


ENGINES: dict[str, Callable[[Choice, Path], "Engine"]] = {
    "local": _local,
    "vllm": _vllm,
    "text": _text,
}
