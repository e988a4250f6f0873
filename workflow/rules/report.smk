from glob import glob

EVALUATIONS = evaluated("metrics/evaluate/{test_set}/{arm}/{seed}.json")
HISTORIES = (
    every("metrics/pretrain/{seed}.jsonl")
    + every("metrics/sft/{arm}/{seed}.jsonl", arm=COLD_STARTS["sft"])
    + every("metrics/grpo/{arm}/{seed}.jsonl", arm=TRAINED)
)
EPISODES = evaluated("results/evaluate/{test_set}/{arm}/{seed}.jsonl.gz")
FILTERS = expand("metrics/filter/{arm}.json", arm=COLD_STARTS["filter"])
TIMES = (
    expand("results/times/synthesize/{arm}.tsv", arm=COLD_STARTS["synthesize"])
    + every("results/times/pretrain/{seed}.tsv")
    + every("results/times/sft/{arm}/{seed}.tsv", arm=COLD_STARTS["sft"])
    + every("results/times/grpo/{arm}/{seed}.tsv", arm=TRAINED)
    + evaluated("results/times/evaluate/{test_set}/{arm}/{seed}.tsv")
)


rule claims:
    input:
        evaluations=EVALUATIONS,
        histories=HISTORIES,
        filters=FILTERS,
        reference=sorted(glob("metrics/reference/*.json")),
    output:
        ledger=ensure("metrics/claims.json", non_empty=True),
    log:
        "logs/claims.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("claims"),
        reads=reads("claims"),
    message:
        machine.told("claims ({log})")
    shell:
        "python -m asyncthink claims --params params.yaml"
        " --evaluations {input.evaluations:q}"
        " --histories {input.histories:q}"
        " --filters {input.filters:q}"
        " --reference metrics/reference"
        " --ledger {output.ledger:q}"
        " > {log:q} 2>&1"


rule tables:
    input:
        evaluations=EVALUATIONS,
        histories=HISTORIES,
        filters=FILTERS,
        ledger=rules.claims.output.ledger,
    output:
        tables=ensure(expand("metrics/tables/{table}.csv", table=graph.TABLES), non_empty=True),
        headline=ensure("metrics/headline.json", non_empty=True),
    log:
        "logs/tables.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("tables"),
        tables=subpath(output[0], parent=True),
    message:
        machine.told("tables ({log})")
    shell:
        "python -m asyncthink tables --ledger {input.ledger:q}"
        " --evaluations {input.evaluations:q}"
        " --histories {input.histories:q}"
        " --filters {input.filters:q}"
        " --tables {params.tables:q}"
        " --headline {output.headline:q}"
        " > {log:q} 2>&1"


rule case_studies:
    input:
        episodes=evaluated("results/evaluate/{test_set}/{arm}/{seed}.jsonl.gz", graph.SHOWN),
    output:
        table=ensure("metrics/tables/case_studies.csv", non_empty=True),
    log:
        "logs/case_studies.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("case_studies"),
        reads=reads("case_studies"),
    message:
        machine.told("case studies ({log})")
    shell:
        "python -m asyncthink case_studies --params params.yaml"
        " --episodes {input.episodes:q}"
        " --table {output.table:q}"
        " > {log:q} 2>&1"


rule figures:
    input:
        tables=rules.tables.output.tables,
        cases=rules.case_studies.output.table,
        notebook="notebooks/{figure}.ipynb",
        kernel="workflow/kernels/python3/kernel.json",
    output:
        svg=report(
            ensure("figures/{figure}.svg", non_empty=True),
            caption="../report/figure.rst",
            category="Figures",
            labels={"exhibit": "{figure}"},
        ),
        png=ensure("figures/{figure}.png", non_empty=True),
    log:
        notebook="logs/figures/{figure}.ipynb",
        text="logs/figures/{figure}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("figures"),
        tables=subpath(input[0], parent=True),
        caption=lambda wildcards: graph.caption(f"notebooks/{wildcards.figure}.ipynb"),
    message:
        machine.told("figures {wildcards.figure} ({log.text})")
    shell:
        "python -m papermill {input.notebook:q} {log.notebook:q}"
        " --no-progress-bar"
        " -p tables {params.tables:q}"
        " -p figure {output.svg:q}"
        " > {log.text:q} 2>&1"


rule report:
    input:
        tables=rules.tables.output.tables,
        cases=rules.case_studies.output.table,
        ledger=rules.claims.output.ledger,
        figures=expand("figures/{figure}.svg", figure=graph.FIGURES),
        times=TIMES,
        reference=sorted(glob("metrics/reference/*.json")),
    output:
        report=ensure("results/report/index.html", non_empty=True),
    log:
        "logs/report.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("report"),
        reads=reads("report"),
        tables=subpath(input[0], parent=True),
    message:
        machine.told("report ({log})")
    shell:
        "python -m asyncthink report --params params.yaml"
        " --tables {params.tables:q}"
        " --ledger {input.ledger:q}"
        " --figures {input.figures:q}"
        " --times {input.times:q}"
        " --others {input.reference:q}"
        " --report {output.report:q}"
        " > {log:q} 2>&1"


rule page:
    input:
        episodes=EPISODES,
    output:
        page=ensure("results/report/episodes.html", non_empty=True),
    log:
        "logs/page.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("page"),
    message:
        machine.told("page ({log})")
    shell:
        "python -m asyncthink page {input.episodes:q}"
        " --variant headline"
        " --report index.html"
        " --page {output.page:q}"
        " > {log:q} 2>&1"
