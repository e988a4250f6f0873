rule evaluate:
    input:
        model=weights,
        test=lambda wildcards: graph.items(wildcards.test_set, "test"),
    output:
        episodes=ensure("results/evaluate/{test_set}/{arm}/{seed}.jsonl.gz", non_empty=True),
        recording=ensure("results/evaluate/{test_set}/{arm}/{seed}.json", non_empty=True),
    log:
        "logs/evaluate/{test_set}/{arm}/{seed}.log",
    benchmark:
        "results/times/evaluate/{test_set}/{arm}/{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
    params:
        code=graph.code_hash("evaluate"),
        reads=reads("evaluate"),
        model=subpath(input[0], parent=True),
        vllm=vllm,
    message:
        machine.told("evaluate {wildcards.arm} on {wildcards.test_set}, seed {wildcards.seed} ({log})")
    shell:
        "{params.vllm}python -m asyncthink evaluate --params params.yaml"
        " --test-set {wildcards.test_set:q}"
        " --split test"
        " --arm {wildcards.arm:q}"
        " --seed {wildcards.seed:q}"
        " --model {params.model:q}"
        " --items {input.test:q}"
        " --episodes {output.episodes:q}"
        " --recording {output.recording:q}"
        " > {log:q} 2>&1"


rule measure:
    input:
        episodes=rules.evaluate.output.episodes,
        recording=rules.evaluate.output.recording,
    output:
        metrics=ensure("metrics/evaluate/{test_set}/{arm}/{seed}.json", non_empty=True),
    log:
        "logs/measure/{test_set}/{arm}/{seed}.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=graph.code_hash("measure"),
    message:
        machine.told("measure {wildcards.arm} on {wildcards.test_set}, seed {wildcards.seed} ({log})")
    shell:
        "python -m asyncthink measure {input.episodes:q}"
        " --recording {input.recording:q}"
        " --metrics {output.metrics:q}"
        " > {log:q} 2>&1"
