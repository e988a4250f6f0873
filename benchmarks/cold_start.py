"""Pretraining and format fine-tuning at nano, beside the code of commit c844dab: the same text, in the same batches."""

from benchmarks import record, timing, turns

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
    }


if __name__ == "__main__":
    record.main(measure)
