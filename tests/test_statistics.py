"""Intervals and frontiers against known distributions, closed forms and brute force."""

import numpy as np
import pytest

from asyncthink.evaluation import frontier
from asyncthink.evaluation.statistics import Bootstrap, Draws, combine, keyed


def interval(values, resamples=2000):
    estimate = Bootstrap(1, len(values), resamples).mean(np.asarray(values)[None]).estimate()
    return estimate.value, estimate.low, estimate.high


def test_the_interval_of_a_mean_has_the_width_that_theory_gives():
    values = keyed("normal").normal(3.0, 2.0, 400)
    value, low, high = interval(values)
    error = values.std() / np.sqrt(len(values))
    assert value == pytest.approx(values.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.08)
    assert (high + low) / 2 == pytest.approx(value, abs=0.2 * error)


def test_the_interval_covers_the_truth_about_95_times_in_100():
    random = keyed("coverage")
    covered = 0
    for _ in range(300):
        _, low, high = interval(random.binomial(1, 0.3, 80), resamples=300)
        covered += low <= 0.3 <= high
    assert 0.90 <= covered / 300 <= 0.99


def test_a_difference_of_paired_measurements_is_as_narrow_as_the_pairs_are_alike():
    random = keyed("pairs")
    hard = random.normal(0, 5, 300)
    ours, theirs = hard + random.normal(1, 0.1, 300), hard + random.normal(0, 0.1, 300)
    bootstrap = Bootstrap(1, 300, 1000)
    difference = (bootstrap.mean(ours[None]) - bootstrap.mean(theirs[None])).estimate()
    assert difference.above_zero and difference.high - difference.low < 0.1
    assert bootstrap.mean(ours[None]).estimate().high - bootstrap.mean(ours[None]).estimate().low > 1


def test_the_same_measurement_twice_differs_by_exactly_nothing():
    values = keyed("same").random((2, 50))
    bootstrap = Bootstrap(2, 50, 500)
    difference = (bootstrap.mean(values) - bootstrap.mean(values)).estimate()
    ratio = (bootstrap.mean(values) / bootstrap.mean(values)).estimate()
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    assert not difference.above_zero and not difference.below_zero
    assert (ratio.low, ratio.high) == pytest.approx((1, 1))


def test_numbers_that_do_not_exist_are_left_out_of_mean_and_resamples():
    values = np.array([[1.0, np.nan, 3.0, np.nan, 5.0]])
    draws = Bootstrap(1, 5, 1000).mean(values)
    assert draws.value == 3.0
    present = draws.resampled_R[np.isfinite(draws.resampled_R)]
    assert present.min() >= 1 and present.max() <= 5
    nothing = Bootstrap(1, 5, 100).mean(np.full((1, 5), np.nan)).estimate()
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    assert not nothing.above_zero and not nothing.below_zero


def test_samples_of_an_item_are_drawn_together():
    """Ten samples of one item are one piece of evidence: the interval is that of the item means."""
    items = keyed("items").normal(0, 1, 60)
    repeated = np.repeat(items[None, :, None], 10, axis=2)
    bootstrap = Bootstrap(1, 60, 800)
    together, alone = bootstrap.mean(repeated).estimate(), bootstrap.mean(items[None]).estimate()
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


def test_seeds_that_disagree_widen_the_interval():
    """Two seeds without any noise over items: the resampled means are those of both, either or neither."""
    values = np.stack([np.zeros(40), np.ones(40)])
    draws = Bootstrap(2, 40, 2000).mean(values)
    shares = [np.isclose(draws.resampled_R, mean).mean() for mean in (0, 0.5, 1)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.05)
    alike = Bootstrap(2, 40, 2000).mean(np.stack([values.mean(0)] * 2)).estimate()
    assert (alike.low, alike.high) == (0.5, 0.5)


def test_a_mean_over_seeds_and_items_is_the_brute_force_one():
    values = keyed("brute").random((3, 7, 2))
    bootstrap = Bootstrap(3, 7, 20)
    for r in range(20):
        seeds = np.repeat(np.arange(3), bootstrap.seeds_RS[r].astype(int))
        items = np.repeat(np.arange(7), bootstrap.items_RI[r].astype(int))
        assert bootstrap.mean(values).resampled_R[r] == pytest.approx(values[seeds][:, items].mean())


def test_randomness_depends_on_its_key_alone():
    assert (keyed("a", 1).random(5) == keyed("a", 1).random(5)).all()
    assert (keyed("a", 1).random(5) != keyed("a", 2).random(5)).any()
    again = [Bootstrap(2, 9, 50).mean(np.arange(18).reshape(2, 9)).resampled_R for _ in range(2)]
    assert (again[0] == again[1]).all()


def test_statistics_combine_elementwise_on_data_and_resamples():
    a, b = Draws(4.0, np.array([4.0, 6.0])), Draws(2.0, np.array([2.0, 0.0]))
    assert (a + b).value == 6 and (a - 1.0).value == 3
    assert (a / b).value == 2 and np.isnan((a / b).resampled_R[1])
    assert list(combine(np.maximum, a, 5.0).resampled_R) == [5.0, 6.0]


POINTS = (np.array([100.0, 40.0, 60.0, 50.0, 80.0]), np.array([0.8, 0.4, 0.3, 0.4, 0.7]))


def test_the_frontier_keeps_the_points_that_no_other_one_beats():
    latency, accuracy = frontier.pareto(*POINTS)
    assert latency.tolist() == [40, 80, 100] and accuracy.tolist() == [0.4, 0.7, 0.8]


@pytest.mark.parametrize(
    ("accuracy", "latency"),
    [(0.4, 40), (0.55, 60), (0.7, 80), (0.8, 100), (0.9, 100), (0.2, 20), (0.0, 0)],
    ids=["a point", "between two", "a point", "the best", "above the best", "below the fastest", "nothing"],
)
def test_the_latency_of_an_accuracy_is_read_from_the_lines_between_points(accuracy, latency):
    assert frontier.latency_at(accuracy, *POINTS) == pytest.approx(latency)


@pytest.mark.parametrize(("latency", "accuracy"), [(40, 0.4), (60, 0.55), (100, 0.8), (300, 0.8), (20, 0.2)])
def test_the_accuracy_within_a_latency_is_read_from_the_same_lines(latency, accuracy):
    assert frontier.accuracy_at(latency, *POINTS) == pytest.approx(accuracy)


def test_no_point_lies_above_the_frontier():
    random = keyed("frontier")
    for _ in range(100):
        latency, accuracy = random.uniform(1, 100, 8), random.random(8)
        assert all(
            frontier.accuracy_at(t, latency, accuracy) >= a - 1e-12 for t, a in zip(latency, accuracy, strict=True)
        )
        assert all(
            frontier.latency_at(a, latency, accuracy) <= t + 1e-9 for t, a in zip(latency, accuracy, strict=True)
        )
