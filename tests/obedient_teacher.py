"""What a teacher behind an API writes that does as it is told, for a server of the tests to say."""

import re

from asyncthink.synthesis.lessons import prompt_text


def teacher(call) -> str:
    """A teacher that does as it is told: fragments for a problem, traces along the sequence that it is given."""
    if call.body["messages"][0]["content"] == prompt_text("prompts/sequential.txt"):
        return "Thinking. <ANSWER>3 * 8</ANSWER>"
    if call.body["messages"][0]["content"] == prompt_text("prompts/fragments.txt"):
        return "1. Sub-query: pairs with 3 for 24\n   Thought: 3*8\n2. Sub-query: the other pairs\n   Thought: none"
    return traces(re.findall(r"^\d+\. (\w+) ?(\d*)$", call.prompt.split("Sequence of actions:")[1], re.MULTILINE))


def traces(actions: list[tuple[str, str]]) -> str:
    """The layout of prompts/traces.txt for a sequence of actions."""
    said = {
        "think": lambda i: "Some thought.",
        "fork": lambda i: f"<FORK-{i}>pairs number {i}</FORK-{i}>",
        "join": lambda i: f"<JOIN-{i}>3 * 8</JOIN-{i}>",
        "answer": lambda i: "<ANSWER>3 * 8</ANSWER>",
    }
    workers = [f"=== WORKER {i} ===\nLooking. <RETURN>3 * 8</RETURN>" for kind, i in actions if kind == "fork"]
    return "\n".join([*workers, "=== ORGANIZER ===", *(said[kind](i) for kind, i in actions)])
