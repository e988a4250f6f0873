"""An engine that asks an OpenAI-compatible server; what goes wrong on the way is one line that names the server."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Self

from transformers import PreTrainedTokenizerBase

from asyncthink.engines import Completion, Engine, Request, replies, vocabulary
from asyncthink.engines.context_window import TOO_LONG, ContextWindow, TooLong
from asyncthink.errors import InputError

ATTEMPTS = 5  # a repeated request says the same, because its seed does
TIME_LIMIT = 3600.0  # seconds; a request may wait for its turn for long. One that is not answered in time ends the run
REFUSED = (400, 413, 422)


class Served(Engine):
    """What engines have in common whose model is on a server.

    url ends in /v1; tokenizer is the served model's; outputs is the number of tokens it can say, where that is more
    than the tokenizer has; model is the name it is served under, by default the first one that the server lists.
    Every method that talks raises InputError, in words for a person, if the server cannot be reached or refuses, and
    TooLong where its context does not hold a request.
    """

    def __init__(
        self,
        url: str,
        tokenizer: PreTrainedTokenizerBase,
        outputs: int = 0,
        model: str | None = None,
        key: str = "none",
    ) -> None:
        self.url, self.model = url.rstrip("/"), model
        self.vocabulary = vocabulary.shared(tokenizer, outputs)
        self.window = ContextWindow()
        self.client: Any = None
        self._key = key

    async def complete(self, request: Request) -> Completion:
        """One continuation, as long as the server's context lets it be."""
        return await self.window.completed(request, self.ask)

    @abstractmethod
    async def ask(self, request: Request) -> Completion:
        """One continuation of a request that fits the context, as far as that is known."""

    async def __aenter__(self) -> Self:
        """Connect, and find the model and its context."""
        from openai import AsyncOpenAI

        self.client = AsyncOpenAI(base_url=self.url, api_key=self._key, max_retries=ATTEMPTS, timeout=TIME_LIMIT)
        try:
            await self._find_model()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        """Hang up; say what the run met."""
        client, self.client = self.client, None
        await client.close()
        self.window.close(self.url)

    async def _find_model(self) -> None:
        """Ask once, without patience; a server that does not list its models must be told the name."""
        import openai

        with self.in_words("/models"):
            try:
                once = self.client.with_options(max_retries=0)
                served = replies.served_models(await once.get("/models", cast_to=str))
            except (openai.APIStatusError, replies.Unreadable) as error:
                if self.model:
                    return
                words = str(error)
                if isinstance(error, openai.APIStatusError):
                    words = f"{error.status_code}: {self.said(error.response.text)}"
                raise InputError(f"{self.url}/models: {words}; give its name for the model (--served-model)") from None
        self.model = self.model or next(iter(served))
        if self.model not in served:
            raise InputError(f"{self.url}: serves {', '.join(served)}, and not {self.model}")
        self.root = served[self.model].get("root")
        self.window.length = replies.context_length(served[self.model])

    async def get(self, path: str) -> dict[str, Any]:
        """An object that the server tells."""
        with self.in_words(path):
            return replies.read_object(await self.client.get(path, cast_to=str))

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """One exchange, repeated by the client where that helps; None where the reply is empty."""
        with self.in_words(path):
            reply = await self.client.post(path, cast_to=str, body=body)
            return replies.read_object(reply) if reply.strip() else None

    @contextmanager
    def in_words(self, path: str) -> Iterator[None]:
        """What goes wrong in an exchange, as one line for people."""
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            words = self.said(error.response.text)
            kind = TooLong if error.status_code in REFUSED and TOO_LONG.search(words) else InputError
            raise kind(f"{self.url}: {error.status_code}: {words}") from None
        except openai.APITimeoutError:
            times = f"{TIME_LIMIT:g} seconds, {ATTEMPTS + 1} times"
            raise InputError(f"{self.url}: no answer to {path} in {times}") from None
        except openai.APIConnectionError as error:
            raise InputError(f"{self.url}: cannot be reached ({type(error.__cause__).__name__})") from None
        except replies.Unreadable as error:
            raise InputError(f"{self.url}: {self.said(f'{path}: {error}')}") from None
        except Exception as error:
            if isinstance(error, InputError) or not broke_off(error):
                raise
            raise InputError(f"{self.url}: the answer to {path} broke off ({type(error).__name__})") from None

    def said(self, text: str) -> str:
        """What the server says of a fault, in one line, without the key should it quote it."""
        return replies.error_words(replies.redacted(text, self._key))


def broke_off(error: Exception) -> bool:
    """Whether an exchange ended too early: an error of the client, of the transport below it, or of half an event."""
    import openai

    transport = type(error).__module__.startswith("httpx")
    return transport or isinstance(error, openai.OpenAIError | EOFError | ValueError)


async def parts(stream: Any) -> AsyncIterator[dict[str, Any]]:
    """The choice in each event of a stream; events without any tell of usage."""
    async for event in stream:
        reply = event.to_dict(warnings=False) if hasattr(event, "to_dict") else event
        if not (isinstance(reply, dict) and reply.get("choices") == []):
            yield replies.first_choice(reply)
