"""`asyncthink completion SHELL`: what a shell evaluates to complete commands, flags and files."""

import argparse
from pathlib import Path

FILES = ("file", "episodes", "page", "params")  # some are read as texts, as - for standard input is
EXAMPLE = 'eval "$(asyncthink completion bash)"'


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the one that is at work")
    parser.epilog = "The example's line, put into ~/.bashrc, completes in every new shell."


def run(args: argparse.Namespace) -> None:
    import shtab

    from asyncthink import cli

    parser = argparse.ArgumentParser(prog="asyncthink")
    parser.add_argument("--version", action="store_true")
    commands = parser.add_subparsers()
    for name, text in cli.COMMANDS.items():
        own = commands.add_parser(name, help=text)
        cli.described(name, own)
        for action in own._actions:
            if action.type is Path or (action.dest in FILES and not action.choices):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=args.shell))
