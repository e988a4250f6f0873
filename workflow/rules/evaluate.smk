rule evaluate:
    input:
        model=lambda wildcards: model(weights(wildcards)),
        code=code("evaluate"),
        test=lambda wildcards: ITEMS[wildcards.task],
    output:
        episodes=ensure("results/evaluate/{task}/{arm}/{seed}.jsonl.gz", non_empty=True),
        metrics=ensure("metrics/evaluate/{task}/{arm}/{seed}.json", non_empty=True),
    log:
        "logs/evaluate/{task}/{arm}/{seed}.log",
    benchmark:
        "logs/benchmarks/evaluate/{task}/{arm}/{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
    params:
        reads=reads("evaluate"),
        model=subpath(input[0], parent=True),
    message:
        machine.told("evaluate {wildcards.arm} on {wildcards.task}, seed {wildcards.seed} ({log})")
    shell:
        "python -m asyncthink evaluate --params params.yaml"
        " --task {wildcards.task:q}"
        " --arm {wildcards.arm:q}"
        " --seed {wildcards.seed:q}"
        " --model {params.model:q}"
        " --items {input.test:q}"
        " --episodes {output.episodes:q}"
        " --metrics {output.metrics:q}"
        " > {log:q} 2>&1"
