"""The report: one page that stands alone, without a network, in light and dark, on a phone and on paper.

Everything but the footer follows from tables, figures and the ledger, so the same results are the
same bytes. All text is escaped by the template; figures are our own SVG, put in line so that they take the page's
colours.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from asyncthink.evaluation.ledger import Ledger
from asyncthink.evaluation.paper import PAPER
from asyncthink.evaluation.verdicts import NOT_RUN, OF_ONE_RUN, ONE_RUN, VERDICTS
from asyncthink.progress import span
from asyncthink.reporting import comparison, finding, forest, glossary
from asyncthink.reporting.exhibits import EXHIBITS, LEARNED, interval, named
from asyncthink.reporting.run_facts import Duration
from asyncthink.reporting.style import COLOURS, GRID, INK, MEASURES, MUTED, PAPER_COLOUR, has_data
from asyncthink.settings import COUNTDOWN, INERT

HERE = Path(__file__).parent
THEIRS = "Qwen3-4B"  # the paper's base model
# The sections of params.yaml that say what was run, in the order in which they are shown.
WORLD = ("puzzles", "thinking", "model", "reward", "arms", "synthesize", "pretrain", "sft", "grpo", "evaluate")
# What stands in a figure -> the page's colour, so that figures follow light and dark.
PAGE_COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    PAPER_COLOUR: "var(--muted)",
    GRID: "var(--line)",
    "#ffffff": "var(--card)",
    COLOURS["asyncthink"]: "var(--asyncthink)",
    COLOURS["asyncthink_priced"]: "var(--priced)",
    COLOURS["no_rl"]: "var(--no-rl)",
}
# verdict -> class of the style sheet; a verdict of one run has the tone of its own kind.
TONES = {word: word.replace(" at this scale", "").replace(" ", "-") for word in VERDICTS}
TONES |= {told: TONES[word] for word, told in OF_ONE_RUN.items()}


@dataclass(frozen=True)
class Results:
    """What a report shows: tables by name, figures (SVG text) by name, the ledger, params.yaml as a table.

    others: ledgers, of which those of other scales stand beside. of_run: whether a run's tables and its page of
    episodes lie around it; those of a reference are not committed.
    """

    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, str]
    ledger: Ledger
    params: Mapping[str, Any]
    others: Sequence[Ledger] = ()
    of_run: bool = True


@dataclass(frozen=True)
class CaseStudy:
    """Why an episode was chosen, why its latency is what it is, and who said what.

    workers: (name, what it was asked, what it returned). All empty but the rule where no episode fits it.
    """

    test_set: str
    case: str
    why: str
    episode: str
    question: str
    sentence: str
    workers: Sequence[tuple[str, str, str]]
    answer: str


def html(results: Results, facts: Mapping[str, str], durations: Sequence[Duration]) -> str:
    """The whole page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=unbroken)
    environment.filters["explained"] = lambda text: glossary.explained(unbroken(text))
    environment.trim_blocks = environment.lstrip_blocks = True
    template = environment.from_string(HERE.joinpath("report.html").read_text(encoding="utf-8"))
    claims = results.ledger["claims"]
    return template.render(
        style=Markup(HERE.joinpath("report.css").read_text(encoding="utf-8")),
        ledger=results.ledger,
        of_run=results.of_run,
        tones=TONES,
        counts=[(verdict, sum(row["verdict"] == verdict for row in claims)) for verdict in VERDICTS],
        finding=finding.finding(results.ledger),
        reasons=finding.reasons(results.tables["evaluations"], results.tables["organization"]),
        timeline=finding.timeline(results.tables["case_studies"], COUNTDOWN),
        words=glossary.WORDS,
        strips={row["id"]: forest.strip(row) for row in claims},
        weakest={row["id"]: forest.weakest(row) for row in claims},
        elsewhere=elsewhere(results.ledger, results.others),
        one_run=f"{ONE_RUN}: ",
        exhibits=EXHIBITS,
        tables=results.tables,
        figures={name: figure(name, results) for name in EXHIBITS},
        numbers={name: numbers(name, results) for name in EXHIBITS},
        run={name: has_data(results.tables[name]) for name in EXHIBITS},
        comparison=comparison.rows(results.tables["evaluations"]),
        hacking=comparison.hacking(results.tables["hacking"]),
        cost=comparison.cost(
            results.tables["evaluations"],
            results.tables["training_dynamics"],
            pretrained(results),
            results.params["evaluate"]["samples"],
        ),
        cases=cases(results.tables["case_studies"]),
        attempts=attempts(),
        deviations=deviations(results.params),
        world=sections(results.params),
        test_sets=comparison.test_sets(results.tables["test_sets"]),
        paper=PAPER,
        facts=facts,
        durations=[[row.step, row.jobs, span(row.seconds), f"{row.megabytes:.0f}"] for row in durations],
    )


def figure(name: str, results: Results) -> Markup | None:
    """An exhibit's figure, if it was drawn."""
    return inline(results.figures[name], name, EXHIBITS[name].title) if name in results.figures else None


def numbers(name: str, results: Results) -> list[list[str]]:
    """An exhibit's table without the points of its curves, the names of its columns first; nothing where it is long."""
    columns, table = EXHIBITS[name].columns, results.tables[name]
    short = table[table.x.isna()] if "x" in table else table
    header = [HEADERS.get(column, column.replace("_", " ")) for column in columns]
    rows = [[cell(row, column) for column in columns] for _, row in short.iterrows()]
    return [header, *rows] if columns and rows else []


NAMES = MEASURES | {key: f"{name},{unit}".rstrip(",") for key, (name, _, unit) in LEARNED.items()}
HEADERS = {"label": "", "k": "k", "ours": "ours [95 %]", "accuracy": "accuracy, %", "latency": "latency, tokens"}


def cell(row: pd.Series, column: str) -> str:
    """A table's cell for readers: one digit, the interval beside the value, a dash for nothing."""
    value = named(row) if column == "label" else row[column]
    if pd.isna(value):
        return NOT_RUN if column == "ours" else "–"
    if not isinstance(value, float):
        return NAMES.get(str(value), str(value).replace("_", " "))
    return (f"{value:.0f}" if column.endswith("budget") else f"{value:.1f}") + interval(row, column)


def inline(svg: str, name: str, title: str) -> Markup:
    """A figure as part of the page: its ids made unique, its ink and paper the page's, a name for screen readers."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, page in PAGE_COLOURS.items():
        svg = svg.replace(colour, page)
    role = "group" if "<title>" in svg else "img"  # the titles within a picture are not read out
    label = Markup('<svg role="{}" aria-label="{}"').format(role, title)
    return Markup(svg.replace("<svg", str(label), 1))


def unbroken(value: Any) -> Any:
    """A percent sign stays with its number, and an interval in one line."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return re.sub(r"\[([-+.\d]+), ([-+.\d]+)\]", "[\\1,\u00a0\\2]", value.replace(" %", "\u00a0%"))


def cases(table: pd.DataFrame) -> list[CaseStudy]:
    """What the report says of each case study."""
    studies = []
    empty = dict.fromkeys(("episode", "question", "sentence", "text"), "")
    for _, rows in table.fillna(empty).groupby(["test_set", "case"], sort=False):
        first, asked = rows.iloc[0], iter(rows.text[rows.kind == "fork"])
        work = rows[rows.kind == "work"]
        workers = [(agent, next(asked, ""), text) for agent, text in zip(work.agent, work.text, strict=True)]
        about = (first.test_set, first.case, first.why, first.episode, first.question, first.sentence)
        studies.append(CaseStudy(*about, workers, "".join(rows.text[rows.kind == "answer"])))
    return studies


def pretrained(results: Results) -> int:
    """Tokens that the base models of all seeds were trained on here."""
    tokens: int = results.params["pretrain"]["tokens"]
    return 0 if results.params["model"]["start_from"] else tokens * len(results.ledger["seeds"])


def elsewhere(own: Ledger, others: Sequence[Ledger]) -> dict[str, list[dict[str, str]]]:
    """By claim what the ledgers of other scales say of it, where it was run there."""
    told: dict[str, list[dict[str, str]]] = {row["id"]: [] for row in own["claims"]}
    for other in (ledger for ledger in others if ledger["scale"] != own["scale"]):
        seeds = f"{other['items']} test items, seeds {', '.join(map(str, other['seeds']))}"
        for row in other["claims"]:
            if row["id"] in told and row["verdict"] != NOT_RUN:
                said = {"verdict": row["verdict"], "words": row["ours"] or row["reason"] or "no figure"}
                told[row["id"]].append({"scale": other["scale"], "seeds": seeds, **said})
    return told


def deviations(params: Mapping[str, Any]) -> list[list[str]]:
    """What differs from the paper, from the committed list: what, the paper's way, ours."""
    rows: dict[str, list[list[str]]] = json.loads(HERE.joinpath("deviations.json").read_text(encoding="utf-8"))
    start, thinking = params["model"]["start_from"], params["thinking"]
    holds = {
        "from scratch": start is None,
        "another base": start is not None and THEIRS not in start,
        "solver teacher": params["synthesize"]["teacher"] == "solver",
        "chat prompts": thinking["prompts"] == "chat",
        "latency budget": thinking["latency_budget"] is not None,
        "gated reward": params["reward"]["concurrency_gate"] != "always",
        "always": True,
    }
    return [row for name in holds if holds[name] for row in rows[name]]


def attempts() -> dict[str, list[str]]:
    """What was tried on a claim that does not hold, by the claim's id: each attempt with its measured outcome."""
    tried: dict[str, list[str]] = json.loads(HERE.joinpath("attempts.json").read_text(encoding="utf-8"))
    return tried


def sections(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The parameters that say what was run, one section a line; a key that decides nothing does not."""
    lines = []
    for name in WORLD:
        keys = {key: value for key, value in params[name].items() if f"{name}.{key}" not in INERT}
        lines.append((name, yaml.safe_dump(keys, sort_keys=False, default_flow_style=None).strip()))
    return lines
