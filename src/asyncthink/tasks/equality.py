"""Mathematical equality, decided by a process of its own with a limit of CPU time.

An answer like 9^{9^{9}} can keep a computer algebra system busy for ever, in code that no exception interrupts. So one
worker process (`judge`) does all comparisons, and a timer of CPU time whose default action is death stands over each.
Wall time decides nothing: a worker that is slow to answer is waited for, and where that would never end, the run ends
with an error and no verdict. The worker also dies with its input, so it never outlives its parent by more than the
limit.
"""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from multiprocessing.connection import wait

from asyncthink.errors import InputError
from asyncthink.tasks import judge
from asyncthink.tasks.judge import Verdict
from asyncthink.tasks.preparation import plain

LIMIT = 10.0  # seconds of CPU time a comparison; ordinary ones take a few hundredths
PATIENCE = 3600  # seconds of wall time that a worker is waited for


class Comparer:
    """A worker process that is started when it is needed and again when it died; for any thread, and after a fork."""

    def __init__(self, limit: float = LIMIT, patience: int = PATIENCE) -> None:
        self.limit, self.patience = limit, patience
        self._worker: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def compare(self, gold: str, answer: str) -> Verdict:
        """Whether `answer` is worth `gold`, both as LaTeX or plain text; a line on standard error if time runs out.

        Texts that are equal are equal, whatever the library makes of them; the rest is for the worker. One that died of
        anything but its limit gets one successor; InputError when that dies too.
        """
        if plain(gold) == plain(answer) != "":
            return Verdict.EQUAL
        question = json.dumps([gold, answer]).encode() + b"\n"
        status = 0
        with self._lock:
            for _ in range(2):
                if reply := self._asked(question):
                    return Verdict(reply.decode().strip())
                status = self._buried()
                if status == -signal.SIGPROF:
                    print(f"out of time ({self.limit:g} s of CPU): is {answer[:60]!a} {gold[:60]!a}?", file=sys.stderr)
                    return Verdict.OUT_OF_TIME
        raise InputError(f"comparing {answer[:60]!a} with {gold[:60]!a}: the process {_died(status)}, twice")

    def equal(self, gold: str, answer: str) -> bool:
        """Whether the two are known to be equal."""
        return self.compare(gold, answer) is Verdict.EQUAL

    def close(self) -> None:
        """End the worker process."""
        with self._lock:
            self._end()

    def _asked(self, question: bytes) -> bytes:
        """The worker's line, empty if it died."""
        worker = self._running()
        try:
            assert worker.stdin
            worker.stdin.write(question)
            worker.stdin.flush()
            return self._line(worker)
        except BrokenPipeError:
            return b""
        except BaseException:  # an interrupt: the next line of this worker would answer the wrong question
            self._end()
            raise

    def _line(self, worker: subprocess.Popen[bytes]) -> bytes:
        """Its next line. Waiting is counted in looks of a second, so that a parent that was stopped loses only one."""
        assert worker.stdout
        if any(wait([worker.stdout.fileno()], timeout=1) for _ in range(self.patience)):
            return worker.stdout.readline()
        raise InputError(
            f"a comparison has not ended in {self.patience} s, and was to take {self.limit:g} s of CPU time at most: "
            "its process is stopped or gets no processor; run it again when the machine is less busy"
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._worker is None or self._owner != os.getpid():
            command = [sys.executable, "-c", f"from {judge.__name__} import serve; serve({self.limit})"]
            pipe, nowhere, environment = subprocess.PIPE, subprocess.DEVNULL, os.environ | {"PYTHONHASHSEED": "0"}
            self._worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, env=environment)
            self._owner = os.getpid()
            if self._line(self._worker) != b"ready\n":
                problem = f"the process {_died(self._buried())} while it started"
                raise InputError(f"math-verify cannot be asked: {problem}; if it is missing, pip install math-verify")
        return self._worker

    def _end(self) -> None:
        """End the worker; of a parent's worker only this process's copy is forgotten."""
        worker, self._worker = self._worker, None
        if worker is not None and self._owner == os.getpid():
            worker.kill()
            _closed(worker)

    def _buried(self) -> int:
        """The exit status of a worker whose output has ended, however long its end takes."""
        worker, self._worker = self._worker, None
        assert worker
        return _closed(worker)


def _closed(worker: subprocess.Popen[bytes]) -> int:
    assert worker.stdin and worker.stdout
    for pipe in (worker.stdin, worker.stdout):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
    return worker.wait()


def _died(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name} (out of memory, perhaps)"


_COMPARER = Comparer()
atexit.register(_COMPARER.close)
compare, equal = _COMPARER.compare, _COMPARER.equal
