"""What can go wrong with one attempt at a teacher's answer, and what that means for the next one."""

import email.utils
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from asyncthink.engines import replies
from asyncthink.synthesis.budget import NOTHING, Charge

AGAIN, SKIP, STOP = "again", "skip", "stop"
FORM = "form"  # the endpoint wants to be asked in another form
EMPTY = "empty_choice"  # an answer without text; the lesson's own only where it comes again and again
REFUSED = "refused"  # a status that says no more than that
OWN = True  # the fault is the lesson's own: whoever asks it again gets the same
LONGEST_WAIT = 900.0  # seconds; an endpoint that asks for more ends the run

# status: name, verdict; any other one may pass
STATUS = {
    **dict.fromkeys((400, 413, 414, 422, 451), (REFUSED, SKIP)),
    **dict.fromkeys((404, 405, 410), ("not_found", STOP)),
    **dict.fromkeys((403, 407), ("not_allowed", STOP)),
    **dict.fromkeys((425, 429), ("rate_limit", AGAIN)),
    **{401: ("key_refused", STOP), 402: ("out_of_quota", STOP), 408: ("timeout", AGAIN), 409: ("conflict", AGAIN)},
}
ADVICE = {
    "key_refused": "the key was refused: check OPENAI_API_KEY",
    "not_allowed": "the key may not do this: check the account behind OPENAI_API_KEY",
    "not_found": "no such model or address: check ASYNCTHINK_TEACHER_MODEL and OPENAI_BASE_URL",
    "out_of_quota": "the account's quota is used up: top it up",
    "long_wait": f"the endpoint asks for a pause of more than {LONGEST_WAIT / 60:.0f} minutes: come back later",
}
_QUOTA = re.compile(
    r"insufficient[_ ](?:quota|balance|credit|funds)|billing_hard_limit|credit balance is too low", re.I
)
_FILTER = re.compile(
    r"content[_ ]?(?:filter|policy|management)|responsibleai|moderation|flagged|inspection_failed|invalid_prompt"
    r"|content exists risk|usage polic|safety system|prohibited",
    re.IGNORECASE,
)


@dataclass(eq=False)
class Fault(Exception):
    """One attempt went wrong.

    verdict: again, skip or stop; own: whether it is the lesson's own, so that asking again is of no use; wait: seconds
    the endpoint asks for; billed: what it may charge all the same; body: what it said, words: that in one line.
    """

    name: str
    verdict: str = AGAIN
    own: bool = False
    wait: float = 0.0
    billed: Charge = NOTHING
    body: str = ""
    words: str = ""

    @property
    def said(self) -> str:
        """The fault's name, with advice, and with the endpoint's own words where it has any."""
        if self.verdict == STOP:
            return ": ".join(filter(None, (ADVICE.get(self.name), self.words)))
        return f"{self.name} ({self.words[:200]})" if self.words else self.name


def refusal(status: int, headers: Mapping[str, str], body: str, words: str | None = None) -> Fault:
    """What a status other than 200 means."""
    name, verdict = STATUS.get(status, ("server_error", AGAIN))
    wait, words = asked_wait(headers), replies.error_words(body) if words is None else words
    if _QUOTA.search(body):
        name, verdict = "out_of_quota", STOP
    elif status in (400, 403, 422, 451) and _FILTER.search(body):
        name, verdict = "content_filter", SKIP
    elif wait > LONGEST_WAIT:
        name, verdict = "long_wait", STOP
    return Fault(name, verdict, verdict == SKIP, wait, body=body, words=f"{status}: {words}" if words else str(status))


def asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that Retry-After (or OpenAI's retry-after-ms) asks for, as a number or a date; 0 where neither does."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after", "0")
        with suppress(ValueError):
            return max(0.0, float(value))
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
