rule pretrain:
    input:
        checkpoint(),
    output:
        model=ensure(model("results/pretrain/{seed}"), non_empty=True),
        history="metrics/pretrain/{seed}.jsonl",
    log:
        text="logs/pretrain/{seed}.log",
        times="logs/pretrain/{seed}.times.jsonl",
    benchmark:
        "results/times/pretrain/{seed}.tsv"
    priority: len(ARMS)  # every arm waits for it
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
    params:
        code=graph.code_hash("pretrain"),
        python=python,
        reads=reads("pretrain"),
        model=subpath(output[0], parent=True),
    message:
        machine.told("pretrain, seed {wildcards.seed} ({log.text})")
    shell:
        "{params.python} -m asyncthink pretrain --params params.yaml"
        " --seed {wildcards.seed:q}"
        " --model {params.model:q}"
        " --history {output.history:q}"
        " --times {log.times:q}"
        " > {log.text:q} 2>&1"


rule sft:
    input:
        start=model("results/pretrain/{seed}"),
        demonstrations=lambda wildcards: f"data/filter/{ALIKE['filter'][wildcards.arm]}.jsonl",
    output:
        model=ensure(model("results/sft/{arm}/{seed}"), non_empty=True),
        history=ensure("metrics/sft/{arm}/{seed}.jsonl", non_empty=True),
    log:
        text="logs/sft/{arm}/{seed}.log",
        times="logs/sft/{arm}/{seed}.times.jsonl",
    benchmark:
        "results/times/sft/{arm}/{seed}.tsv"
    priority: awaited
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
    params:
        code=graph.code_hash("sft"),
        python=python,
        reads=reads("sft"),
        start=subpath(input[0], parent=True),
        model=subpath(output[0], parent=True),
    message:
        machine.told("sft {wildcards.arm}, seed {wildcards.seed} ({log.text})")
    shell:
        "{params.python} -m asyncthink sft --params params.yaml"
        " --arm {wildcards.arm:q}"
        " --seed {wildcards.seed:q}"
        " --start {params.start:q}"
        " --demonstrations {input.demonstrations:q}"
        " --model {params.model:q}"
        " --history {output.history:q}"
        " --times {log.times:q}"
        " > {log.text:q} 2>&1"


rule grpo:
    input:
        start=start,
        puzzles=training_items,
    output:
        model=ensure(model("results/grpo/{arm}/{seed}"), non_empty=True),
        history=ensure("metrics/grpo/{arm}/{seed}.jsonl", non_empty=True),
    log:
        text="logs/grpo/{arm}/{seed}.log",
        times="logs/grpo/{arm}/{seed}.times.jsonl",
    benchmark:
        "results/times/grpo/{arm}/{seed}.tsv"
    priority: 1  # before evaluations, which are short and fill the end
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
    params:
        code=graph.code_hash("grpo"),
        python=python,
        reads=reads("grpo"),
        start=subpath(input[0], parent=True),
        model=subpath(output[0], parent=True),
        vllm=vllm,
    message:
        machine.told("grpo {wildcards.arm}, seed {wildcards.seed} ({log.text})")
    shell:
        "{params.vllm}{params.python} -m asyncthink grpo --params params.yaml"
        " --arm {wildcards.arm:q}"
        " --seed {wildcards.seed:q}"
        " --start {params.start:q}"
        " --puzzles {input.puzzles:q}"
        " --model {params.model:q}"
        " --history {output.history:q}"
        " --times {log.times:q}"
        " > {log.text:q} 2>&1"
