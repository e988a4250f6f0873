"""Intervals and frontiers against known distributions, closed forms and brute force."""

import numpy as np
import pytest
from keyed_numbers import keyed
from scipy import stats

from asyncthink.evaluation import frontier
from asyncthink.evaluation.metrics import Measurement, diversity
from asyncthink.evaluation.statistics import Statistic, combine, mean, mean_of_seeds

EXPERIMENTS = 1500  # simulated for each world: the standard error of a coverage near .95 is then 0.6 points
WORLDS = {
    # spread over seeds, over items, of a single cell
    "seeds dominate": (3.0, 0.3, 1.0),
    "items dominate": (0.05, 3.0, 3.0),
    "both": (1.0, 10.0, 10.0),
    "neither": (0.0, 0.0, 5.0),
}


@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("effect", [0.0, 0.5], ids=["no effect", "small effect"])
def test_intervals_speak_of_a_new_seed_on_new_items_and_cover(seeds, world, effect):
    of_seeds, of_items, of_cells = WORLDS[world]
    random = keyed("coverage", seeds, world, effect)
    covered = above = 0
    for _ in range(EXPERIMENTS):
        table = effect + random.normal(0, of_seeds, (seeds, 1)) + random.normal(0, of_items, (1, 60))
        estimate = mean(table + random.normal(0, of_cells, (seeds, 60))).estimate()
        covered += estimate.low <= effect <= estimate.high
        above += estimate.low > 0
    assert 0.92 <= covered / EXPERIMENTS <= 0.98
    assert effect or above / EXPERIMENTS <= 0.04


@pytest.mark.parametrize("seeds", [3, 5, 8])
def test_intervals_of_differences_of_right_and_wrong_answers_cover(seeds):
    """Arms that answer 400 items: harder and easier items, better and worse seeds, each answer right or wrong."""
    random = keyed("answers", seeds)
    covered = above = 0
    for _ in range(600):
        hard = random.normal(0, 1.5, (1, 400))
        arms = [1 / (1 + np.exp(hard - random.normal(0, 0.4, (seeds, 1)))) for _ in range(2)]
        right = [(random.random(share.shape) < share).astype(float) for share in arms]
        estimate = (mean(right[0]) - mean(right[1])).estimate()
        covered += estimate.low <= 0 <= estimate.high
        above += estimate.low > 0
    assert 0.92 <= covered / 600 <= 0.98 and above / 600 <= 0.04


def test_the_interval_of_a_latency_read_from_a_frontier_covers():
    """Ours needs 80 tokens for 60 %; theirs reaches 50 % at 60 and 70 % at 120, so 60 % at 90."""
    random = keyed("reading")
    covered = 0
    for _ in range(600):
        hard = random.normal(0, 0.2, (1, 100))
        points = []
        for accuracy, latency in ((0.6, 80), (0.5, 60), (0.7, 120)):
            skill = random.normal(0, 0.02, (5, 1))
            tokens = latency + random.normal(0, 2, (5, 1)) + random.normal(0, 5, (5, 100))
            points.append((accuracy + skill + hard, tokens))
        (ours, tokens), *theirs = [(mean(a), mean(t)) for a, t in points]

        def needed(accuracy, *ends):
            return frontier.latency_at(accuracy, ends[:2], ends[2:])

        reached = combine(needed, ours, *(t for _, t in theirs), *(a for a, _ in theirs))
        estimate = (1.0 - tokens / reached).estimate()
        covered += estimate.low <= 1 - 80 / 90 <= estimate.high
    assert 0.92 <= covered / 600 <= 0.98


def test_seeds_alone_give_students_t_over_their_means():
    values = np.array([1.0, 2.5, 3.2])
    table = np.repeat(values[:, None], 50, axis=1)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    for estimate in (mean(table).estimate(), mean_of_seeds(values).estimate()):
        assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
        assert estimate.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_one_seed_gives_students_t_over_its_items():
    values = keyed("items").normal(3.0, 2.0, 400)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    estimate = mean(values[None]).estimate()
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))


def test_an_interval_at_another_level_is_students_t_too():
    values = keyed("levels").normal(1.0, 2.0, 30)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.99)
    estimate = mean(values[None]).estimate().at(0.99)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))


def test_a_difference_of_paired_measurements_is_as_narrow_as_the_pairs_are_alike():
    random = keyed("pairs")
    hard = random.normal(0, 5, 300)
    ours, theirs = hard + random.normal(1, 0.1, 300), hard + random.normal(0, 0.1, 300)
    difference = (mean(ours[None]) - mean(theirs[None])).estimate()
    assert 0.9 < difference.low < difference.high < 1.1 and difference.high - difference.low < 0.1
    alone = mean(ours[None]).estimate()
    assert alone.high - alone.low > 1


def test_the_same_measurement_twice_differs_by_exactly_nothing():
    values = keyed("same").random((2, 50))
    difference = (mean(values) - mean(values)).estimate()
    assert (difference.value, difference.low, difference.high) == pytest.approx((0, 0, 0), abs=1e-9)
    ratio = (mean(values) / mean(values)).estimate()
    assert (ratio.low, ratio.high) == pytest.approx((1, 1))


def test_numbers_that_do_not_exist_are_left_out():
    values = np.array([[1.0, np.nan, 3.0, np.nan, 5.0]])
    assert mean(values).value == 3.0
    nothing = mean(np.full((1, 5), np.nan)).estimate()
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    alone = mean(np.array([[7.0]])).estimate()
    assert alone.value == 7 and np.isnan(alone.low)


@pytest.mark.parametrize("items", [30, 400])
def test_a_share_that_every_item_has_is_not_certain(items):
    """About as far as the exact interval of Clopper and Pearson, which ends at 1 - .025 ** (1 / items)."""
    never = mean(np.zeros((1, items))).estimate()
    assert never.value == 0 and never.high == pytest.approx(1 - 0.025 ** (1 / items), rel=0.5)
    assert mean(np.full((1, items), 0.4)).estimate().high == pytest.approx(0.4)
    both = mean(np.ones((3, items))) - mean(np.zeros((3, items)))
    assert both.estimate().error == pytest.approx(np.sqrt(2) * mean(np.ones((3, items))).estimate().error)


def test_seeds_count_alike_however_many_of_their_episodes_have_a_value():
    values = np.array([[1.0, np.nan, np.nan, np.nan], [3.0, 5.0, 3.0, 5.0]])
    assert mean(values).value == 2.5
    twice = mean(np.stack([values, values], axis=2))
    assert (twice.value, twice.estimate().error) == pytest.approx((2.5, mean(values).estimate().error))


def test_a_seed_without_any_value_is_no_seed_at_the_mean():
    values = np.ones((3, 5))
    values[1] = np.nan
    assert np.isnan(mean(values).value)


def test_samples_of_an_item_are_one_piece_of_evidence():
    items = keyed("items").normal(0, 1, 60)
    repeated = np.repeat(items[None, :, None], 10, axis=2)
    together, alone = mean(repeated).estimate(), mean(items[None]).estimate()
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


def test_a_ratio_has_the_influence_that_leaving_an_item_out_has():
    """The delta method against the jackknife, where an item may have no value."""
    random = keyed("jackknife")
    a, b = random.normal(5, 1, (1, 200)), random.normal(3, 0.3, (1, 200))
    a[0, ::17] = np.nan
    ratio = mean(a) / mean(b)
    kept = ~np.eye(200, dtype=bool)
    jackknife = np.array([np.nanmean(a[0, rows]) / b[0, rows].mean() for rows in kept])
    spread = np.sqrt(199 / 200 * ((jackknife - jackknife.mean()) ** 2).sum())
    assert ratio.estimate().error == pytest.approx(spread, rel=0.02)


def test_statistics_combine_with_the_slopes_of_the_function():
    a, b = Statistic(4.0, np.array([[1.0, -1.0]])), Statistic(2.0, np.array([[0.5, -0.5]]))
    assert (a + b).value == 6 and (a - 1.0).value == 3 and (1.0 - a).value == -3
    assert (a / b).value == 2
    assert (a / b).influence_SI == pytest.approx(np.array([[1 / 2 - 4 / 4 * 0.5, -1 / 2 + 4 / 4 * 0.5]]), abs=1e-6)
    assert np.isnan((a / 0.0).value)


def structured(*seeds):
    names = np.array([list(seed) for seed in seeds], dtype=object)[..., None]
    return Measurement(1, {}, names)


def test_diversity_is_that_of_a_seed_and_not_between_seeds():
    collapsed = diversity(structured("aaaa", "bbbb", "cccc"))
    assert collapsed.value == pytest.approx(1.0) and collapsed.estimate().high == pytest.approx(1.0)
    assert diversity(structured("abcd", "abcd")).value == pytest.approx(4.0)
    assert diversity(structured("aaaa", "abcd")).value == pytest.approx(2.5)


def test_the_interval_of_a_diversity_is_as_wide_as_leaving_an_item_out_says():
    names = keyed("structures").choice(list("abc"), 150, p=[0.6, 0.3, 0.1])
    numbers = [diversity(structured(np.delete(names, i))).value for i in range(150)]
    spread = np.sqrt(149 / 150 * ((np.array(numbers) - np.mean(numbers)) ** 2).sum())
    assert diversity(structured(names)).estimate().error == pytest.approx(spread, rel=0.05)


def test_randomness_depends_on_its_key_alone():
    assert (keyed("a", 1).random(5) == keyed("a", 1).random(5)).all()
    assert (keyed("a", 1).random(5) != keyed("a", 2).random(5)).any()


POINTS = (np.array([100.0, 40.0, 60.0, 50.0, 80.0]), np.array([0.8, 0.4, 0.3, 0.4, 0.7]))


def test_the_points_that_no_other_one_beats_and_those_that_no_mixture_beats():
    latency, accuracy = np.array([100.0, 40.0, 60.0, 50.0, 80.0]), np.array([0.8, 0.4, 0.3, 0.4, 0.5])
    assert latency[frontier.pareto_positions(latency, accuracy)].tolist() == [40, 80, 100]
    assert latency[frontier.hull_positions(latency, accuracy)].tolist() == [40, 100]


def test_a_budget_below_the_line_from_giving_up_to_another_is_not_on_the_frontier():
    assert frontier.hull_positions(np.array([40.0, 80.0]), np.array([0.3, 0.8])).tolist() == [1]
    assert frontier.accuracy_at(40, [40, 80], [0.3, 0.8]) == pytest.approx(0.4)


def test_where_nothing_is_answered_there_is_no_frontier():
    assert not len(frontier.hull_positions(np.array([40.0, 80.0]), np.zeros(2)))
    assert frontier.accuracy_at(50, [40, 80], [0.0, 0.0]) == 0


def test_two_budgets_that_tie_make_no_jump():
    """One of them a little better than the other, and the frontier moves a little."""
    latency = [200.0, 300.0, 310.0, 400.0]
    one, other = ([0.4, 0.6 + tie, 0.6, 0.7] for tie in (1e-6, -1e-6))
    assert frontier.latency_at(0.6, latency, one) == pytest.approx(frontier.latency_at(0.6, latency, other), abs=0.01)


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
