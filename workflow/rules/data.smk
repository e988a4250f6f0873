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


rule items:
    input:
        source,
        code=code("items"),
    output:
        made=ensure("results/items/{item_set}.jsonl", non_empty=True),
    log:
        "logs/items/{item_set}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        reads=reads("items"),
    message:
        machine.told("items {wildcards.item_set} ({log})")
    shell:
        "python -m asyncthink items --params params.yaml"
        " --item-set {wildcards.item_set:q}"
        " --items {output.made:q}"
        " > {log:q} 2>&1"


rule synthesize:
    input:
        code=code("synthesize"),
        puzzles=training_items,
    output:
        demonstrations=ensure("results/synthesize/{arm}.jsonl", non_empty=True),
    log:
        "logs/synthesize/{arm}.log",
    benchmark:
        "logs/benchmarks/synthesize/{arm}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        reads=reads("synthesize"),
    message:
        machine.told("synthesize {wildcards.arm} ({log})")
    shell:
        "python -m asyncthink synthesize --params params.yaml"
        " --arm {wildcards.arm:q}"
        " --puzzles {input.puzzles:q}"
        " --demonstrations {output.demonstrations:q}"
        " > {log:q} 2>&1"


rule filter:
    input:
        code=code("filter"),
        demonstrations=lambda wildcards: f"results/synthesize/{alike('synthesize', wildcards.arm)}.jsonl",
    output:
        kept=ensure("results/filter/{arm}.jsonl", non_empty=True),
        rejected="results/filter/{arm}.rejected.jsonl",
        metrics=ensure("metrics/filter/{arm}.json", non_empty=True),
    log:
        "logs/filter/{arm}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        reads=reads("filter"),
    message:
        machine.told("filter {wildcards.arm} ({log})")
    shell:
        "python -m asyncthink filter --params params.yaml"
        " --arm {wildcards.arm:q}"
        " --demonstrations {input.demonstrations:q}"
        " --kept {output.kept:q}"
        " --rejected {output.rejected:q}"
        " --metrics {output.metrics:q}"
        " > {log:q} 2>&1"
