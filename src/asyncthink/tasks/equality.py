"""Mathematical equality as the math-verify library decides it, in a process of its own with a time limit.

An answer like 9^{9^{9}} can keep a computer algebra system busy for ever, in code that no exception interrupts. So one
worker process does all comparisons, and an alarm whose default action is death stands over each: what takes longer
than the limit is not equal, and the next comparison starts a new worker. The worker also dies with its input, so it
never outlives its parent by more than the limit.
"""

import atexit
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from typing import Any

from asyncthink.errors import InputError

LIMIT = 5.0  # seconds a comparison
MEMORY = 4 << 30  # bytes that the worker may address
_PROSE = re.compile(r"\$|\\\(|\\\[|\\boxed|\*\*[0-9]|(?<![\\A-Za-z])[A-Za-z]{2,}[,:]?\s+[A-Za-z]{2,}")


class Comparer:
    """A worker process that is started when it is needed and again when it died; for any thread, and after a fork."""

    def __init__(self, limit: float = LIMIT) -> None:
        self.limit = limit
        self._worker: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def equal(self, gold: str, answer: str) -> bool:
        """Whether `answer` is worth `gold`; both as LaTeX or plain text. False behind the time limit.

        A worker that died of anything else, killed from outside or out of memory, gets one successor.
        """
        question = json.dumps([gold, answer]).encode() + b"\n"
        with self._lock:
            for _ in range(2):
                verdict = self._asked(question)
                if verdict or self._end() == -signal.SIGALRM:
                    break
            return verdict == b"true\n"

    def close(self) -> None:
        """End the worker process."""
        with self._lock:
            self._end()

    def _asked(self, question: bytes) -> bytes:
        """The worker's line, empty if it died."""
        worker = self._running()
        assert worker.stdin and worker.stdout
        try:
            worker.stdin.write(question)
            worker.stdin.flush()
            return worker.stdout.readline()
        except BrokenPipeError:
            return b""
        except BaseException:  # an interrupt: the next line of this worker would answer the wrong question
            self._end()
            raise

    def _running(self) -> subprocess.Popen[bytes]:
        if self._worker is None or self._owner != os.getpid():
            command = [sys.executable, "-c", f"from {__name__} import serve; serve({self.limit})"]
            pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
            self._worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere)
            self._owner = os.getpid()
            assert self._worker.stdout
            if self._worker.stdout.readline() != b"ready\n":
                self._end()
                raise InputError("the math-verify library does not start; run pip install math-verify")
        return self._worker

    def _end(self) -> int | None:
        """End the worker; its exit status, which is the alarm's signal if that ended it before."""
        worker, self._worker = self._worker, None
        if worker is None or self._owner != os.getpid():
            return None
        assert worker.stdin and worker.stdout
        for pipe in (worker.stdin, worker.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        try:
            return worker.wait(timeout=1)  # its input has ended, so an idle worker ends by itself
        except subprocess.TimeoutExpired:
            worker.kill()
            return worker.wait()


_COMPARER = Comparer()
atexit.register(_COMPARER.close)
equal = _COMPARER.equal


def serve(limit: float) -> None:
    """The worker: a line [gold, answer] in, a line true or false out."""
    import logging
    import resource

    from math_verify import verify

    logging.disable(logging.CRITICAL)  # it warns that its own time limits are off: ours is harder
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever the libraries print
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when it ends
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    out.write(b"ready\n")
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, limit)
        gold, answer = json.loads(line)
        try:
            same = verify(_forms(gold), _forms(answer), timeout_seconds=None)
        except Exception:  # whatever a computer algebra system may raise, the two are not known to be equal
            same = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        out.write(b"true\n" if same else b"false\n")


def _forms(text: str) -> list[Any]:
    """What math-verify reads: bare LaTeX is set as a formula, prose and text with formulas of its own stands."""
    from math_verify import parse

    if not _PROSE.search(text):
        found = parse(f"${text}$", parsing_timeout=None)
        if any(not isinstance(form, str) for form in found):
            return found
    return parse(text, parsing_timeout=None)
