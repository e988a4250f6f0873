"""`asyncthink filter`: keep the demonstrations whose format is right, and say why the others go."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.files import write_json, write_json_lines
from asyncthink.synthesis import demonstration, format_filter
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.surfaces import SURFACES

EXAMPLE = r"""asyncthink filter --arm asyncthink --demonstrations data/synthesize/asyncthink.jsonl \
    --kept work/kept.jsonl --rejected work/rejected.jsonl --metrics work/filter.json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--arm", required=True, help="the first arm with this cold start: asyncthink, for no_rl too")
    parser.add_argument("--demonstrations", type=Path, required=True, help="what `synthesize` wrote, JSON Lines")
    parser.add_argument("--kept", type=Path, required=True, help="written: JSON Lines")
    parser.add_argument("--rejected", type=Path, required=True, help="written: JSON Lines, with a reason each")
    parser.add_argument("--metrics", type=Path, required=True, help="written: what the kept corpus is like")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params).arm_params(args.arm)
    thinking, count = settings.thinking, SURFACES[settings.thinking.prompts].count
    reasons: list[str] = []
    demonstration.write(args.kept, _kept(args, settings, reasons))
    report = format_filter.report(demonstration.read(args.kept), reasons, thinking, count)
    write_json(args.metrics, {"arm": args.arm, **report})
    print(f"filter {args.arm}: kept {report['kept']:,} of {report['demonstrations']:,} traces", file=sys.stderr)


def _kept(args: argparse.Namespace, settings: params.Params, reasons: list[str]) -> Iterator[Demonstration]:
    """Those that are kept, one at a time; then the others are written, and too few that are kept is an error."""
    thinking, count = settings.thinking, SURFACES[settings.thinking.prompts].count
    rejected: list[dict[str, Any]] = []
    kept = 0
    for written in demonstration.read(args.demonstrations):
        if reason := format_filter.reason(written, thinking, count):
            reasons.append(reason)
            rejected.append({"reason": reason, **demonstration.to_mapping(written)})
        else:
            kept += 1
            yield written
    write_json_lines(args.rejected, rejected)
    _check(kept, reasons, settings.filter.fewest_kept, args.rejected)


def _check(kept: int, reasons: Sequence[str], fewest: float, rejected: Path) -> None:
    total = kept + len(reasons)
    if kept and kept >= fewest * total:
        return
    if not total:
        raise InputError("no traces to filter; run synthesize again")
    why, times = Counter(reasons).most_common(1)[0]
    raise InputError(f"kept {kept:,} of {total:,} traces; see {rejected}, most common reason: {why} ({times:,})")
