"""The process that compares: a line [gold, answer] in, a line with the verdict out, each within a limit of CPU time.

Nothing that it says depends on how busy the machine is, on what it compared before, or on chance: it loads and warms
up before it says that it is ready, its limit counts the CPU time of the one comparison, and sympy's random points are
the same for each.
"""

import json
import logging
import os
import signal
import sys
from enum import StrEnum

MEMORY = 4 << 30  # bytes that the process may address
WARM_UP = ((r"\frac{1}{2}", "0.5"), (r"\sqrt{8}", r"2\sqrt{2}"), ("(1,2]", "x>3"), (r"\{1,x\}", r"\{x+0,1\}"))


class Verdict(StrEnum):
    """What a comparison ends in."""

    EQUAL = "equal"
    DIFFERENT = "different"
    OUT_OF_TIME = "out of time"


def serve(limit: float) -> None:
    """Answer until the input ends; a comparison that takes more than `limit` seconds of CPU time ends the process."""
    import resource

    from asyncthink.tasks.comparison import equal

    logging.disable(logging.CRITICAL)  # math-verify warns that its own limits, of wall time, are off
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever the libraries print
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when it ends
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # death: no exception interrupts a computer algebra system
    for gold, answer in WARM_UP:
        equal(gold, answer)
    out.write(b"ready\n")
    for line in sys.stdin.buffer:
        gold, answer = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, limit)
        verdict = Verdict.EQUAL if equal(gold, answer) else Verdict.DIFFERENT
        signal.setitimer(signal.ITIMER_PROF, 0)
        out.write(verdict.encode() + b"\n")
