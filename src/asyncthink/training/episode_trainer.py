"""TRL's GRPO trainer, over episodes of several traces.

The paper extends GRPO (section on reinforcement learning): the unit is the organizer's trace with all its workers',
advantages are relative to the group of units of one query, every token of every trace of a unit gets the unit's
advantage, and text injected at a Join is out of the loss. Here a unit is one row (episode_rows), so all of TRL stays as
it is but the forward pass, in which the traces of a row are separate sequences.

Left out on purpose: several updates on the same episodes, and more than one update's worth of episodes at a time. So
the sampling policy is the policy that is updated, and a state between two steps needs nothing of what was sampled.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from trl import GRPOTrainer

from asyncthink.episode import Episode
from asyncthink.errors import InputError
from asyncthink.thinking.agents import sampling_seed
from asyncthink.training import episode_rows
from asyncthink.training.episode_history import GAP
from asyncthink.training.log_probabilities import HEADS, layout_of, score
from asyncthink.training.resumption import Resumable

WIDEST_GAP = 0.3  # nats: rounding makes hundredths, other weights make more

# (rows of the data set, trainer) -> one episode a row and, once a step, what to log of them
Rollout = Callable[[list[dict[str, Any]], Any], tuple[list[Episode], dict[str, Any]]]


def totals(episode: Sequence[Episode], **others: Any) -> list[float]:
    """TRL's reward function: the episodes bring their rewards with them."""
    return [each.reward["total"] for each in episode]


class EpisodeTrainer(Resumable, GRPOTrainer):
    """`rollout` makes the episodes; what it says of them is logged with the step under "episodes"."""

    def __init__(self, *, rollout: Rollout, **others: Any) -> None:
        self._rollout = rollout
        self._rows: list[dict[str, Any]] = []
        self._segments = self._sampled_segments = torch.empty(0)
        self._told: dict[str, Any] = {}
        super().__init__(**others, reward_funcs=[totals], rollout_func=self._sample)

    def _sample(self, prompts: list[Any], trainer: Any) -> dict[str, list[Any]]:
        episodes, self._told = self._rollout(self._rows, self)
        if len(episodes) != len(prompts):
            raise ValueError(f"{len(prompts)} rows, but {len(episodes)} episodes: TRL would misalign their advantages")
        segments = episode_rows.segments(episodes).to(self.accelerator.device)
        self._segments = self._sampled_segments = segments
        return episode_rows.columns(episodes)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Add the segments; drop the sampled log-probabilities, which only an off-policy correction would read."""
        self._rows = inputs
        output = super()._generate_and_score_completions(inputs)
        self._check_sampler()
        output["segments"] = self._sampled_segments
        output.pop("sampling_per_token_logps", None)
        if output["segments"].shape != output["completion_ids"].shape:
            raise ValueError("TRL changed the shape of the completions; the traces cannot be told apart")
        # TRL shuffles the rows from here with the global generator: keyed, so that a resumed run shuffles alike.
        torch.manual_seed(sampling_seed(self.args.seed, self.state.global_step, self.accelerator.process_index))
        return output

    def _check_sampler(self) -> None:
        """A sampler with other weights than the trainer's would teach nothing, without a word."""
        gaps = self._metrics["train"].get(GAP)
        if gaps and not gaps[-1] <= WIDEST_GAP:
            apart = f"the sampler's log-probabilities are {gaps[-1]:.2f} away from the trainer's on average"
            raise InputError(f"{apart}: it has other weights; it must serve the model at the start, for this run alone")

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        self._segments = inputs["segments"]
        return super()._compute_loss(model, inputs)

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **multimodal: Any,
    ) -> tuple[Tensor, Tensor | None, None]:
        """(episode, completion time) log-probabilities and entropies, each trace seen by itself."""
        stream = episode_rows.stream(input_ids, attention_mask.bool(), self._segments)
        with self.accelerator.autocast():
            scores = score(
                model,
                stream.ids_N,
                stream.lengths,
                temperature=self.temperature,
                layout=layout_of(self.model),
                head=HEADS[input_ids.device.type],
            )
        logprob_BC, entropy_BC = (
            stream.rows(value)[:, -logits_to_keep:] for value in (scores.logprob_N, scores.entropy_N)
        )
        return logprob_BC, entropy_BC if compute_entropy else None, None

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Log what the step's rollout told."""
        if "loss" in logs:
            logs["episodes"], self._told = self._told, {}
        super().log(logs, start_time)
