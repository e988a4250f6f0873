"""`asyncthink report`: the report, one page that stands alone, of a run or of a committed reference."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from asyncthink.errors import InputError

if TYPE_CHECKING:
    from asyncthink.reporting.report import Results

EXAMPLE = r"""asyncthink report --tables metrics/tables --ledger metrics/reference/nano.json \
    --report work/report.html"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--tables", type=Path, help="folder of the CSV files of `tables`")
    parser.add_argument("--ledger", type=Path, help="the ledger of claims, JSON")
    parser.add_argument("--figures", nargs="*", type=Path, default=[], help="figures, SVG; each named as its table")
    parser.add_argument("--times", nargs="*", type=Path, default=[], help="what jobs took: .../times/STEP/*.tsv")
    parser.add_argument("--others", nargs="*", type=Path, default=[], help="ledgers of other scales, to stand beside")
    parser.add_argument("--reference", type=Path, help="metrics/reference/SCALE, in place of all the above")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="the figures are written there as SVG too")
    parser.add_argument("--report", required=True, type=Path, help="written: one HTML file")


def run(args: argparse.Namespace) -> None:
    from asyncthink import files
    from asyncthink.reporting import report, run_facts

    if args.reference is None and None in (args.tables, args.ledger):
        raise InputError("give --tables and --ledger of a run, or the folder of a --reference")
    results = of_reference(args.reference) if args.reference else _of_run(args)
    for name, figure in (results.figures if args.draw else {}).items():
        files.write_text(args.draw / f"{name}.svg", figure)
    files.write_text(args.report, report.html(results, run_facts.facts(), run_facts.durations(args.times)))


def _of_run(args: argparse.Namespace) -> "Results":
    from asyncthink.config import params
    from asyncthink.evaluation import ledger
    from asyncthink.reporting import case_table, report, tables

    given = params.read(args.params)
    columns = {name: table.columns for name, table in tables.TABLES.items()} | {"case_studies": case_table.COLUMNS}
    return report.Results(
        tables={name: tables.read(args.tables, name, own) for name, own in columns.items()},
        figures={path.stem: figure(path) for path in args.figures},
        ledger=ledger.read(args.ledger),
        params=given.to_mapping(),
        others=[ledger.read(path) for path in args.others],
    )


def figure(path: Path) -> str:
    """The text of a figure; InputError where it is none, or named as none."""
    from asyncthink.errors import nearest
    from asyncthink.files import read_text
    from asyncthink.workflow.graph import FIGURES

    if path.stem not in FIGURES:
        raise InputError(f"{path}: not named as one of the report's tables; {nearest(path.stem, FIGURES)}")
    if "<svg" not in (text := read_text(path)):
        raise InputError(f"{path}: not an SVG; run `snakemake --force {path}`")
    return text


def of_reference(folder: Path) -> "Results":
    """Tables and figures made again from the records of `asyncthink reference`; its episodes are not committed."""
    from asyncthink.config import params
    from asyncthink.evaluation import evidence, ledger
    from asyncthink.reporting import case_table, claims_table, plots, report, style, tables
    from asyncthink.reporting.source import Source
    from asyncthink.workflow import provenance, records

    if folder.is_file():
        raise InputError(f"{folder}: a file; the reference is the folder of the same name, {folder.with_suffix('')}")
    there = (folder / provenance.MANIFEST).is_file()
    manifest, lying = provenance.read_manifest(folder) if there else None, records.lying_in(folder)
    if manifest is None:
        raise InputError(f"{folder}: no reference there; `asyncthink reference` makes one of a whole run")
    given = params.from_mapping({**manifest.params, "seeds": list(manifest.seeds)})
    found = evidence.read(lying.evaluations, lying.histories, lying.filters)
    source = Source(found, ledger.read(folder.with_suffix(".json")))
    shown = {name: tables.as_read(table.frame(source)) for name, table in tables.TABLES.items()}
    kept = (folder / "case_studies.csv").is_file()
    cases = (
        tables.read(folder, "case_studies", case_table.COLUMNS)
        if kept
        else tables.as_read(case_table.frame([], given.scale))
    )
    shown["case_studies"] = cases
    figures = {name: style.svg(draw(shown[name])) for name, draw in plots.FIGURES.items()}
    others = claims_table.ledgers(folder.parent)
    return report.Results(shown, figures, source.ledger, given.to_mapping(), others, of_run=False)
