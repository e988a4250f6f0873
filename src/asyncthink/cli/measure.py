"""`asyncthink measure EPISODES`: JSON Lines of episodes in, one JSON object of metrics for each group out.

The graph has it write the metrics file of a recording instead, with the measures of single episodes in it.
"""

import argparse
import json
from pathlib import Path

EXAMPLE = "asyncthink measure results/evaluate/countdown/asyncthink/1.jsonl.gz"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("episodes", metavar="EPISODES.jsonl[.gz]", help="recorded episodes; - for standard input")
    parser.add_argument("--recording", type=Path, help="what `evaluate` wrote beside them, for --metrics")
    parser.add_argument("--metrics", type=Path, help="written in place of the lines: metrics with intervals, JSON")


def run(args: argparse.Namespace) -> None:
    from asyncthink.errors import InputError
    from asyncthink.evaluation import measure, recordings

    if (args.recording is None) != (args.metrics is None):
        raise InputError("--recording and --metrics belong together; give both, or none to print the metrics")
    groups = measure.measured(args.episodes)
    if args.metrics is None:
        for line in measure.lines(groups):
            print(json.dumps(line, ensure_ascii=False, allow_nan=False))
    else:
        recording = recordings.read_record(args.recording, measure.RECORDING, "a recording of `asyncthink evaluate`")
        recordings.write(args.metrics, measure.metrics_file(recording, groups))
