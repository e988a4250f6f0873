"""What is linked into DVC's cache is never written through: the cache would hold another content under its hash."""

import os

import pytest
from checkout import Project

from asyncthink.workflow import links

MADE = ["data/puzzles/train.jsonl", "data/filter/asyncthink.jsonl", "results/times/synthesize/asyncthink.tsv"]
WANTED = ["data/filter/asyncthink.jsonl"]


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_step_that_runs_again_leaves_the_cache_as_it_is(link, tmp_path):
    project = Project.laid_out(tmp_path / "project", "smoke")
    project.run("snakemake", "--cores", "1", *WANTED)
    cached = {}
    for name in MADE:
        path = project.directory / name
        kept = tmp_path / "cache" / name
        kept.parent.mkdir(parents=True)
        path.rename(kept)
        kept.chmod(0o444)  # as DVC does
        link(kept, path)
        cached[kept] = kept.read_bytes()
    changed = project.with_value("synthesize.overlap", 0.1)
    (project.directory / "params.yaml").write_text(changed, encoding="utf-8")
    project.run("snakemake", "--cores", "1", "--force", "data/puzzles/train.jsonl", *WANTED)
    assert {kept: kept.read_bytes() for kept in cached} == cached
    for name in MADE:
        path = project.directory / name
        assert not path.is_symlink() and path.stat().st_nlink == 1
    assert (project.directory / WANTED[0]).read_bytes() != cached[tmp_path / "cache" / WANTED[0]]


def test_a_link_whose_content_has_gone_from_the_cache_stops_no_run(tmp_path):
    gone = tmp_path / "grpo" / "1.tsv"
    gone.parent.mkdir()
    gone.symlink_to(tmp_path / "cache")
    links.part_times(tmp_path)
    assert not gone.is_symlink()
