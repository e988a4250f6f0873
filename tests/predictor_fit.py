"""The fit behind tasks/branch_predictor.json: Newton's, with a small ridge, on puzzles of the game.

`python tests/predictor_fit.py` writes that file again; a test holds it to what is found here.
"""

import json
from itertools import combinations

import numpy as np

from asyncthink.files import write_text
from asyncthink.randomness import keyed
from asyncthink.tasks.branch_predictor import FOUND, Predictor, design, features
from asyncthink.tasks.countdown_puzzles import SHARES
from asyncthink.tasks.countdown_search import COUNT, branches, solution_counts, sorted_numbers
from asyncthink.tasks.splits import split_of

RIDGE, STEPS = 1.0, 12
LARGEST, LARGEST_TARGET, REQUIRED, FITTED = 13, 60, 4, 400  # the game, and how many sets of numbers are learned from


def hit_flags(item):
    """For each branch of an item whether it holds a hit."""
    return [bool(branch.hits(item["target"])) for branch in branches(sorted_numbers(item))]


def puzzles():
    """Those that the predictor of the game learns from; there are always enough of them."""
    rng = keyed("branch predictor")
    sets = [numbers for numbers in combinations(range(LARGEST, 0, -1), COUNT) if not is_held_out(numbers)]
    items = []
    for numbers in rng.sample(sets, FITTED):
        targets = [target for target in range(1, LARGEST_TARGET + 1) if solution_counts(numbers)[target] >= REQUIRED]
        if targets:
            items.append({"numbers": numbers, "target": rng.choice(targets)})
    return items


def is_held_out(numbers):
    return split_of(f"countdown/{numbers}", SHARES) in ("validation", "test")


def fitted(items):
    """The predictor that some items teach."""
    raw_RF = features(items)
    hit_R = np.array([flag for item in items for flag in hit_flags(item)], dtype=float)
    mean_F, scale_F = raw_RF.mean(0), raw_RF.std(0) + 1e-6
    design_RF = design(raw_RF, mean_F, scale_F)
    weight_F = np.zeros(design_RF.shape[1])
    ridge_FF = RIDGE * np.eye(len(weight_F))
    for _ in range(STEPS):
        chance_R = 1 / (1 + np.exp(-(design_RF @ weight_F)))
        curvature_FF = design_RF.T @ (design_RF * (chance_R * (1 - chance_R))[:, None]) + ridge_FF
        weight_F = weight_F + np.linalg.solve(curvature_FF, design_RF.T @ (hit_R - chance_R) - RIDGE * weight_F)
    return Predictor(mean_F, scale_F, weight_F)


if __name__ == "__main__":
    rows = (f'"{name}": {json.dumps(values_F.tolist())}' for name, values_F in vars(fitted(puzzles())).items())
    write_text(FOUND, "{" + ",\n".join(rows) + "}\n")
