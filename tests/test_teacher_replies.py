"""What teachers of the field reply: refusals, other forms of a request, other names, other JSON, their reasoning."""

import dataclasses
import json
import random
from pathlib import Path

import pytest
import yaml
from batch_server import BatchServer
from misbehaving_server import KEY, Answer, ChatServer, in_turn, refusing, saying
from obedient_teacher import teacher
from test_openai_client import FAST, SETTINGS, accepted, ask_all, echo, request
from test_openai_teacher import ITEMS, given, reasons, settings, taught, without_plans

from asyncthink import cli
from asyncthink.errors import InputError
from asyncthink.files import write_json_lines
from asyncthink.synthesis.cost_estimate import estimate
from asyncthink.synthesis.openai_client import GivenUp, Refused, Stopped, endpoint
from asyncthink.synthesis.response_journal import MOST_EMPTY, read_records


def message(**parts):
    return saying(message={"role": "assistant", "content": None} | parts)


AZURE = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True}},
        },
    }
}
ROUTER = {
    "error": {
        "code": 403,
        "message": "Your chosen model requires moderation and your input was flagged",
        "metadata": {"reasons": ["violence"], "flagged_input": "Say..."},
    }
}
REFUSALS = {
    "openai, 400": refusing(400, "Invalid prompt: flagged as potentially violating our usage policy", "invalid_prompt"),
    "azure, 400": saying(400, AZURE),
    "openrouter, 403": saying(403, ROUTER),
    "openrouter, 403 in a 200": saying(200, ROUTER),
    "deepseek, 400": refusing(400, "Content Exists Risk", "invalid_request_error"),
    "dashscope, 400": saying(400, {"code": "data_inspection_failed", "message": "Input data may contain bad content"}),
    "too long, 400": "too_long",
    "too large, 413": saying(413, b"Request Entity Too Large"),
    "unsaid, 400": saying(400, b""),
    "a refusal": message(refusal="I'm sorry, I can't help with that."),
    "a refusal as a part": message(content=[{"type": "refusal", "refusal": "I can't."}]),
    "gemini, safety": saying(finish_reason="SAFETY", message={"role": "assistant"}),
    "a prompt of too many tokens": saying(
        400, {"object": "error", "message": "Please reduce the length of the messages."}
    ),
    "filtered at once": saying(finish_reason="content_filter", message={"role": "assistant", "content": None}),
    "filtered without a message": saying(whole={"choices": [{"finish_reason": "content_filter", "index": 0}]}),
    "a refusal beside nothing": message(content="", refusal="I can't."),
    "a refusal that is an object": message(refusal={"reason": "no"}),
    "filtered half way": saying(finish_reason="content_filter", message={"role": "assistant", "content": "Half of"}),
    "cut before it began": saying(finish_reason="length", message={"role": "assistant", "content": None}),
}


def problem(call):
    """The problem of a lesson's request, without what follows it: a long sequence numbers its actions up to 19 too."""
    return call.prompt.partition("Fragments")[0]


def one_in(count, fault, text="numbers 3, 5, 8, 9, 13"):
    """A fault for the lessons of one item of ten."""
    assert count == 10
    return lambda call: fault if "13" in problem(call) else None


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_lesson_is_told_left_out_and_not_paid_for_again_unless_asked_for(kind, tmp_path, capfd):
    wanted = settings(30)
    with ChatServer(teacher, one_in(10, REFUSALS[kind])) as server:
        written = taught(server, tmp_path, wanted)
        assert [each.item["numbers"][4] for each in written] == [n for n in range(10, 20) if n != 13] * 3
        err = capfd.readouterr().err
        assert "the teacher refused 3 of 30 lessons: 127.0.0.1: " in err and "--ask-refused asks again" in err
        asked = len(server.calls)
        assert asked == 2 * 27 + 3
        assert taught(server, tmp_path, wanted) == written and len(server.calls) == asked
        assert "the teacher refused 3 of 30 lessons" in capfd.readouterr().err
        again = taught(server, tmp_path, wanted, ask_refused=True)
        assert again == written and len(server.calls) == asked + 3
        server.fault = lambda call: None
        assert len(taught(server, tmp_path, wanted, ask_refused=True)) == 30
        assert len(taught(server, tmp_path, wanted)) == 30 and len(server.calls) == asked + 3 + 6
    cost = estimate(*given(wanted), ITEMS, tmp_path, "gpt-4o")
    assert (cost["requests"], cost["refused"]) == (0, 0)


def test_refused_lessons_are_no_part_of_an_estimate(tmp_path):
    with ChatServer(teacher, one_in(10, REFUSALS["azure, 400"])) as server:
        taught(server, tmp_path, settings(10))
    cost = estimate(*given(settings(10)), ITEMS, tmp_path, "gpt-4o")
    assert (cost["requests"], cost["answered"], cost["refused"]) == (0, 18, 1)
    assert (cost["prompt_tokens"], cost["dollars"]) == (0, 0)
    again = estimate(*given(settings(10)), ITEMS, tmp_path, "gpt-4o", ask_refused=True)
    assert (again["requests"], again["answered"], again["refused"]) == (2, 18, 0)


def test_a_corpus_of_which_too_little_is_left_is_not_written_and_says_why(tmp_path):
    wanted = settings(30)
    wanted = dataclasses.replace(wanted, filter=dataclasses.replace(wanted.filter, fewest_kept=0.95))
    told = pytest.raises(InputError, match=r"refused . of 30 lessons: .*content_filter.*filter.fewest_kept is 0.95")
    with ChatServer(teacher, one_in(10, REFUSALS["azure, 400"])) as server, told:
        taught(server, tmp_path, wanted)
    with ChatServer(teacher, one_in(10, REFUSALS["azure, 400"])) as server:
        assert len(taught(server, tmp_path, settings(30))) == 27


def test_an_endpoint_that_refuses_everything_is_not_believed_of_any_lesson(tmp_path):
    with ChatServer(teacher, lambda call: refusing(400, "chat template missing")) as server:
        with pytest.raises(
            InputError, match=r"in a row had no answer, the last one: 127\.0\.0\.1: refused .400: chat te"
        ):
            taught(server, tmp_path, settings(100))
        assert len(server.calls) < 60
        server.fault = lambda call: None
        assert len(taught(server, tmp_path, settings(100))) == 100


@pytest.mark.parametrize("fault", ["hung", "server_error", "rate_limit", "cut"])
def test_a_lesson_that_only_failed_stays_open_and_so_does_the_corpus(fault, tmp_path):
    wanted = settings(10, attempts=2, time_limit=0.5)
    with ChatServer(teacher, one_in(10, fault)) as server:
        with pytest.raises(InputError, match=r"1 of 10 demonstrations are missing: 127.0.0.1: .*run it again") as error:
            taught(server, tmp_path, wanted)
        assert fault != "hung" or "teacher.time_limit = 0.5 seconds" in str(error.value)
        server.fault = lambda call: None
        assert len(taught(server, tmp_path, settings(10))) == 10


def test_answers_without_text_are_paid_for_a_few_times_and_then_count_as_a_refusal(tmp_path):
    with ChatServer(teacher, one_in(10, "no_text")) as server:
        with pytest.raises(InputError, match=r"1 of 10 .* 127.0.0.1: empty_choice \(answered with no text\)"):
            taught(server, tmp_path, settings(10, attempts=MOST_EMPTY - 2))
        assert len(taught(server, tmp_path, settings(10, attempts=MOST_EMPTY - 2))) == 9
        paid = len(server.calls)
        assert paid == 18 + 2 * (MOST_EMPTY - 2)
        assert len(taught(server, tmp_path, settings(10))) == 9 and len(server.calls) == paid


def test_a_lesson_refused_in_a_batch_is_not_asked_for_one_by_one(tmp_path, capfd):
    null = {"role": "assistant", "content": None, "refusal": "I can't."}

    class Refusing(BatchServer):
        def _line(self, text):
            line = json.loads(super()._line(text))
            if line["custom_id"] in self.refused:
                line["response"]["body"]["choices"][0]["message"] = null
            return json.dumps(line) + "\n"

        @property
        def refused(self):
            lines = [json.loads(line) for line in self.files["file0"].decode().splitlines()]
            return {line["custom_id"] for line in lines if "13" in line["body"]["messages"][-1]["content"]}

    with Refusing(teacher) as server:
        assert len(taught(server, tmp_path, settings(10, batch=True))) == 9
        alone = [call for call in server.calls if call.path.endswith("/chat/completions")]
    assert len(alone) == 1  # the first request, which goes ahead of the batch
    assert "refused 1 of 10 lessons: 127.0.0.1: content_filter (I can't.) (1)" in capfd.readouterr().err


def unsupported(name, words="Unsupported parameter: '{name}' is not supported with this model."):
    error = {"message": words.format(name=name), "type": "invalid_request_error", "param": name}
    return saying(400, {"error": error | {"code": "unsupported_parameter"}})


def choosy(*refusals):
    """A server that takes a request only in its own form: (what a body must not hold, how it is refused)."""
    return lambda call: next((fault for holds, fault in refusals if holds(call.body)), None)


def has(name):
    return lambda body: name in body


def is_warm(body):
    return body.get("temperature", 1.0) != 1.0


def has_system(body):
    return body["messages"][0]["role"] == "system"


OPENAI_LIMIT = "Unsupported parameter: '{name}' is not supported with this model. Use 'max_completion_tokens' instead."
DETAIL = {"detail": [{"type": "extra_forbidden", "loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted", "input": 50}]}  # fmt: skip  # noqa: E501
FORMS = {
    "openai, reasoning": [
        (has("max_tokens"), unsupported("max_tokens", OPENAI_LIMIT)),
        (
            has("temperature"),
            unsupported("temperature", "Unsupported value: '{name}' does not support 0.7 with this model."),
        ),
    ],
    "openai, first ones": [
        (has_system, refusing(400, "Unsupported value: 'messages[0].role' does not support 'system' with this model.")),
        (has("temperature"), unsupported("temperature")),
        (has("max_tokens"), unsupported("max_tokens", OPENAI_LIMIT)),
    ],
    "a validator": [(has("max_tokens"), saying(422, DETAIL))],
    "anthropic": [(has("temperature"), refusing(400, "`temperature` is deprecated for this model."))],
    "default alone": [
        (is_warm, refusing(400, "temperature: Only the default (1) value is supported.", "unsupported_value"))
    ],
    "one value": [(is_warm, refusing(400, "temperature must be 1 for this model"))],
    "not found": [(has("max_tokens"), refusing(404, "max_tokens is not supported by this endpoint"))],
    "moonshot": [(is_warm, refusing(400, "invalid temperature: only 1 is allowed for this model"))],
    "gemini": [
        (has("max_tokens"), saying(400, [{"error": {"message": 'Unknown name "max_tokens": Cannot find field.'}}]))
    ],
    "gemma": [(has_system, refusing(400, "System role not supported"))],
    "mistral": [(has_system, saying(400, {"object": "error", "message": "Unexpected role 'system' after role"}))],
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_request_is_found_out_once_and_remembered(form, tmp_path, capfd):
    warm = dataclasses.replace(SETTINGS, temperature=0.7)
    requests = [dataclasses.replace(request(str(n)), temperature=0.7) for n in range(20)]
    with ChatServer(echo, choosy(*FORMS[form])) as server:
        results, _ = ask_all(server, tmp_path / "journal", requests, warm)
        assert all(isinstance(result, str) for result in results)
        assert len(server.calls) == 20 + len(FORMS[form])
        more = [dataclasses.replace(each, name=f"more {each.name}") for each in requests]
        ask_all(server, tmp_path / "journal", more, warm)
        assert len(server.calls) == 40 + len(FORMS[form])
        ask_all(server, tmp_path / "journal", [*requests, *more], warm)
        assert len(server.calls) == 40 + len(FORMS[form])
    said = [call.body["messages"][-1]["content"] for call in server.calls]
    assert all("Say" in text for text in said) and all("Echo." in json.dumps(call.body) for call in server.calls)


def test_a_refusal_that_no_form_mends_is_told_after_each_was_tried(tmp_path):
    never = choosy((has("max_tokens"), unsupported("max_tokens")), (has("max_completion_tokens"), unsupported("max_completion_tokens")))  # fmt: skip  # noqa: E501
    with ChatServer(echo, never) as server:
        [result], _ = ask_all(server, tmp_path / "journal", [request("a")])
    assert isinstance(result, Refused) and "'max_completion_tokens' is not supported" in str(result)
    assert len(server.calls) == 2


def test_a_limit_that_is_too_large_is_no_matter_of_form(tmp_path):
    words = "max_tokens is too large: 50. This model supports at most 20 completion tokens, whereas you provided 50."
    with ChatServer(echo, lambda call: refusing(400, words)) as server:
        [result], _ = ask_all(server, tmp_path / "journal", [request("a")])
    assert "max_tokens is too large" in str(result) and len(server.calls) == 1


def test_what_a_teacher_does_not_take_is_said_on_every_run(tmp_path, capfd):
    with ChatServer(teacher, choosy(*FORMS["anthropic"])) as server:
        for _ in range(2):
            taught(server, tmp_path, settings(3, temperature=0.7))
            told = "gpt-4o at 127.0.0.1 takes no temperature: teacher.temperature = 0.7 is not sent"
            assert told in capfd.readouterr().err


def test_a_batch_is_handed_in_in_the_form_that_the_first_request_found(tmp_path):
    class Choosy(BatchServer):
        def _line(self, text):
            assert "max_completion_tokens" in json.loads(text)["body"]
            return super()._line(text)

    with Choosy(
        teacher, lambda call: choosy(*FORMS["openai, reasoning"])(call) if "chat" in call.path else None
    ) as server:
        assert len(taught(server, tmp_path, settings(10, batch=True))) == 10


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
@pytest.mark.parametrize("reply", [b"<html></html>", b"[]", b"null", b'{"data": null}', b'{"data": [3]}'])
def test_a_server_whose_batches_are_of_another_form_is_told_in_one_line(path, reply, tmp_path):
    with BatchServer(teacher) as server:
        route = server.answer
        server.answer = lambda call: Answer(reply) if call.path.partition("?")[0] == path else route(call)
        with pytest.raises(InputError, match=r"127\.0\.0\.1: .*set teacher.batch: false"):
            taught(server, tmp_path, settings(10, batch=True))


@pytest.mark.parametrize(
    ("asked", "answered", "names", "passes"),
    [
        ("my-deployment", "gpt-4o-2024-08-06", ("gpt-4o",), True),
        ("my-deployment", "gpt-4o-2024-08-06", ("gpt-4o-2024-08-06",), True),
        ("my-deployment", "gpt-4o-2024-08-06", None, False),
        ("my-deployment", "gpt-4o-mini", ("gpt-4o",), False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", None, False),
        ("gpt-4o", 4, None, False),
        ("gpt-4o", "gpt-4o-2024-08-06", ("another",), True),
    ],
)
def test_another_model_is_refused_after_one_answer_with_both_names_and_the_setting(
    asked, answered, names, passes, tmp_path
):
    requests = [dataclasses.replace(request(str(n)), model=asked) for n in range(100)]
    given = dataclasses.replace(SETTINGS, model_names=names)
    with ChatServer(echo, lambda call: saying(model=answered)) as server:
        results, _ = ask_all(server, tmp_path / "journal", requests, given)
    if passes:
        assert all(isinstance(result, str) for result in results)
        return
    assert len(server.calls) == 1
    assert all(isinstance(result, Stopped) for result in results)
    for part in (asked, str(answered), "teacher.model_names", "127.0.0.1"):
        assert part in str(results[0])


def text_part(text):
    return {"type": "text", "text": text}


GOOD_FORMS = {
    "parts": message(content=[text_part("one "), text_part("two")]),
    "texts as parts": message(content=["one ", "two"]),
    "one part": message(content=text_part("one two")),
    "a part that thinks": message(content=[{"type": "thinking", "thinking": [text_part("hm")]}, text_part("one two")]),
    "usage as text": saying(usage="12 tokens", message={"content": "one two"}),
    "usage a list": saying(usage=[1, 2], message={"content": "one two"}),
    "counts as text": saying(usage={"prompt_tokens": "7", "completion_tokens": "2.0"}, message={"content": "one two"}),
    "counts null": saying(usage={"prompt_tokens": None, "completion_tokens": {}}, message={"content": "one two"}),
    "counts out of range": saying(
        usage={"prompt_tokens": -5, "completion_tokens": 1e999}, message={"content": "one two"}
    ),
    "no usage": saying(usage=None, message={"content": "one two"}),
    "no role": message(content="one two", role=None),
    "no model": saying(model=None, message={"content": "one two"}),
    "no finish": saying(finish_reason=None, message={"content": "one two"}),
    "finish a number": saying(finish_reason=1, message={"content": "one two"}),
    "few fields": saying(whole={"choices": [{"message": {"content": "one two"}}]}),
    "two choices": saying(whole={"choices": [{"message": {"content": "one two"}}, {"message": None}]}),
    "thoughts beside": message(content="one two", reasoning_content="draft"),
    "thoughts before": message(content="<think>draft</think>one two"),
    "thoughts opened elsewhere": message(content="draft\n</think>\n\none two"),
    "empty refusal": message(content="one two", refusal=""),
    "a byte order mark": saying(whole=b'\xef\xbb\xbf{"choices": [{"message": {"content": "one two"}}]}'),
}


@pytest.mark.parametrize("form", GOOD_FORMS)
def test_an_answer_is_read_in_each_form_of_it(form, tmp_path):
    with ChatServer(echo, lambda call: GOOD_FORMS[form]) as server:
        [result], client = ask_all(server, tmp_path / "journal", [request("a")], FAST)
    assert result.strip() == "one two" and len(server.calls) == 1
    assert 0 < client.budget.tokens < 200


BAD_FORMS = {
    "no choices": (saying(choices=[]), "empty_choice (answered with no choices)"),
    "a picture": (message(content={"type": "image_url"}), "empty_choice (answered with no text)"),
    "parts in parts": (message(content=[["one"]]), "answered with a list where content is text"),
    "content a truth value": (message(content=False), "answered with a truth value where content is text"),
    "a choice null": (saying(choices=[None]), "answered with null where choices.0 is an object"),
    "ollama's own": (saying(whole={"message": {"content": "hi"}, "done": True}), "answered without choices"),
    "anthropic's own": (saying(whole={"content": [text_part("hi")]}), "answered without choices"),
    "choices missing": (saying(whole={"id": "x"}), "answered without choices"),
    "choices null": (saying(choices=None), "answered with null where choices is a list"),
    "a message that is text": (saying(message="hello"), "answered with text where message is an object"),
    "no message": (saying(whole={"choices": [{"text": "hello"}]}), "answered without message"),
    "content a number": (message(content=7), "answered with a number where content is text"),
    "a part that is a number": (message(content=["one", 7]), "answered with a number where content is text"),
    "a list": (saying(whole=[1]), "answered with a list where the reply is an object"),
    "null": (saying(whole=b"null"), "answered with null where the reply is an object"),
    "a page": ("page", "something that is not JSON: <html>Bad gateway</html>"),
    "nothing": (saying(whole=b""), "something that is not JSON: nothing"),
    "deep": (saying(whole=b"[" * 100_000), "something that is not JSON"),
    "an error inside": (
        saying(whole={"error": {"message": "upstream is down", "code": 502}}),
        "server_error (502: upstream is down)",
    ),
    "an error as text": (saying(whole={"error": "Unexpected endpoint or method."}), "Unexpected endpoint or method."),
    "an error in the choice": (saying(error={"message": "overloaded"}, x=1), "overloaded"),
    "an error by type": (saying(whole={"object": "error", "message": "no slot", "code": 50001}), "no slot"),
    "cut before it began": (
        saying(finish_reason="length", message={"content": None}),
        "token_limit (the answer was cut at teacher.max_tokens = 50 before it began: raise it)",
    ),
    "cut in its thoughts": (
        saying(finish_reason="length", message={"content": "<think>hm, hm"}),
        "token_limit (the answer was cut at teacher.max_tokens = 50 before it began: raise it)",
    ),
    "thoughts alone": (message(reasoning_content="hm"), "empty_choice (answered with nothing but reasoning)"),
    "white space": (message(content=" \n"), "empty_choice"),
    "tool calls": (message(tool_calls=[{"id": "1"}]), "empty_choice (answered with no text)"),
    "cut in other words": (saying(finish_reason="MAX_TOKENS", message={}), "teacher.max_tokens = 50"),
    "an accident half way": (saying(finish_reason="error", message={"content": "Half"}), "cut (finish_reason error)"),
    "a stream": (saying(whole=b'data: {"choices": []}\n\ndata: [DONE]\n\n'), "something that is not JSON: data:"),
    "choices an object": (saying(choices={"0": {}}), "answered with an object where choices is a list"),
    "an odd status": (saying(499, b""), "server_error (499)"),
    "a failed dependency": (saying(424, {"error": "Generation error"}), "server_error (424: Generation error)"),
    "overloaded": (saying(529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}), "529: Overloaded"),
}


@pytest.mark.parametrize("form", BAD_FORMS)
def test_an_answer_that_is_none_is_one_line_that_names_the_server_and_what_was_wrong(form, tmp_path):
    fault, told = BAD_FORMS[form]
    once = dataclasses.replace(FAST, attempts=1)
    with ChatServer(echo, lambda call: fault) as server:
        [result], _ = ask_all(server, tmp_path / "journal", [request("a")], once)
        assert isinstance(result, GivenUp | Stopped)
        assert str(result).startswith("127.0.0.1: ") and told in str(result) and "\n" not in str(result)
        server.fault = in_turn(fault, fault)
        results, _ = ask_all(server, tmp_path / "journal", [request("b")], dataclasses.replace(FAST, attempts=3))
    assert results == ["You said: Say b."] or "teacher.max_tokens = 50" in str(results[0])


STOPPING = {
    "no credit, 402": (refusing(402, "Insufficient credits"), "top it up"),
    "no credit, 400": (refusing(400, "Your credit balance is too low to access the API"), "top it up"),
    "no balance in a 200": (saying(error={"message": "Insufficient Balance", "code": 402}), "top it up"),
    "key in a 200": (saying(whole={"error": {"message": "No auth", "code": 401}}), "check OPENAI_API_KEY"),
    "wrong method": (saying(405, b"Method Not Allowed"), "check ASYNCTHINK_TEACHER_MODEL and OPENAI_BASE_URL"),
    "a day's wait": (refusing(429, "Daily limit", Retry_After="86400"), "come back later"),
}


@pytest.mark.parametrize("kind", STOPPING)
def test_what_no_other_attempt_mends_ends_the_run_after_one_request(kind, tmp_path):
    fault, advice = STOPPING[kind]
    with ChatServer(echo, lambda call: fault) as server:
        results, _ = ask_all(server, tmp_path / "journal", [request(str(n)) for n in range(50)])
    assert all(isinstance(result, Stopped) for result in results) and len(server.calls) == 1
    assert advice in str(results[0]) and "127.0.0.1" in str(results[0])


def test_a_draft_in_the_thoughts_of_a_teacher_is_no_demonstration(tmp_path):
    draft = (
        "<think>Let me draft.\n=== WORKER 1 ===\nx <RETURN>1</RETURN>\n=== ORGANIZER ===\n<ANSWER>1</ANSWER></think>"
    )
    with ChatServer(lambda call: draft + teacher(call)) as server:
        written = taught(server, tmp_path / "drafted", settings(10))
    with ChatServer(teacher) as server:
        assert taught(server, tmp_path / "plain", settings(10)) == written
    records = [record for record in read_records(tmp_path / "drafted" / "asynchronous.jsonl") if record]
    assert all("</think>" in record["body"] and "think>" not in record["text"] for record in records)


JOINS = {
    "another result": (lambda text: text.replace("<JOIN-1>3 * 8</JOIN-1>", "<JOIN-1>3 * 9</JOIN-1>"), "invented_join"),
    "an empty one": (lambda text: text.replace("<JOIN-1>3 * 8</JOIN-1>", "<JOIN-1></JOIN-1>"), "invented_join"),
    "never closed": (lambda text: text.replace("3 * 8</JOIN-1>", "3 * 8"), "unclosed_join"),
    "a bare tag": (lambda text: text.replace("3 * 8</JOIN-1>", ""), "unclosed_join"),
    "closed as another": (lambda text: text.replace("</JOIN-1>", "</JOIN-2>"), "unclosed_join"),
    "other white space": (lambda text: text.replace("<JOIN-1>3 * 8</JOIN-1>", "<JOIN-1>\n3 *  8\n</JOIN-1>"), None),
}


@pytest.mark.parametrize("kind", JOINS)
def test_a_join_must_hold_what_its_worker_returned_and_be_closed(kind, tmp_path):
    spoil, reason = JOINS[kind]
    wanted = settings(12)
    wanted = dataclasses.replace(wanted, synthesize=dataclasses.replace(wanted.synthesize, interleaved=1.0, batch=0.0))
    with ChatServer(lambda call: spoil(teacher(call))) as server:
        written = taught(server, tmp_path, wanted)
    joins_one = ["J1" in each.structure for each in written]
    assert any(joins_one)
    assert reasons(written, wanted) == [reason if joined else None for joined in joins_one]


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A folder in which `synthesize` and `filter` can be called, and the caller of them."""
    monkeypatch.chdir(tmp_path)
    wanted = settings(10)
    asked = dataclasses.replace(wanted, synthesize=dataclasses.replace(wanted.synthesize, teacher="openai"))
    raw = without_plans(asked)
    Path("params.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(raw))))
    write_json_lines("train.jsonl", ITEMS)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ASYNCTHINK_TEACHER_MODEL", "gpt-4o")
    files = ["--demonstrations", "written.jsonl"]

    def call(step, server, *flags):
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        given = {
            "synthesize": ["--puzzles", "train.jsonl"],
            "filter": ["--kept", "kept.jsonl", "--rejected", "rejected.jsonl", "--metrics", "metrics.json"],
        }
        return cli.main([step, "--arm", "asyncthink", *files, *given[step], *flags])

    return call


def test_the_commands_write_what_there_is_and_count_what_the_filter_rejects(commands, capfd):
    def wrong(call):
        return teacher(call).replace("<JOIN-1>3 * 8<", "<JOIN-1>nothing<", 1 if "19" in problem(call) else 0)

    with ChatServer(wrong, one_in(10, REFUSALS["azure, 400"])) as server:
        assert commands("synthesize", server) == 0
        assert "the teacher refused 1 of 10 lessons" in capfd.readouterr().err
        assert len(Path("written.jsonl").read_text().splitlines()) == 9
        assert commands("filter", server) == 0
        asked = len(server.calls)
        assert commands("synthesize", server, "--ask-refused") == 0 and len(server.calls) == asked + 1
    metrics = json.loads(Path("metrics.json").read_text())
    assert metrics["rejected"] == {"invented_join": 1}


@pytest.mark.parametrize("odd", ["a message that is text", "no choices", "an error as text", "cut before it began"])
def test_a_teacher_that_never_answers_well_is_one_line_and_no_traceback(odd, commands, capfd):
    with ChatServer(teacher, lambda call: BAD_FORMS[odd][0]) as server:
        raw = yaml.safe_load(Path("params.yaml").read_text())
        Path("params.yaml").write_text(yaml.safe_dump({**raw, "teacher": {**raw["teacher"], "attempts": 1}}))
        assert commands("synthesize", server) == 2
    err = capfd.readouterr().err
    assert "Traceback" not in err and not Path("written.jsonl").exists()
    assert err.splitlines()[-1].startswith("asyncthink synthesize: 10 of 10 demonstrations are missing: ")
    assert "127.0.0.1" in err.splitlines()[-1]


def test_an_address_that_goes_on_behind_v1_is_told():
    with pytest.raises(InputError, match="OPENAI_BASE_URL is the part of the address before /chat/completions"):
        endpoint({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1/chat/completions"})


def test_faults_of_every_kind_at_once_lose_nothing_and_pay_for_nothing_twice(tmp_path):
    """Odd replies that pass, refusals that stay: the corpus is the calm one without the refused lessons."""
    passing = [
        BAD_FORMS[name][0] for name in ("no choices", "a message that is text", "an error inside", "white space")
    ]

    def fault(call):
        if "13" in problem(call):
            return REFUSALS["a refusal"]
        return random.Random(call.number).choice([*passing, "server_error", *[None] * 10])

    with ChatServer(teacher, fault) as server:
        written = taught(server, tmp_path / "odd", settings(60))
    with ChatServer(teacher) as server:
        calm = taught(server, tmp_path / "calm", settings(60))
    assert written == [each for each in calm if each.item["numbers"][4] != 13]
    names = accepted(tmp_path / "odd" / "asynchronous.jsonl")
    assert len(names) == len(set(names)) == 2 * 54
