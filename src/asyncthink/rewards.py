"""What an episode is paid (paper, section on the reward), as a table of named rewards.

    R = R_FE                     on any format error
    R = R_A + lambda * R_eta     otherwise,   R_eta = min(eta/c, tau) / tau

A reward sees the answer's accuracy, the schedule and the numbers of params.yaml; never text. Its parts are returned
beside the total, so that a history shows what was paid for what.
"""

from collections.abc import Callable, Mapping
from typing import Any

from asyncthink.settings import Reward

Paid = dict[str, float]


def asyncthink(accuracy: float, schedule: Mapping[str, Any], settings: Reward, capacity: int) -> Paid:
    """The paper's reward: R_A = accuracy in [0, 1], and lambda * R_eta for agents that are kept busy.

    `schedule` holds format_error and concurrency (eta). The gate pays R_eta always (the paper), only where R_A > 0
    (`correct`), or R_A times (`proportional`).
    """
    if schedule["format_error"] is not None:
        return _paid(format_error=settings.format_error)
    return _paid(accuracy=accuracy, concurrency=_concurrency(accuracy, schedule["concurrency"], settings, capacity))


def leverage(accuracy: float, schedule: Mapping[str, Any], settings: Reward, capacity: int) -> Paid:
    """The paper's reward with one more for Forks that follow a Join, which the paper reports to end in mode collapse.

    It is here for that claim only. What exactly was paid is open; here it is lambda times the share of the Forks that
    come after the first Join, a part of its own.
    """
    paid = asyncthink(accuracy, schedule, settings, capacity)
    if schedule["format_error"] is not None:
        return paid | {"leverage": 0.0}
    share = schedule["forks_behind_joins"] / schedule["forks"] if schedule["forks"] else 0.0
    extra = settings.concurrency_weight * share
    return paid | {"total": paid["total"] + extra, "leverage": extra}


def priced(accuracy: float, schedule: Mapping[str, Any], settings: Reward, capacity: int) -> Paid:
    """The paper's reward less token_price for every hundred tokens of all agents, which is ours and not the paper's.

    R_eta pays for agents that are busy, whatever with; the price makes what they do worth its tokens.
    """
    paid = asyncthink(accuracy, schedule, settings, capacity)
    price = -settings.token_price * schedule["work"] / 100
    return paid | {"total": paid["total"] + price, "price": price}


REWARDS: dict[str, Callable[[float, Mapping[str, Any], Reward, int], Paid]] = {
    "asyncthink": asyncthink,
    "leverage": leverage,
    "priced": priced,
}


# The factor on lambda * R_eta, by the answer's accuracy. `always` is the paper's.
GATES: dict[str, Callable[[float], float]] = {
    "always": lambda accuracy: 1.0,
    "correct": lambda accuracy: float(accuracy > 0),
    "proportional": lambda accuracy: accuracy,
}


def _concurrency(accuracy: float, eta: float, settings: Reward, capacity: int) -> float:
    """gate * lambda * min(eta/c, tau)/tau."""
    tau = settings.concurrency_target
    return GATES[settings.concurrency_gate](accuracy) * settings.concurrency_weight * min(eta / capacity, tau) / tau


def _paid(accuracy: float = 0.0, concurrency: float = 0.0, format_error: float = 0.0) -> Paid:
    total = accuracy + concurrency + format_error
    return {"total": total, "accuracy": accuracy, "concurrency": concurrency, "format_error": format_error}
