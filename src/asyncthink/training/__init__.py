"""Training: the base model, format fine-tuning (stage 1) and reinforcement learning (stage 2).

Its modules:

    pretrain, sft, grpo     the three steps
    episode_trainer         the algorithm of reinforcement learning
    samplers                who samples its episodes
    episode_rows            episodes as rows of tensors
    log_probabilities       the scores of their traces; compiled_pass: Qwen3's forward pass over them
    grpo_history            what a step saw of its episodes
    micro_batches           a step in pieces that fit in memory; memory_trace: the memory that it takes
    weighted_loss           the loss in which some tokens weigh more
    learning_rate           the learning rate over a training
    attention, sharding     who computes attention; one model shared out to several processes
    resumption              what every trainer shares; checkpoints: states that are whole or not there
    notice                  that a training has to end
    progress_callback       how far a training is
    skills                  what a base model can do
"""
