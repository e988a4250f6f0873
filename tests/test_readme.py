"""Each line of the README's table "Which command when", as it stands there, on a built smoke run."""

import json
import re
import shutil
import signal
import subprocess

import pytest
from checkout import MOVING, ROOT, Project
from kills import Moment
from kills import run as killed

from asyncthink.config import params
from asyncthink.workflow import graph

pytestmark = pytest.mark.slow


def table():
    """The commands of each line."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Which command when")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)[1:]
    return {wish: re.findall(r"`([^`]+)`", commands) for wish, commands in rows}


COMMANDS = table()


@pytest.fixture(scope="module")
def home(project, tmp_path_factory):
    """A copy of the smoke run, recorded and committed, whose remote is its own."""
    directory = tmp_path_factory.mktemp("readme") / "project"
    shutil.copytree(project.directory, directory, symlinks=True)
    copy = Project(directory)
    copy.run("git", "config", "user.name", "x")
    copy.run("git", "config", "user.email", "x@x")
    return copy


def typed(project, command):
    """What a command says that is typed in a project's folder."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project.directory,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


def number(project, key):
    """What params.yaml says."""
    section, _, name = key.partition(".")
    return params.read(project.directory / "params.yaml").to_mapping()[section][name]


def see_the_machine(home, commands):
    assert "params.yaml is at scale smoke" in typed(home, commands[0])


def see_what_would_run(home, commands):
    dry_run, status = commands
    assert "Nothing to be done" in typed(home, dry_run)
    assert "Data and pipelines are up to date" in typed(home, status)


def run_everything(home, commands):
    before = home.made()
    (home.directory / "metrics" / "claims.json").unlink()
    run, record = commands
    assert set(re.findall(r"python -m asyncthink (\w+)", typed(home, run))) == {"claims", "tables", "report"}
    assert "dvc.lock now holds what Snakemake made" in typed(home, record)
    after = home.made()
    assert {name for name in before if after[name] != before[name]} <= {"results/report/index.html"}


def go_on(home, commands):
    """The first line's run is killed with all its processes; tests/test_kills.py kills in other places."""
    before, command = home.made(), COMMANDS["run everything here"][0]
    (home.directory / "results" / "report" / "episodes.html").unlink()
    code, _ = killed(home, command.split(), [Moment("page", "writing")], home.directory.parent / "notes")
    assert code == -signal.SIGKILL
    assert "going on from what it left" in typed(home, command)
    assert home.made() == before


def look_at_the_pages(home, commands):
    for command, page in zip(commands, ("index.html", "episodes.html"), strict=True):
        assert page in typed(home, f"BROWSER=true {command}")


def compare_arms(home, commands):
    told = [json.loads(line) for line in typed(home, commands[-1]).splitlines()]
    assert {row["measure"] for row in told} >= {"accuracy", "elapsed"}


def run_on_a_cluster(home, commands):
    """On a real controller it is in tests/test_slurm.py."""
    run, record = commands
    assert "Nothing to be done" in typed(home, f"{run} --dry-run")
    assert record == COMMANDS["run everything here"][1]


def change_the_scale(home, commands):
    assert "scale smoke -> small" in typed(home, commands[0])
    assert re.search(r"^grpo +\d+$", typed(home, "snakemake -n"), re.MULTILINE)
    typed(home, "asyncthink scale smoke")
    assert "Nothing to be done" in typed(home, "snakemake -n")


def see_what_is_left(home, commands):
    """What the terminal says is in tests/test_outlook.py. `tail -f` never ends, so it is ended at the line."""
    said = "grpo asyncthink 1: 3 of 3 steps"
    assert said in (home.directory / commands[0].split()[-1]).read_text()
    with subprocess.Popen(commands[0].split(), cwd=home.directory, stdout=subprocess.PIPE, text=True) as tail:
        line = next(line for line in tail.stdout if said in line)
        tail.kill()
    assert " s left; " in line


def pass_the_figures_on(home, commands):
    typed(home, commands[0])
    page = (home.directory / commands[0].split()[-1]).read_text(encoding="utf-8")
    assert all(f"figures/{name}.svg" in page for name in graph.FIGURES)


def watch_an_episode(home, commands):
    assert re.search(r"^answer .+\naccuracy .+\nlatency .+\nwork .+", typed(home, commands[0]), re.MULTILINE)


def run_the_tests(home, commands):
    assert "-m pytest" in typed(home, f"{commands[0]} --dry-run")


def change_a_number(home, commands):
    edited, rerun = commands
    path = home.directory / edited
    path.write_text(path.read_text().replace("fewest_kept: 0.3 ", "fewest_kept: 0.25 "))
    assert number(home, "filter.fewest_kept") == 0.25
    said = typed(home, rerun)
    assert set(re.findall(r"-m asyncthink (\w+) ", said)) <= {"filter", "report"}
    assert len(re.findall(r"-m asyncthink filter ", said)) == len(graph.cold_starts("filter", params.read(path)))
    assert "Nothing to be done" in typed(home, "snakemake -n")


def share(home, commands):
    *kept, push = commands
    typed(home, f"git add {' '.join(kept)} && git commit --quiet --message 'Keep fewer'")
    assert "pushed" in typed(home, push)


def get_results(home, commands):
    """A colleague's clone of the commit before, without results, whose remote is ours."""
    home.run("git", "clone", "--quiet", ".", str(home.directory.parent / "colleague"))
    colleague = Project(home.directory.parent / "colleague")
    colleague.run("git", "reset", "--quiet", "--hard", "HEAD~1")
    colleague.run("dvc", "config", "--local", "remote.local.url", str(home.directory.parent / "asyncthink-remote"))
    refused = colleague.run("asyncthink", "adopt", check=False)
    assert "run `dvc pull` (or `dvc checkout`) first, then adopt" in refused
    typed(colleague, commands[0])
    assert "Nothing to be done" in typed(colleague, "snakemake -n")
    assert "Data and pipelines are up to date" in typed(colleague, "dvc status")
    assert colleague.made() == home.made()


def try_a_number(home, commands):
    """Of one stage and what it depends on: without a name, all that follows would be made again."""
    before, weights = home.made(), f"results/grpo/{MOVING}/1/model.safetensors"
    said = typed(home, f"{commands[0]} grpo")
    assert set(re.findall(r"-m asyncthink (\w+) ", said)) == {"grpo"}
    key, value = re.search(r"-S (\S+)=(\S+)", commands[0]).groups()
    assert number(home, key) == float(value)
    assert home.made()[weights] != before[weights]


def compare(home, commands):
    """After a number was tried, and with another headline."""
    headline = home.directory / "metrics" / "headline.json"
    headline.write_text(re.sub(r"(?<=: )[\d.]+", "0.123", headline.read_text(), count=1))
    metrics, numbers, plots = commands
    assert re.search(r"metrics/headline\.json .* 0\.123 ", typed(home, metrics))
    assert re.search(r"grpo\.learning_rate +0\.0006 +5e-05", typed(home, numbers))
    assert "dvc_plots/index.html" in typed(home, plots)
    assert "accuracy" in (home.directory / "dvc_plots" / "index.html").read_text()


# In an order in which each can be seen to work: what changes the run comes last.
LINES = {
    "see what this machine can do": see_the_machine,
    "see what would run": see_what_would_run,
    "run everything here": run_everything,
    "go on after Ctrl-C, a kill or a power cut": go_on,
    "run on a cluster": run_on_a_cluster,
    "run at another scale": change_the_scale,
    "look at the report, or at the episodes": look_at_the_pages,
    "compare two arms, or two runs' `metrics/`": compare_arms,
    "see how long a run has left": see_what_is_left,
    "put the figures in one file to pass on": pass_the_figures_on,
    "watch one episode think": watch_an_episode,
    "run the tests": run_the_tests,
    "change a number and rerun what depends on it": change_a_number,
    "share results": share,
    "get someone's results": get_results,
    "try a number as an experiment": try_a_number,
    "compare with the last commit": compare,
}


def test_every_line_of_the_table_is_tested():
    assert set(COMMANDS) == set(LINES)


@pytest.mark.parametrize("wish", LINES)
def test_a_line_of_the_table_does_what_it_says(home, wish):
    LINES[wish](home, COMMANDS[wish])
