"""The generated countdown test set: numbers beyond those of training, from number sets of the test split alone."""

from dataclasses import replace

import pytest
from countdown_world import ROOT

from asyncthink.config import params, scales
from asyncthink.errors import InputError
from asyncthink.files import read_json_lines
from asyncthink.tasks import countdown, countdown_puzzles, sources
from asyncthink.tasks.countdown_search import branches, sorted_numbers

GIVEN = params.read(ROOT / "params.yaml")
PUZZLES = GIVEN.puzzles
WANTED = GIVEN.test_sets["countdown_larger"]
SCALES = sorted(path.stem for path in (ROOT / "workflow" / "scales").glob("*.yaml"))


@pytest.fixture(scope="module")
def items():
    return sources.items(WANTED, WANTED.task, PUZZLES, GIVEN.seed)


def test_every_item_has_a_number_that_no_training_item_has(items):
    assert len(items) == WANTED.items
    for item in items:
        countdown.check(item)
        assert PUZZLES.largest < max(item["numbers"]) <= PUZZLES.base_largest
        assert min(item["numbers"]) >= PUZZLES.smallest and len(set(item["numbers"])) == 4
    assert {max(item["numbers"]) for item in items} == set(range(PUZZLES.largest + 1, PUZZLES.base_largest + 1))


def test_its_sets_of_numbers_are_of_the_test_split_alone(items):
    sets = {split: set(own) for split, own in countdown_puzzles.number_sets(PUZZLES).items()}
    taken = {sorted_numbers(item) for item in items}
    assert taken <= sets["test"]
    assert not taken & (sets["base"] | sets["train"] | sets["validation"])


def test_it_shares_no_puzzle_with_any_split_of_training(items):
    own = countdown_puzzles.generate(PUZZLES, GIVEN.seed)
    taken = {(sorted_numbers(item), item["target"]) for item in items}
    assert len(taken) == len({item["id"] for item in items}) == len(items)
    assert not taken & {(sorted_numbers(item), item["target"]) for split in own.values() for item in split}
    countdown_puzzles.leak_check({**own, "larger": items})


def test_its_puzzles_are_as_hard_as_the_others(items):
    for item in items:
        found = [hit for branch in branches(sorted_numbers(item)) for hit in branch.hits(item["target"])]
        assert PUZZLES.required <= len(found) == item["solutions"] <= PUZZLES.most_solutions
        assert 1 <= item["target"] <= PUZZLES.largest_target and item["required"] == PUZZLES.required
        assert countdown.score(item, " ; ".join(found[:8]))["accuracy"] == 1.0


def test_the_same_seed_gives_the_same_items_and_another_seed_others(items):
    assert sources.items(WANTED, WANTED.task, PUZZLES, GIVEN.seed) == items
    assert sources.items(WANTED, WANTED.task, PUZZLES, GIVEN.seed + 1) != items


def test_the_command_writes_these_items(items, tmp_path, monkeypatch):
    from asyncthink import cli

    monkeypatch.chdir(ROOT)
    written = tmp_path / "larger.jsonl"
    assert cli.main(["items", "--item-set", "countdown_larger", "--items", str(written)]) == 0
    assert read_json_lines(written) == items


@pytest.mark.parametrize("scale", SCALES)
def test_each_scale_that_runs_it_has_enough_of_them(scale):
    own = params.from_mapping(params.parsed(scales.scaled(ROOT, scale)))
    wanted = own.test_sets["countdown_larger"]
    if wanted is not None:
        assert len(sources.items(wanted, wanted.task, own.puzzles, own.seed)) == wanted.items
        assert own.puzzles.base_largest > own.puzzles.largest


def test_a_world_without_larger_numbers_is_said_so():
    said = r"with numbers beyond puzzles.largest = \d+: 200 items are asked for, but the world has 0 .*\(base_largest"
    with pytest.raises(InputError, match=said):
        sources.items(WANTED, WANTED.task, replace(PUZZLES, base_largest=PUZZLES.largest), GIVEN.seed)
