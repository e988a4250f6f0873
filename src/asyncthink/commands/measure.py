"""`asyncthink measure EPISODES`: JSON Lines of episodes in, one JSON object of metrics for each group out."""

import argparse
import json


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("episodes", metavar="EPISODES.jsonl[.gz]", help="recorded episodes; - for standard input")
    parser.add_argument("--resamples", type=int, default=2000, help="of the bootstrap behind the intervals")


def run(args: argparse.Namespace) -> None:
    from asyncthink.evaluation.measure import measure, rescored

    path = "/dev/stdin" if args.episodes == "-" else args.episodes
    for line in measure(rescored(path), args.resamples):
        print(json.dumps(line, ensure_ascii=False, allow_nan=False))
