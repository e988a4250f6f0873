"""The teacher's client against a real server that misbehaves: nothing lost, nothing doubled, nothing leaked."""

import asyncio
import dataclasses
import json
import logging
import random
from collections import Counter
from pathlib import Path

import pytest
from misbehaving_server import KEY, ChatServer, in_turn

from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.synthesis.chat_completion import Request, same_model
from asyncthink.synthesis.openai_client import Client, Endpoint, GivenUp, Stopped, backoff, endpoint
from asyncthink.synthesis.response_journal import ResponseJournal, read_records
from asyncthink.synthesis.teacher_faults import asked_wait

SETTINGS = dataclasses.replace(
    params.read(Path(__file__).parent.parent / "params.yaml").teacher,
    max_tokens=50,
    concurrency=64,
    attempts=8,
    time_limit=5.0,
    budget_tokens=None,
    budget_dollars=None,
)


async def briefly(seconds: float) -> None:
    """Wait a thousandth of the time."""
    await asyncio.sleep(seconds / 1000)


def request(name: str) -> Request:
    return Request(name, (("system", "Echo."), ("user", f"Say {name}.")), "gpt-4o", 1.0, 50)


def echo(call) -> str:
    return f"You said: {call.prompt}"


def ask_all(server, path, requests, settings=SETTINGS, sleep=briefly):
    """What became of each request (its text, or the exception), and the client that asked."""

    async def run():
        with ResponseJournal(path) as journal:
            client = Client(Endpoint("gpt-4o", server.url, KEY), settings, journal, sleep)
            slots = asyncio.Semaphore(settings.concurrency)

            async def one(each):
                async with slots:
                    return (await client.ask(each)).text

            results = await asyncio.gather(*map(one, requests), return_exceptions=True)
            await client.close()
            return results, client

    return asyncio.run(run())


def accepted(path) -> list[str]:
    return [record["name"] for record in read_records(path) if record and record["fault"] is None]


FAST = dataclasses.replace(SETTINGS, time_limit=1.0)
PASSING = [
    "rate_limit",
    "rate_limit_in_milliseconds",
    "request_timeout",
    "conflict",
    "server_error",
    "overloaded",
    "hung",
    "dribbling",
    "cut",
    "reset",
    "invalid_json",
    "page",
    "no_choice",
    "no_text",
]


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_another_attempt_and_no_answer(fault, tmp_path):
    with ChatServer(echo, in_turn(fault)) as server:
        results, client = ask_all(server, tmp_path / "journal", [request("a")], FAST)
    assert results == ["You said: Say a."]
    assert len(server.calls) == 2
    assert sum(client.faults.values()) == 1
    assert accepted(tmp_path / "journal") == ["a"]


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("key_refused", "check OPENAI_API_KEY"),
        ("unknown_model", "check ASYNCTHINK_TEACHER_MODEL"),
        ("out_of_quota", "quota is used up"),
    ],
)
def test_a_fault_that_stays_ends_the_run_with_advice_and_without_the_key(fault, advice, tmp_path):
    with ChatServer(echo, lambda call: fault) as server:
        results, _ = ask_all(server, tmp_path / "journal", [request(str(i)) for i in range(300)])
    assert all(isinstance(result, Stopped) for result in results)
    assert len(server.calls) <= SETTINGS.concurrency
    assert "127.0.0.1" in str(results[0]) and advice in str(results[0]) and KEY not in str(results[0])


def test_a_request_that_is_refused_for_what_it_is_does_not_hold_up_the_others(tmp_path):
    too_long = lambda call: "too_long" if "Say 3." in call.prompt else None  # noqa: E731
    with ChatServer(echo, too_long) as server:
        results, _ = ask_all(server, tmp_path / "journal", [request(str(i)) for i in range(5)])
    assert isinstance(results[3], GivenUp) and "maximum context length" in str(results[3])
    assert [isinstance(result, str) for result in results] == [True, True, True, False, True]
    assert len(server.calls) == 5


def test_after_all_attempts_the_fault_is_told(tmp_path):
    with ChatServer(echo, lambda call: "server_error") as server:
        results, _ = ask_all(server, tmp_path / "journal", [request("a")])
    assert len(server.calls) == SETTINGS.attempts
    assert isinstance(results[0], GivenUp) and "server_error" in str(results[0])


def test_a_server_that_is_not_there_is_told(tmp_path):
    with ChatServer(echo) as server:
        pass
    results, client = ask_all(server, tmp_path / "journal", [request("a")])
    assert str(results[0]) == "127.0.0.1: unreachable"
    assert client.budget.tokens == 0


def test_the_wait_is_never_shorter_than_the_server_asks(tmp_path):
    waits = []

    async def note(seconds):
        waits.append(seconds)

    faults = in_turn("rate_limit", "rate_limit_in_milliseconds", "server_error", "server_error")
    with ChatServer(echo, faults) as server:
        ask_all(server, tmp_path / "journal", [request("a")], sleep=note)
    assert len(waits) == 4
    assert 7 <= waits[0] <= 8 and 2.5 <= waits[1] <= 4.5
    assert 2 <= waits[2] <= 4 <= waits[3] <= 8


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "1e9"}, 1e9),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "-5"}, 0),
        ({}, 0),
    ],
)
def test_retry_after_is_read_as_number_or_date(headers, seconds):
    assert asked_wait(headers) == seconds


def test_waits_double_within_bounds_and_differ():
    draws = [random.Random(7).random() for _ in range(3)]
    assert [backoff(n, 0.0, 0.0) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert all(backoff(n, 5.0, draw) >= 5 for n in range(1, 9) for draw in draws)


@pytest.mark.slow
def test_two_thousand_requests_at_64_at_once_with_a_fifth_of_faults_lose_none_and_double_none(tmp_path):
    """The server's own books say who was answered how often; the faults of a prompt depend on nothing but itself."""
    asked = Counter()
    common = [fault for fault in PASSING if fault not in ("hung", "dribbling")]

    def fault(call):
        asked[call.prompt] += 1
        rng = random.Random(f"{call.prompt}/{asked[call.prompt]}")
        if rng.random() < 0.2:
            return "hung" if rng.random() < 0.02 else rng.choice(common)
        return None

    requests = [request(str(i)) for i in range(2000)]
    with ChatServer(echo, fault, pause=0.4) as server:  # long enough to overlap on a busy machine
        results, client = ask_all(server, tmp_path / "journal", requests)
    assert results == [f"You said: Say {i}." for i in range(2000)]
    assert server.billed == {f"Say {i}.": 1 for i in range(2000)}
    assert sorted(accepted(tmp_path / "journal"), key=int) == [str(i) for i in range(2000)]
    assert 32 < server.most_at_once <= 64
    faulty = sum(call.fault is not None for call in server.calls)
    assert 0.15 < faulty / len(server.calls) < 0.25
    assert sum(client.faults.values()) == faulty


def test_what_was_answered_is_never_asked_again(tmp_path):
    requests = [request(str(i)) for i in range(20)]
    with ChatServer(echo) as server:
        first, _ = ask_all(server, tmp_path / "journal", requests[:12])
        second, _ = ask_all(server, tmp_path / "journal", requests)
    assert second[:12] == first
    assert all(times == 1 for times in server.billed.values()) and len(server.billed) == 20


def test_a_journal_whose_last_line_was_cut_goes_on_behind_it(tmp_path):
    path = tmp_path / "journal"
    requests = [request(str(i)) for i in range(4)]
    with ChatServer(echo) as server:
        ask_all(server, path, requests[:3])
        whole = path.read_bytes()
        path.write_bytes(whole[:-40])
        with ResponseJournal(path) as journal:
            assert (len(journal.accepted), journal.broken) == (2, 1)
        results, _ = ask_all(server, path, requests)
    assert results == [f"You said: Say {i}." for i in range(4)]
    assert path.read_bytes().startswith(whole[:-40])
    assert sorted(accepted(path)) == ["0", "1", "2", "3"]


def test_garbage_in_a_journal_is_passed_over(tmp_path):
    path = tmp_path / "journal"
    cost = b'"prompt_tokens": 1, "completion_tokens": 1, "price_share": 1.0'
    path.write_bytes(
        b'\xff\xfe\n[1]\n{"key": "a"}\n{"prompt_tokens": "x"}\nnull\n'
        b'{"key": "a", "name": "a", "fault": null, ' + cost + b"}\n"
        b'{"key": "a", "name": "a", "fault": "form", ' + cost + b"}\n"
        b'{"key": "a", "name": "a", "fault": [], ' + cost + b"}\n"
    )
    with ResponseJournal(path) as journal:
        assert (journal.accepted, journal.broken) == ({}, 8)


def test_a_journal_belongs_to_one_run_at_a_time(tmp_path):
    with ResponseJournal(tmp_path / "journal"), pytest.raises(InputError, match="another run"):
        ResponseJournal(tmp_path / "journal")


@pytest.mark.parametrize("unit", ["tokens", "dollars"])
def test_a_budget_is_a_ceiling_whatever_goes_wrong_and_a_larger_one_goes_on(unit, tmp_path):
    prices = {"input_price": 100.0, "output_price": 200.0, "attempts": 30}
    limit = {"budget_tokens": 1500} if unit == "tokens" else {"budget_dollars": 0.2}
    small = dataclasses.replace(SETTINGS, concurrency=8, **prices, **limit)
    requests = [request(str(i)) for i in range(200)]
    flaky = lambda call: random.Random(call.number).choice(["cut", "no_text", "server_error", None, None])  # noqa: E731
    with ChatServer(echo, flaky) as server:
        results, client = ask_all(server, tmp_path / "journal", requests, small)
        spent = client.budget
        assert all(isinstance(result, str | Stopped) for result in results)
        answered = sum(isinstance(result, str) for result in results)
        assert 0 < answered < 200
        assert "the budget leaves no room" in str(next(r for r in results if isinstance(r, Stopped)))
        assert spent.tokens <= 1500 if unit == "tokens" else spent.dollars <= 0.2
        on_disk = [record for record in read_records(tmp_path / "journal") if record]
        assert sum(record["prompt_tokens"] + record["completion_tokens"] for record in on_disk) == spent.tokens
        again, client = ask_all(server, tmp_path / "journal", requests, small)
        assert sum(isinstance(result, str) for result in again) == answered
        larger = dataclasses.replace(SETTINGS, **prices)
        assert all(isinstance(r, str) for r in ask_all(server, tmp_path / "journal", requests, larger)[0])
    assert set(server.billed.values()) == {1}


def test_requests_wait_for_those_under_way_before_the_budget_is_called_spent(tmp_path):
    """64 worst cases do not fit at once, but all answers are short, so all of them fit one after another."""
    settings = dataclasses.replace(SETTINGS, budget_tokens=2400)
    with ChatServer(echo) as server:
        results, client = ask_all(server, tmp_path / "journal", [request(str(i)) for i in range(150)], settings)
    assert all(isinstance(result, str) for result in results)
    assert client.budget.tokens <= 2400


def test_the_key_reaches_no_record_no_error_and_no_log(tmp_path, caplog, capfd, monkeypatch):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("openai").setLevel(logging.DEBUG)
    faults = [None, "cut", "invalid_json", "no_choice", "server_error", "too_long", "wrong_model", "key_refused"]
    with ChatServer(lambda call: f"your key is {KEY}", in_turn(*faults)) as server:
        settings = dataclasses.replace(SETTINGS, concurrency=1, attempts=2)
        results, client = ask_all(server, tmp_path / "journal", [request(str(i)) for i in range(9)], settings)
    assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"
    assert results[0] == "your key is [key]"
    assert KEY not in (tmp_path / "journal").read_text()
    assert KEY not in caplog.text and KEY not in "".join(capfd.readouterr())
    shown = [repr(result) + repr(getattr(result, "__cause__", None)) for result in results]
    assert KEY not in "".join(shown) + repr(client.endpoint) + str(vars(client.journal))


def test_a_key_echoed_beside_the_answer_is_kept_out_too(tmp_path):
    with ChatServer(echo, in_turn("echoed_key")) as server:
        ask_all(server, tmp_path / "journal", [request("a")])
    assert accepted(tmp_path / "journal") == ["a"]
    assert KEY not in (tmp_path / "journal").read_text()


def test_half_characters_in_an_answer_can_be_written(tmp_path):
    with ChatServer(lambda call: "half \ud83d of a face") as server:
        results, _ = ask_all(server, tmp_path / "journal", [request("a")])
        again, _ = ask_all(server, tmp_path / "journal", [request("a")])
    assert results == again == ["half ? of a face"]


def test_every_body_is_kept_as_it_came(tmp_path):
    with ChatServer(echo, in_turn("no_choice", "invalid_json", "no_text", None, "wrong_model")) as server:
        ask_all(server, tmp_path / "journal", [request("a"), request("b")])
    records = list(read_records(tmp_path / "journal"))
    assert [each["fault"] for each in records] == ["empty_choice", "unreadable", "empty_choice", None, "wrong_model"]
    assert json.loads(records[3]["body"])["choices"][0]["message"]["content"] == records[3]["text"]
    assert json.loads(records[4]["body"])["model"] == "cheap-imitation-7b"


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("openai/gpt-4o", "gpt-4o", True),
        ("qwen3-4b", "Qwen/Qwen3-4B", True),
        ("gpt-4o", "", True),
        ("mistral-large-latest", "mistral-large-2411", True),
        ("gemini-2.0-flash", "models/gemini-2.0-flash-001", True),
        ("llama3.1", "llama3.1:latest", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("gpt-4o-mini", "gpt-4o", False),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-05-13", False),
        ("qwen3", "qwen3:0.6b", False),
        ("llama-3.1-8b", "llama-3.1-8b-instruct", False),
        ("meta/llama-3", "other/llama-3", False),
        ("gpt-4o", "gpt-3.5-turbo", False),
        ("gpt-4o", "cheap-imitation-7b", False),
    ],
)
def test_a_dated_name_is_the_same_model_and_another_name_is_not(asked, answered, same):
    assert same_model(asked, answered) is same


def test_the_environment_says_whom_to_ask():
    where = endpoint({"OPENAI_API_KEY": f" {KEY}\n"})
    assert (where.model, where.url, where.key) == ("gpt-4o", "https://api.openai.com/v1", KEY)
    assert KEY not in repr(where)
    local = endpoint({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "ASYNCTHINK_TEACHER_MODEL": "mine"})
    assert (local.model, local.url) == ("mine", "http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "OPENAI_API_KEY is not set"),
        ({"OPENAI_API_KEY": "sk-one\nsk-two"}, "OPENAI_API_KEY holds"),
        ({"OPENAI_BASE_URL": "127.0.0.1:8000"}, "OPENAI_BASE_URL must be"),
    ],
)
def test_what_is_wrong_with_the_environment_is_told_without_the_key(environment, told):
    with pytest.raises(InputError, match=told) as error:
        endpoint(environment)
    assert "sk-" not in str(error.value)
