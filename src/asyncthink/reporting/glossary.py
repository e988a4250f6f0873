"""The words that the report takes for granted: explained where a paragraph first has them, and once all together."""

import re

from markupsafe import Markup, escape

WORDS = {
    "η": "concurrency: agents that decode in a step, on average over an episode",
    "c": "capacity: agents that may decode at the same time, the organizer included",
    "η/c": "the share of the c agents that is busy, on average; an agent that forks nothing has 1/c",
    "T": "latency: decoding steps from the question to the answer, along the critical path; of a broken "
    "episode, where it counts in a mean, up to where it ended",
    "work": "tokens that all agents decode, whether side by side or one after another",
    "fork": "the organizer hands a part of the question to a worker and goes on; at a join it takes in the result",
    "accuracy": "share of the asked solutions that are right; all correct: share of the items that have all of them",
    "right in form": "the trace follows the protocol and ends with an answer",
    "cold start": "format fine-tuning on demonstrations, before RL",
    "headline": "an arm with its own settings; a variant has the same weights, and another budget, plan or number of "
    "traces",
    "arm": "one way of training; “− cold start” is AsyncThink without it, and so on",
    "parallel thinking": "c traces side by side and a vote; a claim at equal latency, work or accuracy takes the best "
    "mixture of all its kinds: plain, diversified and longer traces",
    "branch, hit": "a first step, two of the numbers and an operation, with all that can follow it; a solution in it",
    "fixed plan": "the same model, led by a program that hands out parts of the question in a set order",
    "tokens priced": "AsyncThink trained with a price on every token, ours",
    "order given": "AsyncThink whose demonstrations hand out the promising parts first, ours",
    "diversified": "parallel traces that start from different parts of the question",
    "vote, union": "the answer of parallel traces: as many expressions as are asked for, those that most of them have "
    "first, right or wrong; or all that any of them found",
}
PATTERN = re.compile(
    r"(?P<ratio>η/c)|(?P<c>\bc(?= = \d)|\bc(?= traces))|(?P<T>\bT(?= =))|(?P<work>\bwork(?=[,:]))|"
    r"(?P<fork>\b[Ff]orks?\b)"
)
NAMES = {"ratio": "η/c"}


def explained(text: object) -> Markup:
    """A text with the first occurrence of each word explained on hover; all of it is escaped."""
    seen: set[str] = set()

    def explain(found: re.Match[str]) -> str:
        name = str(found.lastgroup)
        if name in seen:
            return found[0]
        seen.add(name)
        return f'<abbr title="{WORDS[NAMES.get(name, name)]}">{found[0]}</abbr>'

    return Markup(PATTERN.sub(explain, str(escape(text))))
