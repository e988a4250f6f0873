"""Evaluation: recorded episodes of every arm, metrics with intervals, and verdicts on the claims of the paper.

In the order in which the data pass through:

    evaluate            items in, episodes out, by an arm's model
    episode_chunks      the file of the episodes, which grows chunk by chunk
    recording           what is recorded beside the episodes
    measure             recorded episodes in, metrics out: the step
    measures            the numbers of one episode; optimum: a countdown item's best schedule
    metrics             from the numbers of episodes to metrics
    statistics          the mean over seeds and items, and its interval
    recordings          metrics as files, merged over seeds
    histories           what training logged, step by step
    evidence            all that the rules of the claims may look at
    frontier            accuracy and latency of one way of thinking over its budgets
    claims_of_arms      what a claim finds: of arms at their headline
    claims_of_frontier  of accuracy against latency
    claims_of_training  of what happens during training
    claims_of_transfer  of tasks that the protocol was not trained on
    verdicts            the rule that turns intervals into a verdict
    claims              every claim with its rule, and the ledger of them; paper: the paper's own figures
    ledger              the ledger as a file
    agreement           a ledger beside the committed one: an equivalence test
    differences         two evaluations beside each other, with intervals
    case_studies        which episodes the report shows
"""
