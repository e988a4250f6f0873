"""One request to an OpenAI-compatible teacher, asked until it is answered.

The official client does the talking; what it leaves to its user is here: which faults are worth another attempt and
after what wait, a whole-request time limit, a budget that is never exceeded, and a journal of every response. Its own
retries are switched off, because they see neither the budget nor answers that are broken inside a good HTTP response.

The key is in `Endpoint` and in the client's headers, nowhere else: whatever an endpoint says is searched for it before
it is kept or shown, and exceptions of the client are never shown, since some quote the request's headers.
"""

import asyncio
import email.utils
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from asyncthink.errors import InputError
from asyncthink.params import Teacher
from asyncthink.synthesis.budget import NOTHING, Budget, Charge
from asyncthink.synthesis.chat_completion import AGAIN, SKIP, STOP, Answer, Fault, Request, Response, read_response
from asyncthink.synthesis.response_journal import ResponseJournal

DEFAULT_MODEL = "gpt-4o"
OPENAI = "https://api.openai.com/v1"
LONGEST_BACKOFF = 60.0  # seconds
LONGEST_WAIT = 900.0  # seconds; an endpoint that asks for more ends the run
SHORTEST_SECRET = 8  # characters; "EMPTY" and the like, as local servers take them, are no secrets

STATUS = {
    401: ("key_refused", STOP),
    403: ("not_allowed", STOP),
    404: ("not_found", STOP),
    408: ("timeout", AGAIN),
    409: ("conflict", AGAIN),
    429: ("rate_limit", AGAIN),
}
ADVICE = {
    "key_refused": "the key was refused (401): check OPENAI_API_KEY",
    "not_allowed": "the key may not do this (403): check the account behind OPENAI_API_KEY",
    "not_found": "no such model or address (404): check ASYNCTHINK_TEACHER_MODEL and OPENAI_BASE_URL",
    "out_of_quota": "the account's quota is used up (429): top it up",
    "long_wait": f"the endpoint asks for a pause of more than {LONGEST_WAIT / 60:.0f} minutes: come back later",
}


class Stopped(InputError):
    """The run cannot go on: key, model, quota or budget. Everything answered so far is kept."""


class GivenUp(Exception):
    """One request has no answer after all attempts, or was refused for what it is; the message says why."""


@dataclass(frozen=True)
class Endpoint:
    """Whom to ask. The key is neither shown nor compared."""

    model: str
    url: str
    key: str = field(repr=False, compare=False)

    @property
    def host(self) -> str:
        """What messages call the endpoint; an address may hold a password."""
        return urlsplit(self.url).hostname or "the endpoint"

    def redacted(self, text: str) -> str:
        """A text of the endpoint without the key."""
        return text.replace(self.key, "[key]") if len(self.key) >= SHORTEST_SECRET else text


def endpoint(environment: Mapping[str, str]) -> Endpoint:
    """OPENAI_BASE_URL, OPENAI_API_KEY and ASYNCTHINK_TEACHER_MODEL; only OpenAI's own endpoint needs the key."""
    url = environment.get("OPENAI_BASE_URL", "").strip() or OPENAI
    key = environment.get("OPENAI_API_KEY", "").strip()
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise InputError("OPENAI_BASE_URL must be an http address like http://127.0.0.1:8000/v1")
    if not key and url == OPENAI:
        raise InputError("OPENAI_API_KEY is not set; export it, or set OPENAI_BASE_URL to a server that needs no key")
    if not all(33 <= ord(letter) <= 126 for letter in key):
        raise InputError("OPENAI_API_KEY holds a space or a letter that no key has; export it again")
    return Endpoint(environment.get("ASYNCTHINK_TEACHER_MODEL", "").strip() or DEFAULT_MODEL, url, key or "none")


def asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that Retry-After (or OpenAI's retry-after-ms) asks for, as a number or a date; 0 where neither does."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after", "0")
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def backoff(attempt: int, asked: float, draw: float) -> float:
    """Seconds before the attempt after `attempt` (from 1): doubling, spread by a draw in [0, 1), after `asked`."""
    return asked + min(LONGEST_BACKOFF, 2.0 ** (attempt - 1)) * (0.5 + 0.5 * draw)


class Client:
    """Asks requests of one endpoint; any number of `ask` may run at once. faults counts what went wrong, by name."""

    def __init__(
        self,
        where: Endpoint,
        settings: Teacher,
        journal: ResponseJournal,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        from openai import AsyncOpenAI

        self.endpoint, self.settings, self.journal, self.sleep = where, settings, journal, sleep
        self.budget = Budget(settings, journal.charges)
        self.openai = AsyncOpenAI(api_key=where.key, base_url=where.url, max_retries=0, timeout=settings.time_limit)
        self.faults: Counter[str] = Counter()
        self.stopped: str | None = None  # why nothing more is asked

    async def close(self) -> None:
        """Close the connections."""
        await self.openai.close()

    def stop(self, reason: str) -> Stopped:
        """The exception that ends the run; from now on every question is answered with it."""
        self.stopped = self.stopped or reason
        return Stopped(self.stopped)

    async def ask(self, request: Request) -> Answer:
        """The answer from the journal, or from the endpoint; GivenUp or Stopped where there is none."""
        record = self.journal.accepted.get(request.key) or await self._asked(request)
        return Answer(record["text"], record["finish"])

    async def _asked(self, request: Request) -> dict[str, Any]:
        """Attempt until there is an answer, or no use in another attempt."""
        attempt = 0
        while True:
            if self.stopped:
                raise Stopped(self.stopped)
            attempt += 1
            try:
                return await self._within_budget(request)
            except Fault as fault:
                if fault.verdict == STOP:
                    raise self.stop(f"{self.endpoint.host}: {ADVICE[fault.name]}") from None
                if fault.verdict == SKIP or attempt == self.settings.attempts:
                    raise GivenUp(fault.said) from None
                wait = backoff(attempt, fault.wait, random.random())
            await self.sleep(wait)

    async def _within_budget(self, request: Request) -> dict[str, Any]:
        """One attempt, its cost set aside before and counted after; what came back is kept, good or bad."""
        if not await self.budget.reserve(request.worst):
            raise self.stop(self.budget.refusal)
        billed = NOTHING
        try:
            response = await self._attempt(request)
            billed = response.billed
            return await self.keep(request, response)
        except Fault as fault:
            billed = fault.billed
            await self.keep_fault(request, fault)
            raise
        finally:
            await self.budget.settle(request.worst, billed)

    async def _attempt(self, request: Request) -> Response:
        """Ask once; no exception of the client's own gets out, for it may quote the request."""
        import openai

        try:
            async with asyncio.timeout(self.settings.time_limit):
                raw = await self.openai.chat.completions.with_raw_response.create(**request.body)
                body = self.endpoint.redacted(raw.text)
        except openai.APIStatusError as error:
            raise self._refusal(error.status_code, error.response.headers, error.response.text) from None
        except (TimeoutError, openai.APITimeoutError):
            raise Fault("timeout", billed=request.worst) from None
        except openai.APIConnectionError as error:
            if type(error.__cause__).__name__ == "ConnectError":
                raise Fault("unreachable") from None
            raise Fault("cut", billed=request.worst) from None
        response = read_response(request, body)
        return replace(response, text=self.endpoint.redacted(response.text))

    def _refusal(self, status: int, headers: Mapping[str, str], body: str) -> Fault:
        """What a status other than 200 means."""
        name, verdict = STATUS.get(status, ("server_error", AGAIN) if status >= 500 else ("refused", SKIP))
        wait = asked_wait(headers)
        if "insufficient_quota" in body:
            name, verdict = "out_of_quota", STOP
        elif wait > LONGEST_WAIT:
            name, verdict = "long_wait", STOP
        return Fault(name, verdict, wait, body=self.endpoint.redacted(body))

    async def keep(self, request: Request, response: Response) -> dict[str, Any]:
        """Write a good response to the journal; the record is safe when this returns."""
        parts = {"model": response.model, "finish": response.finish, "text": response.text, "body": response.body}
        record = _record(request, response.billed, **parts)
        await self.journal.append(record)
        return record

    async def keep_fault(self, request: Request, fault: Fault) -> None:
        """Count a fault; what it cost, and what was said, goes to the journal too."""
        self.faults[fault.name] += 1
        if fault.billed != NOTHING:
            await self.journal.append(_record(request, fault.billed, fault=fault.name, body=fault.body))


def _record(request: Request, billed: Charge, **parts: str) -> dict[str, Any]:
    """One line of the journal."""
    return {"key": request.key, "name": request.name, "fault": None, **asdict(billed), **parts}
