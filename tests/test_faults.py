"""A full disk, a folder that cannot be written, inputs that are gone or broken, a mistyped key: one sentence each.

Every step's own command, on the smoke run's files; nothing that was there before may be lost, and once the fault is
gone the same command makes the same bytes.
"""

import contextlib
import ctypes
import resource
import shutil
import subprocess
import sys

import pytest
from checkout import Project
from kills import leaf_commands, step_of

from asyncthink import cli

pytestmark = pytest.mark.slow

NOT_THERE, NOT_JSON = "no such file", "is not JSON"
NOT_A_MODEL = "not a model that can be loaded"


def gone(path):
    path.unlink()


def emptied(path):
    path.write_bytes(b"")


def torn(path):
    """What a copy that broke off leaves."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scrambled(path):
    path.write_bytes(path.read_bytes()[:20] + b"\xff" * 1000)


def broken_line(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1][:-9] + "\n", *lines[2:]]))


def mistyped(path):
    text = path.read_text()
    path.write_text(text.replace("  learning_rate:", "  learning_rat:", 1))


TRAIN, TEST = "data/puzzles/train.jsonl", "data/puzzles/test.jsonl"
WEIGHTS = "results/pretrain/1/model.safetensors"
TUNED = "results/sft/asyncthink/1/model.safetensors"
METRICS, EPISODES = "metrics/evaluate/countdown/asyncthink/1.json", "results/evaluate/countdown/asyncthink/1.jsonl.gz"
RECORDING = "results/evaluate/countdown/asyncthink/1.json"
HISTORY, CORPUS = "metrics/grpo/asyncthink/1.jsonl", "metrics/filter/asyncthink.json"
TABLE, LEDGER, FIGURE = "metrics/tables/claims.csv", "metrics/claims.json", "figures/claims.svg"
# step, file, what befalls it, what is said
BAD_INPUT = [
    ("synthesize", TRAIN, gone, NOT_THERE),
    ("synthesize", TRAIN, broken_line, f"{TRAIN}: line 2 {NOT_JSON}"),
    ("filter", "data/synthesize/asyncthink.jsonl", gone, NOT_THERE),
    ("filter", "data/synthesize/asyncthink.jsonl", broken_line, f"line 2 {NOT_JSON}"),
    ("sft", "data/filter/asyncthink.jsonl", gone, NOT_THERE),
    ("sft", "data/filter/asyncthink.jsonl", broken_line, f"line 2 {NOT_JSON}"),
    ("sft", WEIGHTS, gone, NOT_A_MODEL),
    ("sft", WEIGHTS, torn, NOT_A_MODEL),
    ("sft", "results/pretrain/1/config.json", torn, NOT_A_MODEL),
    ("sft", "results/pretrain/1/tokenizer.json", torn, NOT_A_MODEL),
    ("grpo", TRAIN, gone, NOT_THERE),
    ("grpo", TRAIN, broken_line, f"{TRAIN}: line 2 {NOT_JSON}"),
    ("grpo", TUNED, torn, NOT_A_MODEL),
    ("evaluate", TEST, gone, NOT_THERE),
    ("evaluate", TEST, broken_line, f"{TEST}: line 2 {NOT_JSON}"),
    ("evaluate", "results/grpo/asyncthink/1/model.safetensors", torn, NOT_A_MODEL),
    ("measure", EPISODES, gone, NOT_THERE),
    ("measure", EPISODES, torn, f"{EPISODES}: not readable"),
    ("measure", RECORDING, gone, NOT_THERE),
    ("measure", RECORDING, torn, f"{RECORDING}: not a recording"),
    ("tables", LEDGER, torn, f"{LEDGER}: not a ledger of claims"),
    ("tables", METRICS, gone, NOT_THERE),
    ("tables", METRICS, torn, f"{METRICS}: not a metrics file"),
    ("tables", HISTORY, gone, NOT_THERE),
    ("tables", HISTORY, broken_line, f"{HISTORY}: line 2 {NOT_JSON}"),
    ("tables", CORPUS, torn, f"{CORPUS}: not a metrics file"),
    ("claims", METRICS, torn, f"{METRICS}: not a metrics file"),
    ("claims", CORPUS, gone, NOT_THERE),
    ("report", TABLE, gone, NOT_THERE),
    ("report", TABLE, emptied, f"{TABLE}: not a table"),
    ("report", LEDGER, gone, NOT_THERE),
    ("report", LEDGER, torn, LEDGER),
    ("report", FIGURE, gone, f"{FIGURE}: No such file"),
    ("page", EPISODES, gone, NOT_THERE),
    ("page", EPISODES, torn, f"{EPISODES}: not readable"),
    ("page", EPISODES, scrambled, f"{EPISODES}: not readable"),
    *[
        (step, "params.yaml", mistyped, "unknown key")
        for step in ("puzzles", "synthesize", "pretrain", "sft", "grpo", "claims")
    ],
]


@pytest.fixture(scope="module")
def copy(project, tmp_path_factory):
    """A copy of the smoke run, to be damaged and mended."""
    directory = tmp_path_factory.mktemp("faults") / "project"
    shutil.copytree(project.directory, directory, symlinks=True, ignore=shutil.ignore_patterns(".dvc*", ".git"))
    return Project(directory)


@pytest.fixture(scope="module")
def commands(copy):
    """One command of each step: of the arm asyncthink, on countdown's test items, of the figure FIGURE."""
    found = {}
    for words in leaf_commands(copy):
        found.setdefault(step_of(words), []).append(words)
    marks = ("asyncthink", TEST, FIGURE, EPISODES)
    return {step: max(some, key=lambda words: sum(mark in words[2:] for mark in marks)) for step, some in found.items()}


@pytest.fixture
def call(copy, commands, monkeypatch, capsys):
    """Runs a step's command here and gives its exit code and the last line of what it said."""
    monkeypatch.chdir(copy.directory)

    def called(step):
        code = cli.main(commands[step][1:])
        lines = capsys.readouterr().err.splitlines()
        return code, lines[-1] if lines else ""

    return called


@contextlib.contextmanager
def unharmed(project):
    """Nothing is lost, added or half written inside."""
    before = project.made()
    yield
    after = project.made()
    assert [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)] == []


@pytest.mark.parametrize(
    ("step", "name", "befall", "said"), BAD_INPUT, ids=lambda value: getattr(value, "__name__", value)
)
def test_an_input_that_cannot_be_read_is_one_sentence(copy, call, step, name, befall, said):
    path = copy.directory / name
    whole = path.read_bytes()
    with unharmed(copy):
        try:
            befall(path)
            code, line = call(step)
        finally:
            path.write_bytes(whole)
    assert code == 2
    assert line.startswith(f"asyncthink {step}: ") and said in line


@pytest.mark.parametrize("step", ["synthesize", "filter", "pretrain", "sft", "grpo", "evaluate"])
def test_a_full_disk_is_one_sentence_and_costs_nothing(copy, call, step):
    """A limit on the size of files stands in for the disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with unharmed(copy):
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, hard))
        try:
            code, line = call(step)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert code == 2, line
        assert line.startswith(f"asyncthink {step}: ") and ("cannot be written" in line or "cannot be saved" in line)
        assert call(step)[0] == 0


@pytest.mark.parametrize("step", ["pretrain", "sft", "grpo", "evaluate"])
def test_scratch_that_cannot_be_written_is_one_sentence(copy, call, step):
    work = copy.directory / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.write_text("in the way")
    with unharmed(copy):
        try:
            code, line = call(step)
        finally:
            work.unlink()
    assert code == 2
    assert line.startswith(f"asyncthink {step}: work/") and "Not a directory" in line


def as_a_user():
    """Take root's right to write where it may not; for others there is nothing to take."""
    drop_from_bounding_set, dac_override = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


@pytest.mark.parametrize("step", ["puzzles", "filter", "tables"])
def test_a_folder_that_is_read_only_is_one_sentence(copy, commands, step):
    folders = [
        path
        for place in ("data", "results", "metrics")
        for path in (copy.directory / place).rglob("*")
        if path.is_dir()
    ]
    with unharmed(copy):
        try:
            for folder in folders:
                folder.chmod(0o555)
            words = [sys.executable, "-m", *commands[step]]
            done = subprocess.run(
                words,
                cwd=copy.directory,
                env=copy.environment,
                capture_output=True,
                text=True,
                preexec_fn=as_a_user,
                timeout=300,
            )
        finally:
            for folder in folders:
                folder.chmod(0o755)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith("cannot be written: Permission denied")


def test_a_figure_without_its_table_says_which(copy, commands):
    table = copy.directory / TABLE
    whole = table.read_bytes()
    with unharmed(copy):
        table.unlink()
        try:
            said = copy.run(*commands["figures"], check=False)
        finally:
            table.write_bytes(whole)
    assert said.strip().splitlines()[-1].endswith(f"InputError: {TABLE}: no such file; run `snakemake {TABLE}`")
