"""No test is a race: a busy machine may take its time over an example. The smoke run is made once for all tests."""

import os

import pytest
from checkout import ROOT, Project
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A copy of this checkout at smoke scale, run to the end by Snakemake and recorded for DVC."""
    directory = tmp_path_factory.mktemp("smoke") / "project"
    trace = directory.parent / "trace"
    trace.mkdir()
    project = Project.laid_out(directory, "smoke", ASYNCTHINK_TRACE=str(trace))
    project.environment["PYTHONPATH"] += os.pathsep + str(ROOT / "tests" / "tracing")
    assert "not up to date; run `snakemake --cores all` first" in project.run("asyncthink", "record", check=False)
    project.run("snakemake", "--cores", "2")
    project = Project(directory)
    project.run("asyncthink", "record")
    project.commit("the smoke run")
    return project
