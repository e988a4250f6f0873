"""Pretraining and format fine-tuning at nano, beside the code of commit c844dab: the same text, in the same batches."""

from benchmarks import record, timing, turns

NOTE = (
    "of an update 60 % are products, at 94 to 105 GFLOP/s about what a core can do, 30 % attention, norms and gates in"
    " C, 10 % Python and torch. Tried: MKL in place of oneDNN, 53 to 85 GFLOP/s; bfloat16, 159 to 186 with the casts,"
    " left out since it keeps eight bits; large pages for malloc, no change"
)
STEPS = {"pretrain": 20, "sft": 20}
NAMES = {"pretrain": "pretraining", "sft": "format fine-tuning"}


def measure() -> list[record.Row]:
    """Processor seconds of an update; as both sides take the same batches, their ratio is that of tokens a second."""
    with turns.prepared() as folder:
        return [_row(step, *map(turns.seconds, turns.taken(step, folder, count))) for step, count in STEPS.items()]


def _row(step: str, ours: list[float], theirs: list[float]) -> record.Row:
    return {
        "what": f"{NAMES[step]}, tokens a second",
        "against": "commit c844dab, the same batches",
        "goal": "≥ 1.6 times as many",
        "ratio": timing.ratio(theirs, ours),
        "unit": "CPU s an update",
        "ours": ours,
        "theirs": theirs,
        "checked": "loss and gradient norm of every update",
        "note": NOTE,
    }


if __name__ == "__main__":
    record.main(measure)
