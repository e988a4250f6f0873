"""Episodes written by hand for the tests of the page: every word is a token, and the plan is counted from the words."""

import re
from typing import Any

from asyncthink.episode import Episode, Segment, Trace
from asyncthink.schedule import numbers, side_by_side, simulate

PIECE = re.compile(
    r"\s*<FORK-\d+>.*?</FORK-\d+>|\s*<JOIN-\d+>|\s*<ANSWER>.*</ANSWER>|(?:(?!\s*<(?:FORK|JOIN)-\d|\s*<ANSWER>).)+", re.S
)


def trace(role: str, fork: int | None, stop: str, pieces: list[tuple[str, bool]]) -> Trace:
    """A trace of (text, injected) pieces."""
    segments = [Segment(text, len(text.split()), injected) for text, injected in pieces]
    return Trace(role=role, fork=fork, prompt=f"<{role}> 3 5 7 =24", prompt_ids=[], segments=segments, stop=stop)


def asynchronous(index: int, text: str, workers: dict[int, str], capacity: int = 3, **fields: Any) -> Episode:
    """An organizer's own text and its workers' texts; what a worker returned is injected behind its JOIN."""
    pieces: list[tuple[str, bool]] = []
    plan: list[dict[str, int]] = []
    for part in PIECE.findall(text):
        count = len(part.split())
        tag = re.match(r"\s*<(FORK|JOIN)-(\d+)>", part)
        kind = "answer" if "<ANSWER>" in part and not tag else "think"
        plan += [{tag[1].lower(): int(tag[2]), "tokens": count} if tag else {kind: count}]
        pieces.append((part, False))
        if tag and tag[1] == "JOIN" and int(tag[2]) in workers:
            result = re.search("<RETURN>(.*?)</RETURN>", workers[int(tag[2])], re.S)
            pieces.append((f"{result[1] if result else ' (no result) '}</JOIN-{tag[2]}>", True))
    found = re.search("<ANSWER>(.*)</ANSWER>", text, re.S)
    traces = [trace("organizer", None, "answer" if found else "error", pieces)]
    for fork, words in workers.items():
        traces.append(trace("worker", fork, "return" if "</RETURN>" in words else "budget", [(words, False)]))
    counts = {str(fork): len(words.split()) for fork, words in workers.items()} | fields.pop("refused", {})
    body = {"capacity": capacity, "organizer": plan, "workers": counts}
    answer = found[1].strip() if found else None
    return _episode(index, "asynchronous", traces, body, answer, capacity, schedule=numbers(simulate(body)), **fields)


def sequential(index: int, text: str, **fields: Any) -> Episode:
    """One trace."""
    plan, answer = _lone(text, 3)
    traces = [trace("sequential", None, "answer" if answer else "budget", [(text, False)])]
    return _episode(index, "sequential", traces, plan, answer, 3, schedule=numbers(simulate(plan)), **fields)


def parallel(index: int, texts: list[str], **fields: Any) -> Episode:
    """Several traces of one question; the first answer is taken."""
    lone = [_lone(text, len(texts)) for text in texts]
    stops = ["answer" if answer else "budget" for _, answer in lone]
    traces = [trace("sequential", i, stops[i], [(text, False)]) for i, text in enumerate(texts)]
    plans, answer = [plan for plan, _ in lone], next((answer for _, answer in lone if answer), None)
    schedule = side_by_side(plans, answer, len(texts))
    return _episode(index, "parallel", traces, {"plans": plans}, answer, len(texts), schedule=schedule, **fields)


def _lone(text: str, capacity: int) -> tuple[dict[str, Any], str | None]:
    think, tag, answer = text.partition("<ANSWER>")
    actions = [{"think": len(think.split())}] if think.strip() else []
    actions += [{"answer": len((tag + answer).split())}] if tag else []
    return {"capacity": capacity, "organizer": actions, "workers": {}}, answer.split("</ANSWER>")[0].strip() or None


def _episode(index: int, mode: str, traces: list[Trace], plan: dict, answer: str | None, capacity: int, **fields: Any):
    accuracy = fields.pop("accuracy", 1.0 if answer else 0.0)
    concurrency = 0.1 if answer else 0.0
    return Episode(
        key={"split": "test", "index": index, "sample": 0, "seed": 1},
        task=fields.pop("task", "countdown"),
        item={"id": f"test-{index}", "numbers": [3, 5, 7, 9, 11], "target": 24, "required": 3},
        mode=mode,
        capacity=capacity,
        traces=traces,
        plan=plan,
        answer=answer,
        arm=fields.pop("arm", "asyncthink"),
        score={"accuracy": accuracy, "correct": round(3 * accuracy), "offered": 3 if answer else 0},
        reward={"total": accuracy + concurrency, "accuracy": accuracy, "concurrency": concurrency, "format_error": 0.0},
        **fields,
    )


SEARCH = " 8 - 3 5 . 8 + 3 11 . 9 - 5 4 ."
EXAMPLE = asynchronous(
    12,
    " <FORK-1> 3 5 7 9 11 =24 </FORK-1> <FORK-2> 5 7 9 11 3 =24 </FORK-2> 11 + 9 20 . 11 * 9 99 . <JOIN-1> 7 + 11 18 ."
    " <JOIN-2> <FORK-3> 9 11 3 5 7 =24 </FORK-3> 11 + 3 14 . <JOIN-3> <ANSWER> 3 * 8 ; 5 + 19 ; 7 + 17 </ANSWER>",
    {
        1: " 5 + 3 8 . 5 - 3 2 . 5 * 3 15 . 7 + 3 10 . 7 - 3 4 . 7 * 3 21 . <RETURN> 3 * 8 </RETURN>",
        2: " 7 + 5 12 . 7 - 5 2 . 7 * 5 35 . <RETURN> 5 + 19 </RETURN>",
        3: " 11 + 9 20 . 11 - 9 2 . 11 * 9 99 . 9 + 3 12 . 9 - 3 6 . <RETURN> 7 + 17 </RETURN>",
    },
)
READY = asynchronous(
    13,
    f" <FORK-1> 3 5 7 =24 </FORK-1>{SEARCH * 4} <JOIN-1> <ANSWER> 3 * 8 </ANSWER>",
    {1: f"{SEARCH} <RETURN> none </RETURN>"},
    accuracy=1 / 3,
)
DUPLICATE_FORK = asynchronous(
    14,
    " <FORK-1> 3 5 7 =24 </FORK-1> 8 - 3 5 . <FORK-1> 5 7 9 =24 </FORK-1>",
    {1: f"{SEARCH} <RETURN> none </RETURN>"},
)
POOL_OVERFLOW = asynchronous(
    15,
    " <FORK-1> 3 =24 </FORK-1> <FORK-2> 5 =24 </FORK-2> <FORK-3> 7 =24 </FORK-3>",
    {1: SEARCH, 2: SEARCH * 2},
    refused={"3": 1},
    arm="no_rl",
)
DANGLING_JOIN = asynchronous(16, " 8 - 3 5 . <JOIN-4>", {}, arm="no_rl")
NO_ANSWER = asynchronous(17, SEARCH * 6, {}, arm="no_cold_start")
CUT_WORKER = asynchronous(18, " <FORK-1> 3 =24 </FORK-1> <JOIN-1> <ANSWER> 3 * 8 </ANSWER>", {1: SEARCH * 3})
UNJOINED = asynchronous(
    19, " <FORK-1> 3 =24 </FORK-1> <ANSWER> 3 * 8 </ANSWER>", {1: f"{SEARCH * 3} <RETURN> none </RETURN>"}
)
ALONE = sequential(20, f"{SEARCH * 5} <ANSWER> 3 * 8 </ANSWER>", arm="sequential")
SIDE_BY_SIDE = parallel(
    21, [f"{SEARCH * 5} <ANSWER> 3 * 8 </ANSWER>", f"{SEARCH * 3} <ANSWER> 3 * 8 </ANSWER>", SEARCH * 6], arm="parallel"
)
ALL = [
    EXAMPLE,
    READY,
    DUPLICATE_FORK,
    POOL_OVERFLOW,
    DANGLING_JOIN,
    NO_ANSWER,
    CUT_WORKER,
    UNJOINED,
    ALONE,
    SIDE_BY_SIDE,
]
