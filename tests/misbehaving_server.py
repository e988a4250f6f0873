"""A real HTTP server on 127.0.0.1 that speaks as much of the OpenAI interface as tests need, and misbehaves on order.

`Server` answers every request by calling `answer(call)`, a plain function; `FAULTS` are the ways in which it can go
wrong instead. Each request is remembered, so a test can say who asked what, how often, and what was billed.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KEY = "sk-test-0123456789-secret"


@dataclass
class Call:
    """One request as it came in; `fault` is how the server chose to answer it, None for well."""

    method: str
    path: str
    headers: dict[str, str]
    data: bytes
    number: int
    fault: Any = None

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.data)

    @property
    def prompt(self) -> str:
        """The text of the last message of a chat request: what tells the tests' requests apart."""
        return self.body["messages"][-1]["content"]


@dataclass
class Answer:
    """What goes back. `ending` is whole, or one of: cut, hang, dribble, reset."""

    data: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ending: str = "whole"

    def encoded(self) -> bytes:
        return self.data if isinstance(self.data, bytes) else json.dumps(self.data).encode()


def chat_completion(call: Call, text: str | None) -> dict[str, Any]:
    """The body of a good chat completion, with a usage of a token for every four characters."""
    return {
        "id": f"chatcmpl-{call.number}",
        "object": "chat.completion",
        "created": 1,
        "model": call.body["model"] + "-2024-08-06",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text, "refusal": None}}
        ],
        "usage": {
            "prompt_tokens": sum(len(message["content"]) for message in call.body["messages"]) // 4,
            "completion_tokens": len(text or "") // 4,
            "total_tokens": 0,
        },
    }


def refusing(status: int, message: str, code: str | None = None, **headers: str) -> "Fault":
    """A refusal as OpenAI words it."""
    error = {"error": {"message": message, "type": "error", "code": code}}
    return lambda good: Answer(error, status, {name.replace("_", "-"): value for name, value in headers.items()})


Fault = Callable[[dict], Answer]  # takes the body of the good answer and gives the bad one
FAULTS: dict[str, Fault] = {
    "rate_limit": refusing(429, "Rate limit reached", "rate_limit_exceeded", Retry_After="7"),
    "rate_limit_in_milliseconds": refusing(429, "Rate limit reached", "rate_limit_exceeded", retry_after_ms="2500"),
    "out_of_quota": refusing(429, "You exceeded your current quota", "insufficient_quota"),
    "request_timeout": refusing(408, "Request timed out"),
    "conflict": refusing(409, "Conflict"),
    "server_error": refusing(500, "The server had an error"),
    "overloaded": refusing(503, "Overloaded"),
    "key_refused": refusing(401, f"Incorrect API key provided: {KEY}.", "invalid_api_key"),
    "unknown_model": refusing(404, f"The model does not exist; your key {KEY} may not see it", "model_not_found"),
    "too_long": refusing(400, "This model's maximum context length is 8192 tokens", "context_length_exceeded"),
    "hung": lambda good: Answer(good, ending="hang"),
    "dribbling": lambda good: Answer(good, ending="dribble"),
    "cut": lambda good: Answer(good, ending="cut"),
    "reset": lambda good: Answer(good, ending="reset"),
    "invalid_json": lambda good: Answer(json.dumps(good).encode()[:-25]),
    "page": lambda good: Answer(b"<html>Bad gateway</html>", headers={"Content-Type": "text/html"}),
    "no_choice": lambda good: Answer({**good, "choices": []}),
    "no_text": lambda good: Answer({**good, "choices": [{**good["choices"][0], "message": {"content": None}}]}),
    "wrong_model": lambda good: Answer({**good, "model": "cheap-imitation-7b"}),
    "echoed_key": lambda good: Answer({**good, "system_fingerprint": KEY}, headers={"x-echo": KEY}),
}


class Server:
    """`with Server(answer) as server:` listens at `server.url` till the block ends; pause: seconds before an answer."""

    def __init__(self, answer: Callable[[Call], Answer], pause: float = 0.0):
        self.answer, self.pause = answer, pause
        self.calls: list[Call] = []
        self.most_at_once = 0
        self._open = 0
        self._connections: set[asyncio.Task] = set()

    def __enter__(self) -> "Server":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=512)

    async def _hang_up(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._talk(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while call := await self._receive(reader):
                self._open += 1
                self.most_at_once = max(self.most_at_once, self._open)
                try:
                    kept_open = await self._send(self.answer(call), reader, writer)
                finally:
                    self._open -= 1
                if not kept_open:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader) -> Call:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        call = Call(method, path, headers, data, len(self.calls))
        self.calls.append(call)
        return call

    async def _send(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one answer; False when the connection ends with it."""
        data = answer.encoded()
        await asyncio.sleep(self.pause)
        if answer.ending == "reset":
            writer.transport.abort()
            return False
        if answer.ending == "hang":
            await reader.read()
            return False
        headers = {"Content-Type": "application/json", **answer.headers, "Content-Length": str(len(data))}
        lines = [f"HTTP/1.1 {answer.status} said", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        if answer.ending == "cut":
            writer.write(data[: len(data) // 2])
            await writer.drain()
            return False
        if answer.ending == "dribble":
            for byte in data:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
            return True
        writer.write(data)
        await writer.drain()
        return True


class ChatServer(Server):
    """Chat completions: `write(call)` is the model, `fault(call)` is the fault of a call, or its name, or None.

    `billed` counts, for each prompt, the calls whose answer was whole and good.
    """

    def __init__(
        self,
        write: Callable[[Call], str],
        fault: Callable[[Call], "Fault | str | None"] = lambda call: None,
        pause: float = 0.0,
    ):
        super().__init__(self._chat, pause)
        self.write, self.fault = write, fault
        self.billed: dict[str, int] = {}

    def _chat(self, call: Call) -> Answer:
        good = chat_completion(call, self.write(call))
        call.fault = self.fault(call)
        if call.fault is None or call.fault == "echoed_key":
            self.billed[call.prompt] = self.billed.get(call.prompt, 0) + 1
        if call.fault is None:
            return Answer(good)
        return (FAULTS[call.fault] if isinstance(call.fault, str) else call.fault)(good)


def saying(status: int = 200, whole: Any = None, **parts: Any) -> Fault:
    """A reply of another form: all of it, or the good one with parts of its own; parts of its choice by their names."""

    def said(good: dict) -> Answer:
        if whole is not None:
            return Answer(whole, status)
        own = {name: value for name, value in parts.items() if name in good}
        choice = {**good["choices"][0], **{name: value for name, value in parts.items() if name not in good}}
        return Answer({**good, "choices": [choice], **own}, status)

    return said


def in_turn(*faults: "Fault | str | None") -> Callable[[Call], "Fault | str | None"]:
    """The first calls go wrong in this order; all later ones go well."""
    remaining = list(faults)
    return lambda call: remaining.pop(0) if remaining else None
