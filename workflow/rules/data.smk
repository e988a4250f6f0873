rule puzzles:
    output:
        train=ensure("data/puzzles/train.jsonl", non_empty=True),
        validation="data/puzzles/validation.jsonl",  # which params.yaml may leave empty
        test=ensure("data/puzzles/test.jsonl", non_empty=True),
        manifest=ensure("data/puzzles/manifest.json", non_empty=True),
    log:
        "logs/puzzles.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("puzzles"),
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
        lambda wildcards: OWN_SOURCES[wildcards.item_set],
    output:
        made=ensure("data/items/{item_set}.jsonl", non_empty=True),
    log:
        "logs/items/{item_set}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("items"),
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
        puzzles=training_items,
    output:
        demonstrations=ensure("data/synthesize/{arm}.jsonl", non_empty=True),
    log:
        "logs/synthesize/{arm}.log",
    benchmark:
        "results/times/synthesize/{arm}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("synthesize"),
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
        demonstrations=lambda wildcards: f"data/synthesize/{ALIKE['synthesize'][wildcards.arm]}.jsonl",
    output:
        kept=ensure("data/filter/{arm}.jsonl", non_empty=True),
        rejected="data/filter/{arm}.rejected.jsonl",
        metrics=ensure("metrics/filter/{arm}.json", non_empty=True),
    log:
        "logs/filter/{arm}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("filter"),
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
