"""`asyncthink check-golds`: right answers in, those that would be graded wrong if they were given as answers out."""

import argparse
import sys
from typing import Any

from asyncthink.cli import json_lines
from asyncthink.tasks.competition_math import equals_itself, right_answer

EXAMPLE = """echo '{"problem": "What is 6 squared, in dollars?", "answer": "$36"}' | asyncthink check-golds"""


def arguments(parser: argparse.ArgumentParser) -> None:
    json_lines.arguments(parser)
    parser.epilog = (
        'A line: {"answer": "204"}, as in a data set of competition math; other keys are passed over.\n'
        'Printed is {"record", "id", "answer"} for each right answer that does not equal itself,\n'
        "and how many there are, on standard error."
    )


def run(args: argparse.Namespace) -> None:
    checked, unequal = 0, 0

    def respond(record: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal checked, unequal
        checked += 1
        answer = right_answer(record)
        if equals_itself(answer):
            return None
        unequal += 1
        return {"record": checked, "id": record.get("id"), "answer": answer}

    json_lines.answer(args, respond)
    print(f"check-golds: {unequal} of {checked} right answers do not equal themselves", file=sys.stderr)
