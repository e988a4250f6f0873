"""No test is a race: a busy machine may take its time over an example. The smoke run is made once for all processes."""

import os
import shutil

import pytest
from checkout import ROOT, Project
from filelock import FileLock
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


LONGEST = ("test_smoke", "test_slurm", "test_paper", "test_grpo", "test_readme", "test_freshness")


def pytest_collection_modifyitems(items):
    """The longest files first, so that no process waits for another at the end; the first makes the smoke run.

    Then come the others, those that start from the smoke run last.
    """
    smoky = {item.path for item in items if "smoke_run" in item.fixturenames}
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(item.path.stem, len(place)), item.path in smoky))


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory, worker_id):
    """The folder of a smoke run: project/ is this checkout at smoke scale, run and recorded; trace/ what steps read."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "smoke"
    with FileLock(f"{folder}.lock"):
        if not (folder / "DONE").exists():
            make_smoke_run(folder / "project", folder / "trace")
            (folder / "DONE").touch()
    return folder


def make_smoke_run(directory, trace):
    """Run the whole graph by Snakemake, and record it for DVC."""
    trace.mkdir(parents=True)
    project = Project.laid_out(directory, "smoke", ASYNCTHINK_TRACE=str(trace))
    project.environment["PYTHONPATH"] += os.pathsep + str(ROOT / "tests" / "tracing")
    assert "not up to date; run `snakemake --cores all` first" in project.run("asyncthink", "record", check=False)
    project.run("snakemake", "--cores", "2")
    project = Project(directory)
    project.run("asyncthink", "record")
    project.commit("the smoke run")


@pytest.fixture(scope="module")
def project(smoke_run, tmp_path_factory):
    """A copy of the smoke run, for the tests of one file."""
    directory = tmp_path_factory.mktemp("project") / "project"
    return Project(shutil.copytree(smoke_run / "project", directory, symlinks=True))


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    """The folder of a small model that can be asked in chat; only to be read."""
    from taught_chat_model import tokenizer
    from tiny_models import tiny_model

    from asyncthink.models import language_model

    folder, words = tmp_path_factory.mktemp("llama"), tokenizer()
    language_model.write(tiny_model("llama, tied", words), words, folder)
    return folder


@pytest.fixture(scope="module")  # while it is open, an event loop runs in this thread
def browser():
    """A headless browser."""
    from opened_page import launched

    yield from launched()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page of some episodes; at the end nothing may have been said on the console or asked of a network."""
    from opened_page import opener

    yield from opener(browser, tmp_path)
