"""The Batch API on top of the chat server: files in, files out, a few looks until a batch is done."""

import json
import re
from dataclasses import replace

from misbehaving_server import Answer, Call, ChatServer, chat_completion


class BatchServer(ChatServer):
    """batches are done after `looks` looks; `fault(call)` may spoil single lines: "error", "no_choice" or "missing"."""

    def __init__(self, write, fault=lambda call: None, looks: int = 2):
        super().__init__(write, fault)
        self.answer = self._route
        self.looks, self.files, self.batches = looks, {}, {}

    def _route(self, call: Call) -> Answer:
        path = call.path.partition("?")[0]
        if path == "/v1/chat/completions":
            return self._chat(call)
        if path == "/v1/files" and call.method == "POST":
            data = call.data.split(b'filename="requests.jsonl"', 1)[1].split(b"\r\n\r\n", 1)[1]
            return self._file(re.split(rb"\r\n--[^\n]*--\r\n$", data)[0])
        if path == "/v1/batches" and call.method == "POST":
            return Answer(self._batch(call.body))
        if path == "/v1/batches":
            return Answer({"object": "list", "data": list(self.batches.values())[::-1], "has_more": False})
        if found := re.fullmatch(r"/v1/batches/(\w+)", path):
            return Answer(self._look(self.batches[found[1]]))
        return Answer(self.files[re.fullmatch(r"/v1/files/(\w+)/content", path)[1]])

    def _file(self, data: bytes) -> Answer:
        name = f"file{len(self.files)}"
        self.files[name] = data
        return Answer(
            {"id": name, "object": "file", "bytes": len(data), "created_at": 1, "filename": "r", "purpose": "batch"}
        )

    def _batch(self, body: dict) -> dict:
        name = f"batch{len(self.batches)}"
        self.batches[name] = {
            **body,
            "id": name,
            "object": "batch",
            "created_at": 1,
            "status": "in_progress",
            "output_file_id": None,
            "request_counts": {"total": 1, "completed": 0, "failed": 0},
            "looks": self.looks,
        }
        return self.batches[name]

    def _look(self, batch: dict) -> dict:
        batch["looks"] -= 1
        if batch["looks"] <= 0 and batch["status"] == "in_progress":
            lines = self.files[batch["input_file_id"]].decode().strip().split("\n")
            batch["output_file_id"] = self._file("".join(map(self._line, reversed(lines))).encode()).data["id"]
            batch["status"] = "completed"
        return batch

    def _line(self, text: str) -> str:
        line = json.loads(text)
        call = replace(self.calls[-1], data=json.dumps(line["body"]).encode())
        fault = self.fault(call)
        if fault == "missing":
            return ""
        body = chat_completion(call, self.write(call))
        if fault is None:
            self.billed[call.prompt] = self.billed.get(call.prompt, 0) + 1
        body = {**body, "choices": []} if fault == "no_choice" else body
        response = None if fault == "error" else {"status_code": 200, "request_id": "r", "body": body}
        told = {"id": "l", "custom_id": line["custom_id"], "response": response, "error": None}
        return json.dumps(told, ensure_ascii=False) + "\n"
