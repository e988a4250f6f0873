"""One step of reinforcement learning at nano: sampling, scoring, update; beside the code of commit c844dab.

The episodes are demonstrations said again by an engine that really decodes as many tokens with the policy's weights, so
both sides sample, score and learn from the same traces.
"""

from benchmarks import record, timing, turns

NOTE = (
    "of an RL step 45 % are decoding, bound by the keys and values that it reads, 1.8 MB a token after 450 tokens, and"
    " 33 % the products of the update, at a core's peak. Tried: batches of 48 rows in place of 96, or of any number, no"
    " change; large pages for malloc, 4 % less; bfloat16 products, left out since they keep eight bits"
)
STEPS = 3


def measure() -> record.Row:
    """Processor seconds of a step."""
    with turns.prepared() as folder:
        ours, theirs = map(turns.seconds, turns.taken("grpo", folder, STEPS))
    return {
        "what": "one nano RL step: sampling, scoring, update",
        "against": "commit c844dab, the same episodes",
        "goal": "≤ 0.5 of its CPU time",
        "ratio": timing.ratio(ours, theirs),
        "unit": "CPU s a step",
        "ours": ours,
        "theirs": theirs,
        "checked": "loss and gradient norm of every step",
        "note": NOTE,
    }


if __name__ == "__main__":
    record.main(measure)
