"""What a run of the graph is at, and how long it has left: a line for the run and one for each job at work.

How long a job takes is known from jobs of its rule that ended in this run; before there are any, from the estimate,
times how wrong it was for the rules that have ended. What a job at work says itself (progress.py) is better,
and is shown. Good to a factor of two at the start, and better with every job that ends.
"""

import atexit
import logging
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import Any, TextIO

from asyncthink import progress
from asyncthink.config.params import Params
from asyncthink.settings import COUNTDOWN
from asyncthink.workflow import estimate, machine

EVERY = {True: 15.0, False: 60.0}  # seconds between two reports: on a terminal, in a file
SHORT = 12.0  # seconds of a job that computes little: mostly its start
OVERDUE = 0.25  # of its time so far, which a job that was expected to have ended still takes
WIDEST = 150  # letters of a job's line
REPORT = Path("results/report")
INTERRUPTED = threading.Event()  # by Ctrl-C


@dataclass(frozen=True)
class Started:
    """A job at work since a time on the monotonic clock; its title is its name and its seed."""

    name: str
    title: str
    since: float


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """Which of a rule's jobs it is, seeds apart, as the estimate names its load: `grpo asyncthink`."""
    test_set = wildcards.get("test_set", COUNTDOWN)
    words = (rule, wildcards.get("arm"), None if test_set == COUNTDOWN else test_set)
    return " ".join(word for word in words if word)


def estimated(params: Params, device: str) -> dict[str, float]:
    """Seconds a job by the estimate's names; rules that compute little are not in it."""
    count, rate, seeds = estimate.parameters(params), estimate.rate(params, device), len(params.seeds)
    fit = estimate.fitting(params, rate)
    return {load.step: 3600 * load.hours(count, rate, fit) / seeds + SHORT for load in estimate.loads(params)}


def span(seconds: float) -> str:
    """`about 14 min`, `less than a minute`."""
    minutes = round(seconds / 60)
    if minutes >= 120:
        return f"about {minutes / 60:.1f} h"
    return f"about {minutes} min" if minutes else "less than a minute"


class Durations:
    """How long jobs take: as those of their rule that ended, else as estimated, times how wrong that was so far."""

    def __init__(self, known: Mapping[str, float]) -> None:
        self.known = known
        self.ended: dict[str, list[float]] = defaultdict(list)
        self.took = self.thought = 0.0

    def end(self, name: str, seconds: float) -> None:
        """A job has ended."""
        self.ended[name.split()[0]].append(seconds)
        if name in self.known:
            self.took += seconds
            self.thought += self.known[name]

    def of(self, name: str) -> float:
        """Seconds that a job is expected to take."""
        if ended := self.ended[name.split()[0]]:
            return fmean(ended)
        return self.known[name] * (self.took / self.thought if self.thought else 1.0) if name in self.known else SHORT


class Outlook(logging.Handler):
    """Listens to Snakemake's events, and tells on `stream` every few seconds until the interpreter ends."""

    def __init__(
        self,
        jobs: Iterable[str],
        known: Mapping[str, float],
        lanes: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.waiting, self.durations, self.lanes = list(jobs), Durations(known), max(lanes, 1)
        self.stream, self.clock = stream or sys.stderr, clock
        self.total, self.done = len(self.waiting), 0
        self.running: dict[int, Started] = {}

    def start(self) -> None:
        """Tell from now on, in a thread that holds up nothing."""
        threading.Thread(target=self._repeat, daemon=True).start()

    def _repeat(self) -> None:
        while True:
            time.sleep(EVERY[self.stream.isatty()])
            self.acquire()
            try:
                report = self.report()
            finally:
                self.release()
            if report and not INTERRUPTED.is_set():
                print(report, file=self.stream, flush=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Follow jobs from their start to their end; other events are not ours."""
        told = vars(record)
        if told.get("event") == "job_info":
            self._begin(told["jobid"], told["rule_name"], dict(told["wildcards"] or {}))
        elif told.get("event") == "job_finished":
            self._end(told["job_id"])
        elif told.get("event") == "job_error":
            self._fail(told["jobid"])

    def _begin(self, number: int, rule: str, wildcards: Mapping[str, str]) -> None:
        name = job_name(rule, wildcards)
        if name in self.waiting:
            self.waiting.remove(name)
        title = f"{name} {wildcards.get('seed', '')}".strip()
        progress.forget(title)  # of a run that was stopped
        self.running[number] = Started(name, title, self.clock())

    def _end(self, number: int) -> None:
        if job := self.running.pop(number, None):
            self.done += 1
            self.durations.end(job.name, self.clock() - job.since)

    def _fail(self, number: int) -> None:
        """A job that failed is yet to be done, by a retry or another run, and says nothing of how long one takes."""
        if job := self.running.pop(number, None):
            self.waiting.append(job.name)

    def left(self) -> float:
        """Seconds until the last job ends, if `lanes` jobs run side by side and none waits for another."""
        running = [self._left(job) for job in self.running.values()]
        work = sum(running) + sum(map(self.durations.of, self.waiting))
        return max([work / self.lanes, *running])

    def _left(self, job: Started) -> float:
        note, so_far = progress.read(job.title), self.clock() - job.since
        return note.left if note else max(self.durations.of(job.name) - so_far, OVERDUE * so_far)

    def report(self) -> str:
        """What to tell now; empty while nothing runs."""
        if not self.running:
            return ""
        head = f"{self.done} of {self.total} jobs done, {span(self.left())} left"
        return "\n".join([head, *(f"  {self._line(job)}" for job in self.running.values())])

    def _line(self, job: Started) -> str:
        note = progress.read(job.title)
        return f"{job.title}: {note.line if note else f'running for {self.clock() - job.since:.0f} s'}"[:WIDEST]


def brief(workflow: Any) -> None:
    """Let a dry run count its jobs and say why they would run, in place of a paragraph on each of them."""
    from snakemake.logging import logger

    if workflow.output_settings.dryrun and machine.told("every job"):
        logger.addFilter(lambda record: getattr(record, "event", None) not in ("job_info", "shellcmd"))


def follow(workflow: Any, params: Params) -> None:
    """Tell how a run of Snakemake gets on, from its start; not where it was asked to be quiet about its progress."""
    from snakemake.logging import logger

    signal.signal(signal.SIGINT, _interrupt)
    logger.addFilter(lambda record: not INTERRUPTED.is_set())
    if {"progress", "all"} & {str(part).lower() for part in workflow.output_settings.quiet or ()}:
        return
    jobs = [job_name(job.rule.name, job.wildcards_dict) for job in workflow.dag.needrun_jobs()]
    settings, gpu = workflow.resource_settings, machine.has_gpu()
    lanes = settings.nodes or (1 if gpu else settings.cores)
    outlook = Outlook(jobs, estimated(params, "gpu" if gpu else "cpu"), lanes)
    logger.addHandler(outlook)
    outlook.start()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """On Ctrl-C Snakemake stops; what it then says of each job that was stopped is not worth reading."""
    if not INTERRUPTED.is_set():
        INTERRUPTED.set()
        print("Interrupted; waiting for the steps at work to stop.", file=sys.stderr, flush=True)
    signal.default_int_handler(number, frame)


def farewell(workflow: Any, success: bool) -> None:
    """The last lines on the screen: where to look next. Of a run of the whole graph, unless it was interrupted."""
    asked = workflow.dag_settings
    pages = {"The report": REPORT / "index.html", "The episodes, one by one": REPORT / "episodes.html"}
    if INTERRUPTED.is_set():
        said = "Finished steps are kept, and so are the states of trainings and evaluations; the same command goes on."
    elif asked.targets or asked.until or asked.omit_from:
        return
    elif success:
        said = " ".join(["Done.", *(f"{name}: {page.resolve()}" for name, page in pages.items() if page.exists())])
    else:
        said = "Stopped. The end of the failed step's log stands above; the same command goes on from there."
    atexit.register(print, said, file=sys.stderr, flush=True)
