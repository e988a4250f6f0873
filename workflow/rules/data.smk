rule puzzles:
    input:
        code=code("puzzles"),
    output:
        train=ensure("results/puzzles/train.jsonl", non_empty=True),
        validation=ensure("results/puzzles/validation.jsonl", non_empty=True),
        test=ensure("results/puzzles/test.jsonl", non_empty=True),
        manifest=ensure("results/puzzles/manifest.json", non_empty=True),
    log:
        "logs/puzzles.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        reads=reads("puzzles"),
    message:
        machine.told("puzzles ({log})")
    shell:
        "python -m asyncthink puzzles --params params.yaml"
        " --train {output.train:q}"
        " --validation {output.validation:q}"
        " --test {output.test:q}"
        " --manifest {output.manifest:q}"
        " > {log:q} 2>&1"


rule synthesize:
    input:
        code=code("synthesize"),
        puzzles="results/puzzles/train.jsonl",
    output:
        demonstrations=ensure("results/synthesize/{form}.jsonl", non_empty=True),
    log:
        "logs/synthesize/{form}.log",
    benchmark:
        "logs/benchmarks/synthesize/{form}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        reads=reads("synthesize"),
    message:
        machine.told("synthesize {wildcards.form} ({log})")
    shell:
        "python -m asyncthink synthesize --params params.yaml"
        " --form {wildcards.form:q}"
        " --puzzles {input.puzzles:q}"
        " --demonstrations {output.demonstrations:q}"
        " > {log:q} 2>&1"


rule filter:
    input:
        code=code("filter"),
        demonstrations="results/synthesize/{form}.jsonl",
    output:
        kept=ensure("results/filter/{form}.jsonl", non_empty=True),
        rejected="results/filter/{form}.rejected.jsonl",
        metrics=ensure("metrics/filter/{form}.json", non_empty=True),
    log:
        "logs/filter/{form}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        reads=reads("filter"),
    message:
        machine.told("filter {wildcards.form} ({log})")
    shell:
        "python -m asyncthink filter --params params.yaml"
        " --form {wildcards.form:q}"
        " --demonstrations {input.demonstrations:q}"
        " --kept {output.kept:q}"
        " --rejected {output.rejected:q}"
        " --metrics {output.metrics:q}"
        " > {log:q} 2>&1"
