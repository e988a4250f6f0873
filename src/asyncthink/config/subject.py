"""What params.yaml says of one evaluation: its task, how often each item is answered, and with which settings."""

from collections.abc import Sequence
from typing import Any

from asyncthink.config.params import Params
from asyncthink.engines import Identity
from asyncthink.evaluation.evaluate import Subject


def subject(
    params: Params, test_set: str, split: str, arm: str, seed: int, items: Sequence[dict[str, Any]], engine: Identity
) -> Subject:
    """One arm's evaluation of one training seed on the items of a test set; InputError for a name that is not there."""
    own, wanted = params.arm_params(arm), params.test_set(test_set)
    return Subject(
        scale=params.scale,
        test_set=test_set,
        split=split,
        task=params.task(test_set),
        arm=arm,
        seed=seed,
        samples=wanted.samples if wanted else own.evaluate.samples,
        items=items,
        engine=engine,
        arm_settings=own.arm,
        reward=own.reward,
        evaluations=params.evaluations(arm, test_set),
    )
