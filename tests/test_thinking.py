"""The runtime of thinking on an engine that says what it was told."""

import asyncio
import random
from dataclasses import replace

import pytest
from chat_templates import ALWAYS_REASONS, QWEN, SWITCHES
from hypothesis import given, settings
from hypothesis import strategies as st
from latency_formula import recursion
from taught_model import DEMONSTRATION, ITEM, PARAMS, SEQUENTIAL, THINKING_SETTINGS, WORDS
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from asyncthink import protocol, schedule
from asyncthink.engines import Request, run
from asyncthink.engines.scripted import Scripted
from asyncthink.episode import Episode
from asyncthink.models.prompts import PROMPTS
from asyncthink.synthesis import solver_teacher
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.replay import replay
from asyncthink.tasks import TASKS
from asyncthink.tasks.countdown_puzzles import generate
from asyncthink.tasks.countdown_search import branches, sorted_numbers
from asyncthink.thinking import THINKING
from asyncthink.thinking.scoring import finish

SETTINGS = replace(THINKING_SETTINGS, organizer_budget=60, worker_budget=12)
FOUND = "8 * 3 24 ! <RETURN> 8 * 3 </RETURN>"


def think(organizer: str, workers: dict[int, str], tokenizer=WORDS, **changes: object) -> Episode:
    """One asynchronous episode in which every agent says what is written."""
    texts = {("s", "organizer"): organizer} | {("s", f"worker-{i}"): text for i, text in workers.items()}
    engine = Scripted(tokenizer, texts)
    chosen = replace(SETTINGS, **changes)
    [episode] = run(engine, [THINKING["asynchronous"](engine, "countdown", ITEM, chosen, {"index": 0}, ("s",))])
    return episode


def counted(episode: Episode) -> int:
    """Tokens that the plan gives the organizer."""
    return sum(n for action in episode.plan["organizer"] for key, n in action.items() if key not in ("fork", "join"))


def chat_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE in which a tag is several tokens, and one token may hold the end of a tag and more."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = ["</FORK-1> and", "</FORK-1> <FORK-2>", "so <JOIN-1>", "then <ANSWER>8</ANSWER>.\n", "> <", "so <"] * 20
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=310, special_tokens=special, initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", chat_template=QWEN)


CHAT = chat_tokenizer()


def test_a_plan_counts_every_token_of_every_action():
    organizer = "3 + 5 8 . <FORK-1> 3 8 =24 </FORK-1> 5 + 8 13 . <JOIN-1> 1 <ANSWER> 8 * 3 </ANSWER> 7 7 7"
    episode = think(organizer, {1: FOUND})
    assert episode.plan == {
        "capacity": 3,
        "organizer": [
            {"think": 5},
            {"fork": 1, "tokens": 5},
            {"think": 5},
            {"join": 1, "tokens": 1},
            {"think": 1},
            {"answer": 5},
        ],
        "workers": {"1": 10},
        "slot_release": "join",
    }
    assert episode.answer == "8 * 3"
    assert episode.schedule["latency"] == 5 + 5 + 10 + 1 + 5
    assert [trace.stop for trace in episode.traces] == ["answer", "return"]


def test_what_a_worker_returned_stands_behind_its_join_and_is_not_the_models():
    episode = think("<FORK-1> 3 8 =24 </FORK-1> <JOIN-1> <ANSWER> 8 * 3 </ANSWER>", {1: FOUND})
    organizer, worker = episode.traces
    text = "<FORK-1> 3 8 =24 </FORK-1> <JOIN-1> 8 * 3 </JOIN-1> <ANSWER> 8 * 3 </ANSWER>"
    assert "".join(segment.text for segment in organizer.segments) == f" {text}"
    injected = [token for token, own in zip(organizer.ids, organizer.policy, strict=True) if not own]
    assert WORDS.decode(injected) == " 8 * 3 </JOIN-1>"
    assert len(organizer.ids) == len(organizer.policy) == len(organizer.logprobs)
    assert (worker.role, worker.fork, worker.prompt) == ("worker", 1, "<worker> 3 8 =24")
    assert organizer.prompt == "<organizer> 11 9 8 5 3 =24"


def test_a_worker_that_is_cut_has_no_result():
    episode = think("<FORK-1> 3 =24 </FORK-1> <JOIN-1> <ANSWER> 1 </ANSWER>", {1: "3 + 8 11 . " * 9})
    organizer, worker = episode.traces
    assert (worker.stop, worker.decoded) == ("budget", 12)
    assert organizer.segments[2].text == " none </JOIN-1>"
    assert episode.schedule["format_error"] is None
    assert episode.plan["workers"] == {"1": 12}


def test_a_stray_closing_tag_does_not_end_a_worker():
    episode = think("<FORK-1> 3 =24 </FORK-1> <JOIN-1> <ANSWER> 1 </ANSWER>", {1: "3 </RETURN> 5 <RETURN> 8 </RETURN>"})
    assert episode.traces[1].own_text == " 3 </RETURN> 5 <RETURN> 8 </RETURN>"
    assert episode.traces[0].segments[2].text == " 8 </JOIN-1>"


def test_workers_that_nobody_joins_are_no_error_and_run_to_their_end():
    episode = think("<FORK-1> 3 =24 </FORK-1> <ANSWER> 1 </ANSWER>", {1: FOUND})
    assert episode.schedule["format_error"] is None
    assert (episode.schedule["latency"], episode.schedule["work"], episode.schedule["unjoined"]) == (7, 17, 1)


FAILING = {
    "an id forked twice": ("duplicate_fork", "<FORK-1> 3 =24 </FORK-1> <JOIN-1> <FORK-1> 5 =24 </FORK-1> 7", 9),
    "a third worker": ("pool_overflow", "<FORK-1> 3 </FORK-1> <FORK-2> 5 </FORK-2> <FORK-3> 8 </FORK-3> 7", 9),
    "an unknown id": ("dangling_join", "3 <JOIN-2> 7", 2),
    "an id joined twice": ("dangling_join", "<FORK-1> 3 =24 </FORK-1> <JOIN-1> <JOIN-1> 7", 6),
    "the end of sequence": ("no_answer", "3 + 5 8 .", 6),
    "a Fork that is not closed": ("no_answer", "<FORK-1> 3 =24 <ANSWER> 1 </ANSWER> 7", 8),
    "an Answer that is not closed": ("no_answer", "<ANSWER> 1 <FORK-1> 3 </FORK-1>", 6),
}


@pytest.mark.parametrize(("error", "text", "tokens"), FAILING.values(), ids=FAILING)
def test_an_episode_ends_at_its_first_format_error(error, text, tokens):
    episode = think(text, {1: FOUND, 2: FOUND, 3: FOUND})
    organizer = episode.traces[0]
    schedule.validate(episode.plan)
    assert (episode.schedule["format_error"], episode.answer) == (error, None)
    assert organizer.stop == ("eos" if error == "no_answer" else "error")
    assert organizer.decoded == counted(episode) == tokens


def test_a_query_may_hold_tags():
    episode = think("<FORK-1> 3 <JOIN-1> </FORK-2> 5 </FORK-1> <JOIN-1> <ANSWER> 1 </ANSWER>", {1: FOUND})
    assert episode.traces[1].prompt == "<worker> 3 <JOIN-1> </FORK-2> 5"
    assert episode.plan["organizer"][0] == {"fork": 1, "tokens": 6}
    assert episode.schedule["format_error"] is None


def test_the_organizer_is_cut_at_its_budget():
    episode = think("3 5 " * 40, {}, organizer_budget=17)
    assert (episode.traces[0].decoded, episode.traces[0].stop) == (17, "budget")
    assert episode.schedule["format_error"] == "no_answer"
    assert episode.schedule["elapsed"] == 17


def test_waiting_counts_against_the_latency_budget():
    text = "<FORK-1> 3 </FORK-1> <JOIN-1> 5 5 5 5 5 5 <ANSWER> 1 </ANSWER>"
    assert think(text, {1: FOUND}, latency_budget=22).answer == "1"
    cut = think(text, {1: FOUND}, latency_budget=21)
    assert (cut.answer, cut.schedule["elapsed"], cut.traces[0].decoded) == (None, 21, 12)
    assert think(text, {1: FOUND}, latency_budget=13).traces[0].decoded == 4


def test_with_slot_release_completion_a_slot_is_free_when_its_worker_has_ended_on_the_token_clock():
    text = "<FORK-1> 3 </FORK-1> {} <FORK-2> 5 </FORK-2> <JOIN-1> <JOIN-2> <ANSWER> 1 </ANSWER>"
    changes = {"capacity": 2, "slot_release": "completion"}
    for pause, error in ((7, None), (6, "pool_overflow")):
        episode = think(text.format("5 " * pause), {1: FOUND, 2: FOUND}, **changes)
        assert episode.schedule["format_error"] == error
    assert think(text.format("5 " * 7), {1: FOUND, 2: FOUND}, capacity=2).schedule["format_error"] == "pool_overflow"


class Dawdling(Scripted):
    """Gives others any number of turns before it answers."""

    def __init__(self, *arguments: object, seed: int) -> None:
        super().__init__(*arguments)
        self.rng = random.Random(seed)
        self.calls: list[Request] = []

    async def complete(self, request: Request):
        for _ in range(self.rng.randrange(20)):
            await asyncio.sleep(0)
        self.calls.append(request)
        return await super().complete(request)


def test_an_episode_does_not_depend_on_who_is_quick():
    organizer = (
        "<FORK-1> 3 </FORK-1> 5 <FORK-2> 5 </FORK-2> 8 <JOIN-2> <FORK-3> 8 </FORK-3> <JOIN-1> <ANSWER> 1 </ANSWER>"
    )
    texts = {("s", "organizer"): organizer} | {("s", f"worker-{i}"): FOUND for i in (1, 2, 3)}
    orders, told = set(), []
    for seed in range(10):
        engine = Dawdling(WORDS, texts, seed=seed)
        told += run(engine, [THINKING["asynchronous"](engine, "countdown", ITEM, SETTINGS, {}, ("s",))])
        orders.add(tuple(request.trace for request in engine.calls))
    assert len(orders) > 1
    assert all(episode == told[0] for episode in told)


def test_every_call_has_a_seed_of_its_own():
    engine = Dawdling(
        WORDS,
        {(s, "organizer"): DEMONSTRATION.organizer for s in "ab"}
        | {(s, f"worker-{i}"): text for s in "ab" for i, text in DEMONSTRATION.workers.items()},
        seed=0,
    )
    run(engine, [THINKING["asynchronous"](engine, "countdown", ITEM, THINKING_SETTINGS, {}, (s,)) for s in "ab"])
    seeds = [request.seed for request in engine.calls]
    assert len(seeds) == len(set(seeds)) == 2 * (5 + 2)


def test_plans_are_exact_where_tags_are_several_tokens():
    organizer = (
        "I split it.<FORK-1>try é 8</FORK-1> and <FORK-2>try 9</FORK-2> so <JOIN-2>. so <JOIN-1>\n"
        "then <ANSWER>8*3</ANSWER>.\n"
    )
    workers = {1: "8*3 <RETURN>8*3</RETURN>", 2: "nothing " * 9}
    episode = think(organizer, workers, CHAT, prompts="chat", organizer_budget=400, worker_budget=40)
    trace = episode.traces[0]
    assert counted(episode) == trace.decoded
    assert protocol.parse(trace.own_text) == protocol.parse(organizer)
    assert "(no result)</JOIN-2>" in trace.segments[3].text
    assert CHAT.decode(trace.ids) == "".join(segment.text for segment in trace.segments)
    assert (episode.answer, episode.schedule["format_error"]) == ("8*3", None)
    assert episode.traces[1].prompt.endswith("user\ntry é 8<|im_end|>\n<|im_start|>assistant\n")


def test_what_was_decoded_behind_an_action_that_no_stop_tells_of_is_taken_back():
    organizer = "<FORK-99>try 8</FORK-99>abc<JOIN-99>def <ANSWER>8</ANSWER>"
    chat, question = PROMPTS["chat"], TASKS["countdown"].prompt(ITEM, "chat")
    prompt = chat.written(CHAT, chat.organizer(3), question, False)

    def go_on(context: str) -> str:
        return organizer[len(context.removeprefix(prompt).replace("7</JOIN-99>", "")) :]

    texts = {("s", "organizer"): go_on, ("s", "worker-99"): "<RETURN>7</RETURN>"}
    engine = Scripted(CHAT, texts)
    chosen = replace(SETTINGS, prompts="chat", organizer_budget=400, worker_budget=40)
    [episode] = run(engine, [THINKING["asynchronous"](engine, "countdown", ITEM, chosen, {}, ("s",))])
    assert protocol.parse(episode.traces[0].own_text) == protocol.parse(organizer)
    assert episode.schedule["joins"] == 1
    assert episode.answer == "8"


REASONED = "<think>first <FORK-1>a draft</FORK-1> or <ANSWER>7</ANSWER>?</think>So <ANSWER>8</ANSWER>"


@pytest.mark.parametrize(
    ("template", "reasoning", "begins", "said"),
    [
        (SWITCHES, True, "assistant\n", REASONED),
        (SWITCHES, False, "<think>\n\n</think>\n\n", REASONED),
        (ALWAYS_REASONS, False, "<think>\n", REASONED.removeprefix("<think>")),
    ],
)
def test_nothing_in_a_reasoning_is_an_action(template, reasoning, begins, said):
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = template
    chosen = {"prompts": "chat", "organizer_budget": 400, "reasoning": reasoning}
    episode = think(said, {}, tokenizer, **chosen)
    trace = episode.traces[0]
    assert trace.prompt.endswith(begins)
    assert (episode.answer, episode.schedule["forks"], len(episode.traces)) == ("8", 0, 1)
    assert [type(action) for action in trace.actions] == [protocol.Think, protocol.Answer]
    assert counted(episode) == trace.decoded


def test_a_reasoning_that_is_never_closed_has_no_answer():
    episode = think("<think>so <ANSWER>8</ANSWER>", {}, CHAT, prompts="chat", organizer_budget=400)
    assert (episode.answer, episode.schedule["format_error"]) == (None, "no_answer")


def test_a_worker_hands_back_nothing_of_its_reasoning():
    workers = {1: "<think>maybe <RETURN>3*3</RETURN></think><RETURN>8*3</RETURN>"}
    organizer = "<FORK-1>try 8</FORK-1><JOIN-1><ANSWER>8*3</ANSWER>"
    episode = think(organizer, workers, CHAT, prompts="chat", organizer_budget=400, worker_budget=100)
    assert episode.traces[0].segments[-2].text == "8*3</JOIN-1>"
    assert episode.traces[1].returned == "8*3"


def test_a_script_ends_also_where_its_tokenizer_has_no_end_of_sequence():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=CHAT.backend_tokenizer, chat_template=QWEN)
    engine = Scripted(tokenizer, {("s", "sequential"): "no answer"})
    chosen = replace(SETTINGS, prompts="chat")
    [episode] = run(engine, [THINKING["sequential"](engine, "countdown", ITEM, chosen, {}, ("s",))])
    assert (episode.traces[0].own_text, episode.traces[0].stop) == ("no answer", "eos")
    assert engine.identity().name == "scripted"


def test_in_sequential_thinking_only_the_answers_tags_mean_something():
    engine = Scripted(WORDS, {("s", "sequential"): "3 <FORK-1> 5 <JOIN-4> <ANSWER> 8 * 3 </ANSWER> 9"})
    [episode] = run(engine, [THINKING["sequential"](engine, "countdown", ITEM, SETTINGS, {}, ("s",))])
    assert episode.plan == {"capacity": 3, "organizer": [{"think": 4}, {"answer": 5}], "workers": {}}
    assert (episode.answer, episode.schedule["latency"]) == ("8 * 3", 9)
    assert episode.schedule["concurrency_ratio"] == pytest.approx(1 / 3)
    assert [trace.role for trace in episode.traces] == ["sequential"]


def test_parallel_thinking_takes_as_long_as_its_slowest_trace_and_is_aggregated_by_its_task():
    said = ["<ANSWER> 8 * 3 </ANSWER>", "5 5 5 <ANSWER> 8 * 3 ; 9 + 11 </ANSWER>", "5 " * 99]
    engine = Scripted(WORDS, {("s", f"trace-{index}"): text for index, text in enumerate(said)})
    [episode] = run(engine, [THINKING["parallel"](engine, "countdown", ITEM, SETTINGS, {}, ("s",))])
    assert episode.answer == TASKS["countdown"].aggregate(ITEM, ["8 * 3", "8 * 3 ; 9 + 11", None])
    assert [trace.fork for trace in episode.traces] == [0, 1, 2]
    assert (episode.schedule["latency"], episode.schedule["work"]) == (60, 5 + 12 + 60)
    assert episode.schedule["concurrency_ratio"] == pytest.approx((5 + 12 + 60) / 60 / 3)
    assert len(episode.plan["plans"]) == 3


def test_parallel_thinking_without_any_answer_is_no_answer():
    engine = Scripted(WORDS, {("s", f"trace-{index}"): "5 5" for index in range(3)})
    [episode] = run(engine, [THINKING["parallel"](engine, "countdown", ITEM, SETTINGS, {}, ("s",))])
    assert (episode.schedule["format_error"], episode.schedule["latency"], episode.schedule["elapsed"]) == (
        "no_answer",
        None,
        3,
    )


GAME = {"id": "g", "numbers": [3, 5, 8, 11], "target": 24, "required": 2}


def side_by_side(said, tokenizer=WORDS, **changes):
    """One episode of parallel thinking; each trace tells from its context what comes next, or says what is written."""
    engine = Scripted(tokenizer, {("s", f"trace-{index}"): text for index, text in enumerate(said)})
    chosen = replace(SETTINGS, capacity=len(said), **changes)
    [episode] = run(engine, [THINKING["parallel"](engine, "countdown", GAME, chosen, {}, ("s",))])
    return episode


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_diversified_traces_begin_with_branches_of_their_own(count):
    contexts = []

    def go_on(context):
        contexts.append(context)
        return "<ANSWER> 1 </ANSWER>"

    episode = side_by_side([go_on] * count, diversified=True)
    listed = [branch.name for branch in branches(sorted_numbers(GAME))]
    begun = [trace.own_text.split(" <ANSWER>")[0] for trace in episode.traces]
    assert sorted(begun) == sorted({f" | {listed[index * len(listed) // count]}" for index in range(count)})
    assert len(set(begun)) == count
    question = TASKS["countdown"].prompt(GAME, "word")
    assert sorted(contexts) == sorted(f" <solve> {question}{start}" for start in begun)


def test_the_tokens_of_a_diversified_beginning_count_like_decoded_ones():
    said = ["<ANSWER> 8 * 3 </ANSWER>", "5 5 5 <ANSWER> 8 * 3 </ANSWER>", "5 " * 99]
    plain, diversified = side_by_side(said), side_by_side(said, diversified=True)
    assert [trace.decoded for trace in plain.traces] == [5, 8, 60]
    assert [trace.decoded for trace in diversified.traces] == [2 + 5, 2 + 8, 60]
    assert [plan["organizer"] for plan in diversified.plan["plans"]] == [
        [{"think": 2}, {"answer": 5}],
        [{"think": 2 + 3}, {"answer": 5}],
        [{"think": 60}],
    ]
    assert (diversified.schedule["latency"], diversified.schedule["work"]) == (60, 7 + 10 + 60)
    assert side_by_side(said[:2], diversified=True).schedule["latency"] == 10
    for trace in diversified.traces:
        assert len(trace.ids) == len(trace.policy) == len(trace.logprobs) == trace.decoded
        assert WORDS.decode(trace.ids) == trace.own_text


@pytest.mark.parametrize("budget", [4, 5, 9, 12])
def test_a_diversified_trace_keeps_its_budget_beginning_included(budget):
    said = ["<ANSWER> 8 * 3 </ANSWER>", "5 5 5 <ANSWER> 8 * 3 </ANSWER>", "5 " * 99]
    for changes in ({"organizer_budget": budget}, {"latency_budget": budget}):
        episode = side_by_side(said, diversified=True, **changes)
        assert [trace.decoded for trace in episode.traces] == [min(budget, 7), min(budget, 10), budget]
        assert (episode.answer is None) == (budget < 7)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_traces_that_are_not_diversified_begin_with_what_the_model_says(count):
    episode = side_by_side(["<ANSWER> 1 </ANSWER>"] * count)
    assert all(trace.own_text == " <ANSWER> 1 </ANSWER>" for trace in episode.traces)


def test_a_finished_episode_is_graded_by_its_task_and_paid():
    episode = finish(replay(DEMONSTRATION, WORDS, THINKING_SETTINGS), PARAMS.reward)
    assert episode.score["accuracy"] == pytest.approx(1 / 3)
    assert episode.reward["total"] == pytest.approx(episode.reward["accuracy"] + episode.reward["concurrency"])


@pytest.mark.parametrize("demonstration", [DEMONSTRATION, SEQUENTIAL], ids=["asynchronous", "sequential"])
def test_a_replay_says_what_the_demonstration_says(demonstration):
    episode = replay(demonstration, WORDS, THINKING_SETTINGS)
    assert episode.traces[0].own_text.split() == demonstration.organizer.split()
    assert {trace.fork: trace.own_text.split() for trace in episode.traces[1:]} == {
        fork: text.split() for fork, text in demonstration.workers.items()
    }


@pytest.mark.parametrize("form", ["asynchronous", "sequential"])
def test_what_the_teacher_writes_can_be_replayed_in_the_word_language(form):
    assignment = Assignment(form, PARAMS.seed, replace(PARAMS.synthesize, demonstrations=40), THINKING_SETTINGS)
    items = generate(replace(PARAMS.puzzles, train=8, validation=1, test=1), 0)["train"]
    for demonstration in solver_teacher.demonstrate(assignment, items):
        episode = replay(demonstration, WORDS, THINKING_SETTINGS)
        error = schedule.format_error(demonstration.actions, THINKING_SETTINGS.capacity)
        assert episode.schedule["format_error"] == error
        assert episode.traces[0].own_text.split() == demonstration.organizer.split()


TAGS = [tag(i) for i in (1, 2, 3) for tag in (protocol.fork_open, protocol.fork_close, protocol.join_open)]
SOUP = st.lists(st.sampled_from(["3", "=24", "<ANSWER>", "</ANSWER>", "<RETURN>", "</RETURN>", *TAGS]), max_size=70)


@settings(max_examples=150, deadline=None)
@given(
    SOUP, st.lists(SOUP, min_size=3, max_size=3), st.sampled_from([1, 2, 3]), st.sampled_from(["join", "completion"])
)
def test_whatever_is_said_the_plan_accounts_for_all_of_it(organizer, workers, capacity, release):
    told = {i: " ".join(words) for i, words in enumerate(workers, 1)}
    episode = think(" ".join(organizer), told, capacity=capacity, slot_release=release)
    trace = episode.traces[0]
    assert counted(episode) == trace.decoded <= SETTINGS.organizer_budget
    assert episode.schedule == schedule.numbers(schedule.simulate(schedule.validate(episode.plan)))
    if episode.schedule["format_error"] is None:
        assert episode.schedule["latency"] == recursion(episode.plan)
    if release == "join":
        assert episode.schedule["format_error"] == schedule.format_error(protocol.parse(trace.own_text), capacity)
    assert episode.answer == protocol.answer(protocol.parse(trace.own_text))
    assert all(worker.decoded <= SETTINGS.worker_budget for worker in episode.traces[1:])
