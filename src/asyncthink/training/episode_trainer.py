"""GRPO over episodes of several traces, to be read from top to bottom.

What it is in effect: REINFORCE with the mean reward of a group as the baseline. A step samples `group` episodes of each
of `prompts_per_step` items from the very weights that it then updates, once. So the probability ratio of GRPO is 1, its
clip never binds, and the gradient is the mean over tokens of A * grad log p.

The paper (section on reinforcement learning) extends GRPO in what is sampled: the unit is the organizer's trace with
all its workers'. Its advantage is relative to the units of the same item, each sampled token of each of its traces has
that advantage, and tokens that were put there, prompts and text injected at a Join, are out of the loss.

    sample      one episode a row, with its reward                              thinking, rewards
    advantages  the reward less the group's mean
    scores      log-probabilities, each trace seen by itself                    log_probabilities
    loss        TRL's, of the scores; its gradients add up over micro-batches
    update      TRL's loop: Adam, the learning rate, whole states               resumption
    log         what the episodes were like; how far the sampler is from the trainer, and too far ends the run

TRL's trainer asks for a batch and for a loss; what passes from one to the other is the batch. Left out on purpose:
several updates on the same episodes, and more than one update's worth of episodes at a time, so a state between two
steps needs nothing of what was sampled.

Dimensions: B episodes of this process, T time of a row (prompt and completion), C of its completion, N tokens of a
stream, M those that were sampled, P items of a step, G samples of a group.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from transformers import PreTrainedModel
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from asyncthink import engines
from asyncthink.engines import Engine
from asyncthink.episode import Episode
from asyncthink.errors import InputError, NotFinite
from asyncthink.settings import GRPO, Arm, Reward, Thinking
from asyncthink.thinking import THINKING
from asyncthink.thinking.agents import sampling_seed
from asyncthink.thinking.scoring import finish as scored
from asyncthink.training import episode_rows, micro_batches
from asyncthink.training.grpo_history import EPISODES, numbers, summary
from asyncthink.training.log_probabilities import ROUNDING, score
from asyncthink.training.resumption import Resumable
from asyncthink.training.samplers import ROUNDED, Sampler

FIELDS = ("log_probs", "entropy")  # of TRL's fused head
Items = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Settings:
    """The sections of params.yaml that decide it, with the arm's overrides in them."""

    arm: Arm
    thinking: Thinking
    reward: Reward
    grpo: GRPO


@dataclass(frozen=True)
class Row:
    """One episode to come: of which step and item (its slot in the step, its index), and which sample of the group."""

    step: int
    slot: int
    index: int
    sample: int


def sample(engine: Engine, rows: Sequence[Row], items: Items, settings: Settings, seed: int) -> list[Episode]:
    """One episode a row, scored."""
    think, task = THINKING[settings.arm.mode], settings.arm.task
    runs = []
    for row in rows:
        key = {"split": "train", "step": row.step, "index": row.index, "sample": row.sample, "seed": seed}
        seeds = (seed, row.step, row.slot, row.index, row.sample)
        runs.append(think(engine, task, items[row.index], settings.thinking, key, seeds))
    try:
        return [scored(episode, settings.reward) for episode in engines.run(engine, runs)]
    except NotFinite as error:
        raise InputError(f"grpo, step {rows[0].step + 1}: {error}: lower grpo.learning_rate") from None


def paid(episodes: Sequence[Episode]) -> list[float]:
    """The rewards of some episodes."""
    return [episode.reward["total"] for episode in episodes]


def centered(reward_PG: Tensor) -> Tensor:
    """The reward less the mean of its group."""
    return reward_PG - reward_PG.mean(1, keepdim=True)


def standardized(reward_PG: Tensor) -> Tensor:
    """The same in standard deviations of the group."""
    return centered(reward_PG) / (reward_PG.std(1, keepdim=True) + 1e-4)


ADVANTAGES: dict[str, Callable[[Tensor], Tensor]] = {"centered": centered, "standardized": standardized}


def taken(batch: Mapping[str, Tensor], rows: slice | Tensor) -> dict[str, Tensor]:
    """Some rows of a batch, and what is of the whole."""
    return {name: value[rows] if value.ndim else value for name, value in batch.items()}


class EpisodeTrainer(Resumable, GRPOTrainer):
    """`start` is the model at the start, from which the KL divergence is measured; it waits in main memory."""

    def __init__(
        self, *, settings: Settings, items: Items, start: PreTrainedModel, sampler: Sampler, **others: Any
    ) -> None:
        self.settings, self.items, self.start, self.sampler = settings, items, start, sampler
        super().__init__(**others, reward_funcs=[paid])  # TRL insists on one; the rewards are read below
        self.beta = settings.grpo.kl  # not among TRL's arguments, with which it would load another model at the start
        self.aux_loss_enabled = False  # a mixture's balance of experts is no part of the loss
        self.tolerance = ROUNDED if self.args.bf16 else sampler.tolerance
        room = micro_batches.Room.here(sampler.taken, copied=sampler.name == "local")
        self.tokens = micro_batches.tokens_of(self.model, self.args.gradient_checkpointing, room)
        nn.Module.to(start, torch.bfloat16 if self.args.bf16 else start.dtype)
        add_fused_lm_head(start, self.temperature, outputs=FIELDS)

    @cached_property
    def engine(self) -> Engine:
        """What decodes the episodes."""
        return self.sampler.engine(self)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Tensor]:
        """TRL asks for the batch of a step."""
        rows, device = [Row(**row) for row in inputs], self.accelerator.device
        self.sampler.settle(self.engine, self)
        episodes = sample(self.engine, rows, self.items, self.settings, self.args.seed)
        self.sampler.rest(self.engine, self)
        columns = episode_rows.tensors(episodes, self.processing_class.pad_token_id)
        batch = {name: value.to(device) for name, value in columns.items()}
        batch["advantages"] = self.advantages(episodes)
        batch["num_items_in_batch"] = self.accelerator.gather(batch["completion_mask"].sum()).sum()
        batch |= self.divergence(batch, torch.tensor([row.sample == 0 for row in rows], device=device))
        self._note(**summary(gather_object([(numbers(one), one.schedule["format_error"]) for one in episodes])))
        # TRL shuffles the rows from here with the global generator: keyed, so that a resumed run shuffles alike.
        torch.manual_seed(sampling_seed(self.args.seed, self.state.global_step, self.accelerator.process_index))
        return batch

    def advantages(self, episodes: Sequence[Episode]) -> Tensor:
        """(B) advantages; a group may be spread over processes."""
        reward_B = torch.tensor(paid(episodes), device=self.accelerator.device)
        reward_PG = self.accelerator.gather(reward_B).view(-1, self.num_generations)
        advantage_PG = ADVANTAGES[self.settings.grpo.advantage](reward_PG)
        return advantage_PG.flatten()[self.accelerator.process_index * len(episodes) :][: len(episodes)]

    @torch.no_grad()
    def divergence(self, batch: Mapping[str, Tensor], first_B: Tensor) -> dict[str, Tensor]:
        """Log the KL divergence from the start, estimated on the first episode of each group.

        It is Schulman's k3: the mean over sampled tokens of exp(d) - d - 1 with d = log p_start - log p. Where the loss
        has a term of it, all episodes are scored, and what the term needs is returned.
        """
        chosen = batch if self.beta else taken(batch, first_B)
        nn.Module.to(self.start, self.accelerator.device)
        logprob_BC, _ = self.scores(self.start, chosen)
        nn.Module.to(self.start, "cpu")
        gap_M = (logprob_BC - chosen["sampled_logprobs"])[chosen["completion_mask"].bool()]
        told = gather_object([((gap_M.exp() - gap_M - 1).sum().item(), len(gap_M))])
        estimates, tokens = zip(*told, strict=True)
        self._note(kl=sum(estimates) / sum(tokens))
        return {"ref_per_token_logps": logprob_BC} if self.beta else {}

    def scores(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(B, C) log-probabilities and entropies, each trace seen by itself."""
        trace_BT, width = batch["traces"], batch["completion_ids"].shape[1]
        ids_N = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)[trace_BT != episode_rows.NO_TRACE]
        lengths = episode_rows.lengths(trace_BT)
        with self.accelerator.autocast(ROUNDING):
            scores = score(model, ids_N, lengths, temperature=self.temperature)
        logprob_BT = episode_rows.in_rows(scores.logprob_N, trace_BT)
        return logprob_BT[:, -width:], episode_rows.in_rows(scores.entropy_N, trace_BT)[:, -width:]

    def _compute_loss(self, model: Any, inputs: dict[str, Tensor]) -> Tensor:
        """TRL asks for the loss of a step, and makes the backward pass of what it gets: that of the last micro-batch.

        The value is the whole step's. A mean over episodes weighs a micro-batch by its share of them; a mean over
        tokens divides by the step's tokens in any case.
        """
        lengths = (inputs["traces"] != episode_rows.NO_TRACE).sum(1).tolist()
        loss, tallies = torch.zeros((), device=self.accelerator.device), []
        for run in self.micro_batches(lengths):
            if loss.requires_grad:
                self.accelerator.backward(loss)
            part = taken(inputs, run)
            own, tally = self.loss_of(model, part)
            share = len(part["advantages"]) / len(lengths) if self.loss_type == "grpo" else 1.0
            loss = loss.detach() + own * share
            tallies.append(tally)
        self._check_sampler(torch.stack(tallies))
        return loss

    def micro_batches(self, lengths: Sequence[int]) -> list[slice]:
        """The rows of each; as many in all processes, which make their backward passes together."""
        count, needed = 0, 1
        while needed > count:
            count = needed
            own = torch.tensor(micro_batches.fewest_runs(lengths, self.tokens, count), device=self.accelerator.device)
            needed = int(self.accelerator.gather(own).max())
        return micro_batches.runs(len(lengths), count)

    def loss_of(self, model: Any, part: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """TRL's loss of some rows; and of their tokens the sum of entropies, of gaps, their number, the largest gap.

        A gap is how far the sampler's log-probability is from the trainer's. Where a sampler rounds differently, TRL
        weighs a token by the ratio of the two probabilities, cut from above. TRL would score the rows padded, so they
        are scored here, and the scores are passed as its model: whom it asks for them then hands them back.
        """
        logprob_BC, entropy_BC = self.scores(model, part)
        mask_BC = part["completion_mask"]
        gap_BC = (logprob_BC.detach() - part["sampled_logprobs"]) * mask_BC
        ratio_BC = gap_BC.exp().clamp(max=self.vllm_importance_sampling_clip_max)
        scores = (logprob_BC, entropy_BC, None)
        weighed = {**part, "importance_sampling_ratio": ratio_BC}
        loss: Tensor = super()._compute_loss(scores, weighed)  # type: ignore[no-untyped-call]  # TRL's
        tally = [(entropy_BC * mask_BC).sum(), gap_BC.abs().sum(), mask_BC.sum().float(), gap_BC.abs().max()]
        return loss, torch.stack(tally).detach()

    def _get_per_token_logps_and_entropies(self, scores: Any, *columns: Any, **others: Any) -> Any:
        """TRL's loss asks for the scores of its model; `loss_of` gave it the scores as the model."""
        return scores

    def _check_sampler(self, tallies: Tensor) -> None:
        """A sampler that differs from what is trained would teach something else, or nothing, without a word."""
        entropy, gap, tokens = self.accelerator.reduce(tallies[:, :3].sum(0), reduction="sum").unbind()
        mean, largest = (gap / tokens).item(), self.accelerator.gather(tallies[:, 3].max()).max().item()
        self._note(entropy=(entropy / tokens).item(), sampler_gap=mean, largest_sampler_gap=largest)
        if not (mean <= self.tolerance.mean and largest <= self.tolerance.largest):
            apart = f"{mean:.2g} nats away from the trainer's on average, {largest:.2g} at most"
            step = self.state.global_step + 1
            raise InputError(
                f"grpo, step {step}: the sampler's log-probabilities are {apart}: {self.sampler.suspicion}"
            )

    def _note(self, **numbers: float) -> None:
        """Log some numbers with the step."""
        for name, value in numbers.items():
            self._metrics["train"][EPISODES + name].append(value)
