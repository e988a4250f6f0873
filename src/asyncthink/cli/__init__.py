"""`asyncthink COMMAND ...`: parse, load, call, publish. A command's module is imported only when it is called."""

import argparse
import codecs
import importlib
import io
import json
import os
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from asyncthink.errors import InputError, nearest, one_line
from asyncthink.workflow import run_lock

INTERRUPTED = 130  # exit code after Ctrl-C
CONTRACT = {
    "schedule": "plans in, critical-path schedules out",
    "parse": "an organizer's text in, its actions out",
    "grade": "items with answers in, scores out",
    "check-golds": "right answers of mathematics in, those that do not equal themselves out",
    "think": "one episode, live",
}
STEPS = {
    "puzzles": "multi-solution countdown items for training, validation and test",
    "items": "the items of a further training or test set, generated or loaded",
    "synthesize": "demonstrations of a thinking form, written by a teacher",
    "filter": "keep the demonstrations whose format is right",
    "pretrain": "the base model, from scratch",
    "sft": "stage 1: cold-start format fine-tuning",
    "grpo": "stage 2: reinforcement learning",
    "evaluate": "record an arm's episodes on the test items",
    "measure": "the metrics of recorded episodes",
    "tables": "every table, from the recorded metrics",
    "claims": "the ledger of claims, with verdicts",
    "case_studies": "choose the episodes that the report shows in full, by rules",
    "report": "the report, one self-contained page",
}
TOOLS = {
    "open": "the report, or the page of episodes, in the browser",
    "compare": "two evaluations or two runs: differences with intervals",
    "page": "a page on which each recorded episode's fork-join timeline can be read",
    "scale": "write params.yaml for another scale",
    "doctor": "what is here, what is missing, which scale fits",
    "estimate": "device hours, disk and API cost of params.yaml, before anything runs",
    "stage": "run a stage of dvc.yaml: what is stale of one rule",
    "unlock": "after a kill: free what the run had locked; the next run does so by itself",
    "record": "after a Snakemake run: write what was made into dvc.lock",
    "reference": "put this run's seeds into the committed reference",
    "adopt": "after a checkout or a pull: tell Snakemake that the files are up to date",
    "completion": "what a shell evaluates to complete commands and flags",
}
COMMANDS = CONTRACT | STEPS | TOOLS
IN_THE_ROOT = ("scale", "stage", "unlock", "record", "adopt")  # they work on the project in this folder


def main(argv: list[str] | None = None) -> int:
    """Run one command; bad input, a full disk, a file out of reach: one line on standard error and exit code 2."""
    _open_streams()
    words = sys.argv[1:] if argv is None else argv
    name = words[0] if words and words[0] in COMMANDS else ""
    if name in STEPS:
        run_lock.end_with_run()
        # As in the graph, where a rule has one thread unless its profile says more: how many cores a machine has
        # decides in which order sums are rounded, and so no result.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        if not name:
            _refuse(words)
        return _called(name, words[1:])
    except InputError as error:
        said, code = str(error), 2
    except KeyboardInterrupt:
        kept = "; what is finished is kept, and the same command goes on" if name in (*STEPS, "stage") else ""
        said, code = f"interrupted{kept}", INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        said, code = f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}", 2
    print(f"{f'asyncthink {name}'.strip()}: {one_line(said)}", file=sys.stderr)
    return code


def _open_streams() -> None:
    """Streams that a shell has closed read and write nothing; what is printed may hold any letter, in any locale."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for the whole run
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("json", _escaped)
        sys.stdout.reconfigure(errors="json")


def _escaped(refused: UnicodeError) -> tuple[str, int]:
    """Letters that a locale does not have, as JSON says them: a line of JSON stays one."""
    if not isinstance(refused, UnicodeEncodeError):
        raise refused
    return json.dumps(refused.object[refused.start : refused.end])[1:-1], refused.end


class Parser(argparse.ArgumentParser):
    """Refuses in one line, as everything here does, and not below a usage of many."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def _refuse(words: list[str]) -> NoReturn:
    """Say which commands there are, or which one was meant, and end the program."""
    parser = Parser(prog="asyncthink", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.epilog = "\n".join(f"  {command:<12} {text}" for command, text in COMMANDS.items())
    parser.epilog += "\n\n`asyncthink COMMAND --help` shows its flags and an example."
    parser.add_argument("--version", action="version", version=f"asyncthink {metadata.version('asyncthink')}")
    parser.add_argument("command", metavar="COMMAND", help="one of those below")
    name = parser.parse_args(words[:1]).command
    parser.error(f"no command {name!r}; {nearest(name, COMMANDS)}")


def described(name: str, parser: argparse.ArgumentParser) -> ModuleType:
    """Give a parser the flags and the help of a command; the command's module."""
    parser.description, parser.formatter_class = COMMANDS[name], argparse.RawDescriptionHelpFormatter
    command = importlib.import_module(f"asyncthink.cli.{name.replace('-', '_')}")
    if hasattr(command, "arguments"):  # some have none
        command.arguments(parser)
    parser.epilog = f"{parser.epilog or ''}\n\nexample:\n  {command.EXAMPLE}".strip()
    return command


def _check_apart(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Refuse to write over what is read, or twice to one place: the first of both would be lost."""
    seen: dict[Path, str] = {}
    for action in sorted(parser._actions, key=lambda action: (action.help or "").startswith("written")):
        name, value = (action.option_strings or [action.dest])[0], getattr(given, action.dest, None)
        for path in value if isinstance(value, list) else [value]:
            if not isinstance(path, Path):
                continue
            first = seen.setdefault(path.parent.resolve() / path.name, name)  # a link itself is replaced
            if first != name and (action.help or "").startswith("written"):
                parser.error(f"{name} would be written over {first}: {path}")


def _called(name: str, words: list[str]) -> int:
    """Run a command with its arguments; its exit code."""
    parser = Parser(prog=f"asyncthink {name}")
    command = described(name, parser)
    given, unknown = parser.parse_known_args(words)
    if unknown:
        flag = unknown[0].partition("=")[0]
        hint = f"; {nearest(flag, parser._option_string_actions)}" if flag.startswith("-") else ""
        parser.error(f"unrecognized argument {flag}{hint}")
    _check_apart(parser, given)
    if name in IN_THE_ROOT:
        from asyncthink.config.params import check_root

        check_root()
    return command.run(given) or 0
