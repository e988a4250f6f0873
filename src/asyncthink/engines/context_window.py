"""The room that a context leaves: a request is shortened to it, and no room is a budget spent.

A server tells its context length in its list of models, or in its refusal of a request that is too long. By text, its
count of a prompt's tokens is not ours, so what a refusal says of the prompt goes before our own count.
"""

import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from asyncthink.engines import FULL, Completion, Request
from asyncthink.errors import InputError

TOO_LONG = re.compile(
    r"context[ _](?:length|size|window)|maximum model length|n_ctx|prompt is too long|input is too long"
    r"|max_new_tokens`? must be|longer than the model|maximum number of tokens|too many tokens",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"(?:context[ _](?:length|size|window)|maximum model length|n_ctx)[^\d]{0,30}?(\d+)"
    r"|must be <=? ?(\d+)|(\d+) (?:tokens )?maximum",
    re.IGNORECASE,
)
_PROMPT = re.compile(
    r"(\d+) in the (?:messages|prompt)|(?:has|contains)(?: at least)? (\d+) (?:input|prompt)? ?tokens"
    r"|\(length (\d+)\)|input \((\d+) tokens\)|Given: (\d+) `inputs`|n_prompt_tokens\D{0,5}(\d+)"
    r"|request \((\d+) tokens\)|too long: (\d+) tokens|resulted in (\d+) tokens",
    re.IGNORECASE,
)


class TooLong(InputError):
    """A server refused a request because its context does not hold it."""


@dataclass
class ContextWindow:
    """length is what prompt and continuation may have together, None while unknown; full counts traces that met it."""

    length: int | None = None
    full: int = 0

    async def completed(self, request: Request, ask: Callable[[Request], Awaitable[Completion]]) -> Completion:
        """The continuation, as long as the context lets it be; its stop is FULL where the context is what ended it."""
        fitted = self._fitted(request)
        while fitted is not None:
            try:
                completion = await ask(fitted)
            except TooLong as refusal:
                fitted = self._shorter(fitted, str(refusal))
                continue
            if completion.stop is None and fitted.max_tokens < request.max_tokens:
                completion = replace(completion, stop=FULL)
            self.full += completion.stop == FULL
            return completion
        self.full += 1
        return Completion((), (), FULL)

    def close(self, where: str) -> None:
        """A run has ended: say on standard error what it met, if anything, and count anew."""
        length = f" of {self.length:,} tokens" if self.length else ""
        if self.full:
            said = f"{where}: its context{length} was full in {self.full:,} traces, which ended there"
            print(said, file=sys.stderr)
        self.full = 0

    def _fitted(self, request: Request) -> Request | None:
        if self.length is None:
            return request
        room = self.length - len(request.ids)
        return replace(request, max_tokens=min(room, request.max_tokens)) if room > 0 else None

    def _shorter(self, request: Request, refusal: str) -> Request | None:
        """What is tried after a refusal: what it leaves by its own numbers, or half as much where it tells none."""
        length, prompt = _number(_LENGTH, refusal), _number(_PROMPT, refusal)
        if length is not None:
            self.length = min(length, self.length or length)
            room = length - (prompt or len(request.ids))
            if room < request.max_tokens:
                return replace(request, max_tokens=room) if room > 0 else None
        half = request.max_tokens // 2
        return replace(request, max_tokens=half) if half else None


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text.replace(",", ""))
    return int(next(filter(None, match.groups()))) if match else None
