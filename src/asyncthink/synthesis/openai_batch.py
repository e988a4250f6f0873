"""The Batch API: half the price, an answer within a day. It fills the journal; whoever asks afterwards finds it there.

A batch is named by what it asks for, in its metadata on the endpoint's side, so that a run that was killed at any
moment finds its batches again and no request is handed in twice. What a batch leaves out (an error, an unusable
answer, a batch that expired) stays unanswered here, and is asked one by one later.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from asyncthink.synthesis.budget import Charge
from asyncthink.synthesis.chat_completion import Request, Response
from asyncthink.synthesis.openai_client import Client, GivenUp
from asyncthink.synthesis.teacher_faults import STOP, Fault

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Batch

LARGEST = 10_000  # requests; the endpoint's limits are 50,000 and 200 MB
LOOK_EVERY = 30.0  # seconds
PRICE_SHARE = 0.5
ENDED = ("completed", "expired", "cancelled", "failed")


async def ask_in_batches(client: Client, requests: Sequence[Request]) -> None:
    """Hand in all requests that have no answer yet, wait, and keep what comes back; Stopped if the budget forbids."""
    import openai

    try:
        chunks = [requests[start : start + LARGEST] for start in range(0, len(requests), LARGEST)]
        for chunk, batch in [(chunk, await _handed_in(client, chunk)) for chunk in chunks]:
            if batch:
                await _collect(client, chunk, await _ended(client, batch))
    except openai.APIError as error:
        status = getattr(error, "status_code", "no answer")
        raise client.stop(
            f"{client.endpoint.host}: the Batch API failed ({status}); set teacher.batch: false"
        ) from None
    except (AttributeError, TypeError, ValueError):  # of a value that the client took for one of its own
        raise client.stop(
            f"{client.endpoint.host}: the Batch API answered in another form than OpenAI's; set teacher.batch: false"
        ) from None


async def _handed_in(client: Client, chunk: Sequence[Request]) -> "Batch | None":
    """The batch of a chunk: the one that an earlier run handed in, else a new one; None if nothing is missing."""
    if not (pending := _open(client, chunk)):
        return None
    name = hashlib.sha256("".join(request.key for request in chunk).encode()).hexdigest()
    api = _patient(client)
    async for batch in api.batches.list(limit=100):
        if (batch.metadata or {}).get("asyncthink") == name and batch.status != "failed":
            return batch
    _check_budget(client, pending)
    if not (pending := await _after_the_first(client, pending)):
        return None
    lines = [
        {"custom_id": request.key, "method": "POST", "url": "/v1/chat/completions", "body": request.body(client.form)}
        for request in pending
    ]
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    file = await api.files.create(file=("requests.jsonl", data), purpose="batch")
    return await client.openai.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"asyncthink": name}
    )


def _open(client: Client, chunk: Sequence[Request]) -> list[Request]:
    """The requests that have neither an answer nor a refusal."""
    return [request for request in chunk if client.journal.is_open(request.key)]


async def _after_the_first(client: Client, pending: Sequence[Request]) -> list[Request]:
    """One request goes alone where none has gone yet in this run: it tells the form and the model of a whole batch."""
    if not client.known:
        with suppress(GivenUp):
            await client.ask(pending[0])
    return _open(client, pending)


def _check_budget(client: Client, pending: Sequence[Request]) -> None:
    """A batch cannot be stopped half way for money: its worst case must fit as a whole."""
    prompt, completion = (
        sum(getattr(r.worst, part) for r in pending) for part in ("prompt_tokens", "completion_tokens")
    )
    worst = Charge(prompt, completion, PRICE_SHARE)
    if not client.budget.fits(worst):
        dollars = worst.dollars(client.settings)
        needs = f"a batch of {len(pending):,} requests may cost {prompt + completion:,} tokens, ${dollars:.2f}"
        raise client.stop(f"{needs}: {client.budget.refusal}; or set teacher.batch: false")


async def _ended(client: Client, batch: "Batch") -> "Batch":
    """Look at a batch until it has ended."""
    while batch.status not in ENDED:
        counts = batch.request_counts
        done = f"{counts.completed:,} of {counts.total:,}" if counts else "?"
        print(f"synthesize: batch {batch.id} {batch.status}: {done}", file=sys.stderr, flush=True)
        await client.sleep(LOOK_EVERY)
        batch = await _patient(client).batches.retrieve(batch.id)
    if batch.status == "failed":
        reasons = "; ".join(error.message or "?" for error in (batch.errors.data or [])) if batch.errors else "?"
        told = client.endpoint.redacted(reasons)[:300]
        raise client.stop(f"{client.endpoint.host}: a batch failed: {told}; set teacher.batch: false")
    return batch


async def _collect(client: Client, chunk: Sequence[Request], batch: "Batch") -> None:
    """Keep every usable answer of a batch."""
    if not batch.output_file_id:
        return
    asked = {request.key: request for request in _open(client, chunk)}
    content = await _patient(client).files.content(batch.output_file_id)
    lines = client.endpoint.redacted(content.text).split("\n")  # and nowhere else: a text may hold other line ends
    for line in filter(str.strip, lines):
        try:
            answer = json.loads(line)
            request = asked.pop(answer["custom_id"])
            body = json.dumps(answer["response"]["body"], ensure_ascii=False)
        except (ValueError, KeyError, TypeError):
            client.faults["no_answer_in_batch"] += 1
            continue
        await _keep(client, request, body)


async def _keep(client: Client, request: Request, body: str) -> None:
    came: Response | Fault
    try:
        came = client.read(request, body)
    except Fault as fault:
        came = fault
    came.billed = replace(came.billed, price_share=PRICE_SHARE)
    client.budget.count(came.billed)
    await client.keep(request, came)
    if isinstance(came, Fault) and came.verdict == STOP:
        raise client.stop(client.told(came))


def _patient(client: Client) -> "AsyncOpenAI":
    """The client with its own retries, for questions that change nothing."""
    return client.openai.with_options(max_retries=client.settings.attempts)
