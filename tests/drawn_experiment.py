"""Tables, figures and ledger of the recorded experiment: of two seeds, of one at the smoke scale, and of nothing."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import recorded_experiment
import written_episodes

from asyncthink import episode
from asyncthink.evaluation import claims, evidence
from asyncthink.reporting import case_table, plots, report, style, tables
from asyncthink.reporting.source import Source

SCALES = {"two seeds": "nano", "one seed": "smoke", "nothing": "nano"}


def frames(found, scale):
    """Every table; the cases are chosen from episodes written by hand, where there is evidence at all."""
    all_of_it = Source(found, claims.ledger(found, scale))
    made = {name: table.frame(all_of_it) for name, table in tables.TABLES.items()}
    return made | {"case_studies": cases(scale) if found.recordings.evaluations else case_table.frame([], scale)}


@cache
def cases(scale):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "countdown/asyncthink/1.jsonl.gz"
        episode.write(path, written_episodes.ALL)
        return case_table.frame([path], scale)


def evidence_of(kind):
    made = recorded_experiment.experiment()
    first = [path for path in (*made.evaluations, *made.histories) if path.stem == "1"]
    files = {
        "two seeds": (made.evaluations, made.histories, made.filters),
        "one seed": ([p for p in first if p.suffix == ".json"], [p for p in first if p.suffix == ".jsonl"], []),
        "nothing": ([], [], []),
    }
    return evidence.read(*files[kind])


def results(kind, folder):
    """All that a report shows of one kind of evidence; its figures are written to a folder first, as a run does."""
    found, scale = evidence_of(kind), SCALES[kind]
    made = {name: tables.as_read(table) for name, table in frames(found, scale).items()}
    for name, draw in plots.FIGURES.items():
        style.save(draw(made[name]), folder / f"{name}.svg")
    figures = {path.stem: path.read_text() for path in folder.glob("*.svg")}
    return report.Results(made, figures, claims.ledger(found, scale), recorded_experiment.settings(scale).to_mapping())
