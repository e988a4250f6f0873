"""`asyncthink measure EPISODES`: JSON Lines of episodes in, one JSON object of metrics for each group out."""

import argparse
import json

EXAMPLE = "asyncthink measure results/evaluate/countdown/asyncthink/1.jsonl.gz"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("episodes", metavar="EPISODES.jsonl[.gz]", help="recorded episodes; - for standard input")


def run(args: argparse.Namespace) -> None:
    from asyncthink.evaluation.measure import measure, rescored

    for line in measure(rescored(args.episodes)):
        print(json.dumps(line, ensure_ascii=False, allow_nan=False))
