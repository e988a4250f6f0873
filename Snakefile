from snakemake.utils import min_version

min_version("9.27")


configfile: "params.yaml"


# With --software-deployment-method apptainer: built by `apptainer build asyncthink.sif asyncthink.def`.
container: "asyncthink.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
        rules.page.output,
        rules.claims.output,


onstart:
    links.part_times()
    outlook.follow(workflow, PARAMS)


onsuccess:
    outlook.farewell(workflow, success=True)


onerror:
    outlook.farewell(workflow, success=False)
