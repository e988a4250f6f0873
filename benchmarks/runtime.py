"""What the runtime costs: parsing, scheduling and bookkeeping of 256 fork-join episodes, beside the decoding alone.

The processor seconds of sampling, and of them those in which the engine arranges and takes its decoding steps. What is
left is everything else between an item and its Episode: prompts, tokens to text and back, the parser, the schedule,
requests and results, the event loop.
"""

from time import process_time

from benchmarks import record, replay, said

EPISODES, ITEMS, REPEATS = 256, 64, 3
TRIED = (
    "With an engine that answers at once a call takes 59. Tried: the end of a tag sought after its beginning only, 64"
    " to 59; one turn of the event loop after a step in place of four, no change; lengths of words added up in place of"
    " decoding beginnings, 8.0 to 7.4 % of sampling, left out since only a vocabulary of words adds up"
)


def measure() -> record.Row:
    """Processor seconds of sampling, and of its decoding."""
    given = replay.nano()
    model, tokenizer = replay.random_model(given)
    written = replay.demonstrations(given, EPISODES, ITEMS)
    local = said.Timed(model, tokenizer)
    ours, theirs = [], []
    for _ in range(1 + REPEATS):
        engine, local.seconds = said.Said(local, written), 0.0
        begin = process_time()
        episodes = said.episodes(engine, written, given.thinking)
        ours.append(process_time() - begin)
        theirs.append(local.seconds)
        said.compare(episodes, written)
    calls = sum(len(one.workers) + len(list(replay.stretches(one.organizer))) for one in written)
    each = 1e6 * sorted(whole - decoding for whole, decoding in zip(ours[1:], theirs[1:], strict=True))[REPEATS // 2]
    shares = [1 - decoding / whole for whole, decoding in zip(ours[1:], theirs[1:], strict=True)]
    return {
        "what": "runtime: parsing, scheduling, bookkeeping",
        "against": "sampling as a whole",
        "goal": "≤ 0.03 of its CPU time",
        "ratio": sorted(shares)[len(shares) // 2],
        "unit": "CPU s",
        "ours": ours[1:],
        "theirs": theirs[1:],
        "checked": "every word of every agent; one run, with a clock on every decoding step",
        "note": f"beside decoding is Python: each of the {calls:,} calls of {EPISODES} episodes takes "
        f"{each / calls:.0f} microseconds, for its future, its seed, tokens to text, the parser and the search for a "
        f"tag's tokens. {TRIED}",
    }


if __name__ == "__main__":
    record.main(measure)
