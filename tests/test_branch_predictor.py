"""What the numbers alone tell of where the hits are: learned on no set that is held out, and better than chance."""

import numpy as np
import predictor_fit
import pytest
from countdown_world import ROOT
from predictor_fit import hit_flags

from asyncthink.config import params, scales
from asyncthink.tasks import branch_predictor, countdown_puzzles
from asyncthink.tasks.countdown_search import branches, sorted_numbers

SCALES = sorted(path.stem for path in (ROOT / "workflow" / "scales").glob("*.yaml"))
SHIPPED = params.read(ROOT / "params.yaml")


def puzzles_of(scale):
    return params.from_mapping(params.parsed(scales.scaled(ROOT, scale))).puzzles


@pytest.fixture(scope="module")
def learned_from():
    return predictor_fit.puzzles()


@pytest.fixture(scope="module")
def held_out():
    return countdown_puzzles.drawn(SHIPPED.puzzles, SHIPPED.seed, "validation", 200)


@pytest.mark.parametrize("scale", SCALES)
def test_it_is_fitted_on_no_set_of_numbers_that_validation_or_test_has(learned_from, scale):
    sets = countdown_puzzles.number_sets(puzzles_of(scale))
    used = {tuple(sorted(item["numbers"], reverse=True)) for item in learned_from}
    assert len(used) > 300
    assert not used & {*sets["validation"], *sets["test"]}


def test_it_is_fitted_on_puzzles_of_the_game(learned_from):
    for item in learned_from:
        assert len(set(item["numbers"])) == 4 and max(item["numbers"]) <= SHIPPED.puzzles.largest
        assert 1 <= item["target"] <= SHIPPED.puzzles.largest_target
        hits = sum(len(branch.hits(item["target"])) for branch in branches(sorted_numbers(item)))
        assert hits >= SHIPPED.puzzles.required


def test_the_branches_that_it_puts_first_hold_hits_far_more_often_than_others(held_out):
    predictor = branch_predictor.of_the_game()
    flags = [hit_flags(item) for item in held_out]
    chance = np.mean([np.mean(each) for each in flags])
    ranked = [[own[place] for place in predictor.order(item)] for item, own in zip(held_out, flags, strict=True)]
    first, second, last = (np.mean([each[place] for each in ranked]) for place in (0, 1, -1))
    assert first > 2 * chance
    assert second > 1.7 * chance
    assert last < 0.6 * chance


def test_it_tells_a_branch_with_a_hit_from_one_without_in_most_pairs(held_out):
    predictor = branch_predictor.of_the_game()
    shares = []
    for item in held_out:
        scores, flags = predictor.scores(item), np.array(hit_flags(item))
        with_hit, without = scores[flags], scores[~flags]
        shares.append(np.mean(with_hit[:, None] > without[None, :]))
    assert np.mean(shares) > 0.65  # by chance half


def test_an_order_is_of_all_branches_and_of_the_puzzle_alone(held_out):
    predictor = branch_predictor.of_the_game()
    for item in held_out[:30]:
        order = predictor.order(item)
        assert sorted(order) == list(range(len(branches(sorted_numbers(item)))))
        bare = {"numbers": item["numbers"][::-1], "target": item["target"]}
        assert predictor.order(bare) == order
        scores = predictor.scores(item)[order]
        assert all(scores[:-1] >= scores[1:])


def test_what_is_committed_is_what_a_fit_finds():
    again, known = predictor_fit.fitted(predictor_fit.puzzles()), branch_predictor.of_the_game()
    for name, values in vars(again).items():
        np.testing.assert_allclose(getattr(known, name), values, rtol=1e-9, atol=1e-9)
