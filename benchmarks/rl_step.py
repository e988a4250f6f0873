"""One step of reinforcement learning at nano: sampling, scoring, update; beside the code of commit c844dab.

The episodes are demonstrations said again by an engine that really decodes as many tokens with the policy's weights, so
both sides sample, score and learn from the same traces.
"""

from benchmarks import record, timing, turns

STEPS = 6


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
    }


if __name__ == "__main__":
    record.main(measure)
