"""Cross-entropy in which some tokens weigh more than others, exact under accumulation and several processes."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer

from asyncthink.training.log_probabilities import ROUNDING, score

IGNORED = -100  # the label of a token without loss


@dataclass(frozen=True)
class Batch:
    """A stream of traces: token ids, the loss weight of each token (0: no loss), and the traces' lengths."""

    ids_N: Tensor
    weight_N: Tensor
    lengths: list[int]


class WeightedLoss(Trainer):
    """Goes before any kind of Trainer: loss = sum of weight * -log p over the sum of weights of the whole step.

    `watched` names sets of token ids whose share of right predictions is logged as NAME_accuracy.
    """

    def __init__(self, *, watched: dict[str, Tensor], **others: Any) -> None:
        super().__init__(**others)
        self.model_accepts_loss_kwargs = True  # the loss below divides by the weight of all micro-batches itself
        self.watched = watched
        self._counts_K2: Tensor | None = None  # right and all of each watched set, since the last log

    def stream(self, inputs: dict[str, Tensor]) -> Batch:
        """The stream in a batch of inputs."""
        raise NotImplementedError

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Tensor:
        weight = torch.stack([self.stream(inputs).weight_N.sum() for inputs in batch_samples]).sum().to(device)
        whole: Tensor = self.accelerator.reduce(weight, reduction="sum")
        return whole

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The share of this micro-batch; DistributedDataParallel averages over processes, so it is scaled up."""
        batch = self.stream(inputs)
        with self.accelerator.autocast(ROUNDING):
            scores = score(model, batch.ids_N, batch.lengths)
        self._count(batch, scores.likeliest_N)
        assert num_items_in_batch is not None  # the step's weights, from _get_num_items_in_batch
        processes: int = self.accelerator.num_processes
        return -(batch.weight_N * scores.logprob_N).sum() / num_items_in_batch * processes

    def _count(self, batch: Batch, right_N: Tensor) -> None:
        trained_N = batch.weight_N > 0
        sets = [trained_N] + [trained_N & torch.isin(batch.ids_N, ids) for ids in self.watched.values()]
        counts = torch.stack([torch.stack([(right_N & chosen).sum(), chosen.sum()]) for chosen in sets])
        self._counts_K2 = counts if self._counts_K2 is None else self._counts_K2 + counts

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Add the shares of right predictions."""
        if "loss" in logs and self._counts_K2 is not None:
            counts = self.accelerator.reduce(self._counts_K2, reduction="sum").tolist()
            self._counts_K2 = None
            for name, (right, all_) in zip(("token", *self.watched), counts, strict=True):
                logs[f"{name}_accuracy"] = right / all_ if all_ else None
        super().log(logs, start_time)
