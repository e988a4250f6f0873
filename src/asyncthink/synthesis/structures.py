"""Random organizer action sequences, the structures that demonstrations follow.

Left alone, a teacher writes only two topologies: *interleaved* (fork, join, fork, join) and *batch* (fork all, then
join all). The paper puts a randomly sampled sequence of organizer actions into the prompt to get more; its
distribution is open, so ours is a section of params.yaml. A structure is a list like ["T", "F1", "F2", "J1", "T",
"J2", "A"]: T thinks, F forks, J joins, A answers. Each one is legal under the capacity c, organizer included: at most
c - 1 slots are taken at any time, ids count up from 1, and every fork is joined. A teacher may end sooner than its
structure, and then some forks are not joined: the solver's does once it has its solutions, or no room is left.
"""

import random
from collections.abc import Iterable, Sequence

from asyncthink import protocol
from asyncthink.settings import Synthesize

MOST_IDS = len(protocol.WORD_IDS)
CLASSES = ("none", "interleaved", "batch", "other")


def sample(rng: random.Random, settings: Synthesize, capacity: int, most_forks: int = MOST_IDS) -> list[str]:
    """One legal structure; `most_forks` lowers the setting of that name where budgets ask for it."""
    most = 0 if capacity < 2 else min(settings.most_forks, most_forks, MOST_IDS)
    forks = rng.randint(min(settings.fewest_forks, most), most)
    draw = rng.random()
    if draw < settings.interleaved:
        rounds = batches(forks, 1)
    elif draw < settings.interleaved + settings.batch:
        rounds = batches(forks, capacity - 1)
    else:
        rounds = walk(rng, forks, capacity - 1, settings.overlap)
    think_share = rng.uniform(settings.least_think_share, settings.most_think_share)
    return _with_thinks(rng, _with_ids(rng, rounds, settings.join_order), think_share, settings.overlap)


def batches(forks: int, slots: int) -> str:
    """Fork as many as there are slots, join all of them, and again until all are forked, as a string of F and J."""
    rounds = [min(slots, forks - done) for done in range(0, forks, max(slots, 1))]
    return "".join("F" * size + "J" * size for size in rounds)


def walk(rng: random.Random, forks: int, slots: int, overlap: float) -> str:
    """A random walk over the legal moves: where both are legal, fork with probability `overlap`, else join."""
    moves, left, taken = [], forks, 0
    while left or taken:
        if left and taken < slots and (not taken or rng.random() < overlap):
            moves.append("F")
            left, taken = left - 1, taken + 1
        else:
            moves.append("J")
            taken -= 1
    return "".join(moves)


def _with_ids(rng: random.Random, moves: str, join_order: str) -> list[str]:
    """Give forks the ids 1, 2, ... and joins the id of an open fork: the oldest one, or any."""
    structure, waiting, forked = [], [], 0
    for move in moves:
        if move == "F":
            forked += 1
            waiting.append(forked)
            structure.append(f"F{forked}")
        else:
            position = 0 if join_order == "first_in_first_out" else rng.randrange(len(waiting))
            structure.append(f"J{waiting.pop(position)}")
    return structure


def _with_thinks(rng: random.Random, moves: Sequence[str], think_share: float, overlap: float) -> list[str]:
    """Put a T before each action with probability `think_share`, times 1 - `overlap` where no worker runs.

    Without any fork there is always one.
    """
    structure, running = [], 0
    for action in [*moves, "A"]:
        chance = think_share * (1 if running else 1 - overlap)
        if rng.random() < chance or not moves:
            structure.append("T")
        structure.append(action)
        running += {"F": 1, "J": -1}.get(action[0], 0)
    return structure


def followed(actions: Iterable[protocol.Action]) -> list[str]:
    """The structure of a text that was parsed."""
    names = {protocol.Think: "T", protocol.Fork: "F", protocol.Join: "J", protocol.Answer: "A"}
    return [f"{names[type(action)]}{getattr(action, 'id', '')}" for action in actions]


def topology(structure: Iterable[str]) -> str:
    """The canonical name of what is forked and joined in which order, thinking aside: "F1 F2 J1 J2"."""
    return " ".join(action for action in structure if action[0] in "FJ")


def topology_class(structure: Iterable[str]) -> str:
    """One of CLASSES: a batch may have several rounds, all of one size but for a smaller last one."""
    moves = "".join(action[0] for action in structure if action[0] in "FJ")
    if not moves:
        return "none"
    size = moves.find("J")
    forks = moves.count("F")
    if size > 0 and moves == batches(forks, size):
        return "interleaved" if size == 1 else "batch"
    return "other"
