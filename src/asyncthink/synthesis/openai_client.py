"""One request to an OpenAI-compatible teacher, asked until it is answered.

The official client does the talking; what it leaves to its user is here: which faults are worth another attempt and
after what wait, a whole-request time limit, a budget that is never exceeded, and a journal of every response. Its own
retries are switched off, because they see neither the budget nor answers that are broken inside a good HTTP response.

The first request of a run goes alone: it finds out in which form the endpoint wants to be asked, and whether it is the
model that was meant, before anything else is paid for.

The key is in `Endpoint` and in the client's headers, nowhere else: whatever an endpoint says is searched for it before
it is kept or shown, and exceptions of the client are never shown, since some quote the request's headers.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from asyncthink.engines import replies
from asyncthink.errors import InputError
from asyncthink.settings import Teacher
from asyncthink.synthesis.budget import NOTHING, Budget
from asyncthink.synthesis.chat_completion import Form, Request, Response, read_response
from asyncthink.synthesis.response_journal import Answer, ResponseJournal, record_of
from asyncthink.synthesis.teacher_faults import FORM, SKIP, STOP, Fault, refusal

DEFAULT_MODEL = "gpt-4o"
OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"  # what the client is given where a server needs no key
LONGEST_BACKOFF = 60.0  # seconds


class Stopped(InputError):
    """The run cannot go on: key, model, quota or budget. Everything answered so far is kept."""


class GivenUp(Exception):
    """One request has no answer after all attempts; the message says why, and another run asks it again."""


class Refused(GivenUp):
    """The teacher refuses one request for what it is; it is not asked again but on demand."""


class OtherForm(Exception):
    """The endpoint refused the form of a request alone, and wants to be asked in `form`."""

    def __init__(self, form: Form):
        self.form = form


@dataclass(frozen=True)
class Endpoint:
    """Whom to ask. The key is neither shown nor compared."""

    model: str
    url: str
    key: str = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Model and host: what a journal keeps the form of a request under."""
        return f"{self.model} at {self.host}"

    @property
    def host(self) -> str:
        """What messages call the endpoint; an address may hold a password."""
        return urlsplit(self.url).hostname or "the endpoint"

    def redacted(self, text: str) -> str:
        """A text of the endpoint without the key."""
        return replies.redacted(text, self.key)


def named(environment: Mapping[str, str]) -> Endpoint:
    """Whom OPENAI_BASE_URL, OPENAI_API_KEY and ASYNCTHINK_TEACHER_MODEL name, whether or not it can be asked."""
    model = environment.get("ASYNCTHINK_TEACHER_MODEL", "").strip() or DEFAULT_MODEL
    url = environment.get("OPENAI_BASE_URL", "").strip() or OPENAI
    return Endpoint(model, url, environment.get("OPENAI_API_KEY", "").strip() or NO_KEY)


def endpoint(environment: Mapping[str, str]) -> Endpoint:
    """The same, to be asked; only OpenAI's own endpoint needs the key. InputError for what cannot be."""
    where = named(environment)
    url, key = where.url, where.key
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise InputError("OPENAI_BASE_URL must be an http address like http://127.0.0.1:8000/v1")
    if url.rstrip("/").endswith("/completions"):
        raise InputError("OPENAI_BASE_URL is the part of the address before /chat/completions, ending in /v1")
    if key == NO_KEY and url == OPENAI:
        raise InputError("OPENAI_API_KEY is not set; export it, or set OPENAI_BASE_URL to a server that needs no key")
    if not all(33 <= ord(letter) <= 126 for letter in key):
        raise InputError("OPENAI_API_KEY holds a space or a letter that no key has; export it again")
    return where


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
        self.form = journal.forms.get(where.name, Form())
        self.known = False  # whether a request has gone to its end
        self._forms = {self.form}  # those that were tried
        self._first = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections."""
        await self.openai.close()

    def stop(self, reason: str) -> Stopped:
        """The exception that ends the run; from now on every question is answered with it."""
        self.stopped = self.stopped or reason
        return Stopped(self.stopped)

    def told(self, fault: Fault) -> str:
        """What went wrong, for people."""
        return f"{self.endpoint.host}: {self.endpoint.redacted(fault.said)}"

    async def ask(self, request: Request) -> Answer:
        """The answer from the journal, or from the endpoint; Refused, GivenUp or Stopped where there is none."""
        if request.key not in self.journal.accepted:
            if words := self.journal.refusal(request.key):
                raise Refused(f"{self.endpoint.host}: {words}")
            await self._in_turn(request)
        return self.journal.accepted[request.key]

    async def _in_turn(self, request: Request) -> None:
        """The first request of a run alone, all others side by side."""
        if not self.known:
            async with self._first:
                if not self.known:
                    try:
                        return await self._asked(request)
                    finally:
                        self.known = True
        await self._asked(request)

    async def _asked(self, request: Request) -> None:
        """Attempt until there is an answer, or no use in another attempt."""
        attempt = 1
        while True:
            if self.stopped:
                raise Stopped(self.stopped)
            form = self.form
            try:
                return await self._within_budget(request, form)
            except OtherForm as other:
                self.faults[FORM] += 1
                if form == self.form:
                    self.form = other.form
                    self._forms.add(self.form)
                continue
            except Fault as fault:
                if fault.verdict == STOP:
                    raise self.stop(self.told(fault)) from None
                if fault.verdict == SKIP or attempt == self.settings.attempts:
                    final = fault.own or self.journal.refusal(request.key)
                    raise (Refused if final else GivenUp)(self.told(fault)) from None
                wait = backoff(attempt, fault.wait, random.random())
            attempt += 1
            await self.sleep(wait)

    async def _within_budget(self, request: Request, form: Form) -> None:
        """One attempt, its cost set aside before and counted after; what came back is kept, good or bad."""
        if not await self.budget.reserve(request.worst):
            raise self.stop(self.budget.refusal)
        billed = NOTHING
        try:
            response = await self._attempt(request, form)
            billed = response.billed
            await self._keep_form(form)
            await self.keep(request, response)
        except Fault as fault:
            billed = fault.billed
            await self.keep(request, fault)
            raise
        finally:
            await self.budget.settle(request.worst, billed)

    async def _attempt(self, request: Request, form: Form) -> Response:
        """Ask once; no exception of the client's own gets out, for it may quote the request."""
        import openai

        limit = self.settings.time_limit
        try:
            async with asyncio.timeout(limit):
                raw = await self.openai.chat.completions.with_raw_response.create(**request.body(form))
                body = self.endpoint.redacted(raw.text)
        except openai.APIStatusError as error:
            raise self._refusal(form, error.status_code, error.response.headers, error.response.text) from None
        except (TimeoutError, openai.APITimeoutError):
            words = f"no answer within teacher.time_limit = {limit:g} seconds"
            raise Fault("timeout", billed=request.worst, words=words) from None
        except openai.APIConnectionError as error:
            if type(error.__cause__).__name__ == "ConnectError":
                raise Fault("unreachable") from None
            raise Fault("cut", billed=request.worst, words="the connection broke off") from None
        return self.read(request, body)

    def read(self, request: Request, body: str) -> Response:
        """The response in a body that holds no key."""
        response = read_response(request, body, self.settings.model_names or ())
        response.text = self.endpoint.redacted(response.text)
        return response

    def _refusal(self, form: Form, status: int, headers: Mapping[str, str], body: str) -> Fault | OtherForm:
        """What a status other than 200 means; a form that can be changed is no fault of the request."""
        safe = self.endpoint.redacted(body)
        other = form.after(replies.all_texts(safe)) if status in (400, 404, 422) else None
        if other is not None and (form != self.form or other not in self._forms):
            return OtherForm(other)
        return refusal(status, headers, safe)

    async def _keep_form(self, form: Form) -> None:
        """Remember a form that was answered, so that no later run has to find it out."""
        name = self.endpoint.name
        if form != self.journal.forms.get(name, Form()):
            await self.journal.append(record_of(name, FORM, NOTHING, FORM) | {"form": form})

    async def keep(self, request: Request, came: Response | Fault) -> None:
        """Write a response to the journal, it is safe when this returns; or count a fault.

        What a fault cost and what was said goes to the journal too, and whether it is the lesson's own.
        """
        fault = came.name if isinstance(came, Fault) else None
        record = record_of(request.key, request.name, came.billed, fault) | {"body": came.body}
        if isinstance(came, Response):
            record |= {"model": came.model, "finish": came.finish, "text": came.text}
            return await self.journal.append(record)
        self.faults[came.name] += 1
        if came.own:
            record["refused"] = self.endpoint.redacted(came.said)
        if came.own or came.billed != NOTHING:
            await self.journal.append(record)
