"""The paper's own formula for the critical-path latency, written apart from the token clock that it is held against."""

from collections.abc import Mapping
from typing import Any


def recursion(plan: Mapping[str, Any]) -> int:
    """Latency of a valid plan without a format error (paper, section on critical-path latency).

    The organizer's trace is cut at its Joins into fragments of f_1 ... f_{m+1} tokens. Fragment i ends with the Join of
    worker k, which was forked in fragment j <= i after f_j^before of that fragment's tokens and decodes q_k tokens:

        l_0 = 0,   l_i = max(l_{i-1} + f_i,  l_{j-1} + f_j^before + q_k),   T = l_m + f_{m+1}
    """
    latencies = [0]
    fragment = 0
    forked: dict[int, tuple[int, int]] = {}  # worker: (j - 1, f_j^before)
    for action in plan["organizer"]:
        fragment += action.get("tokens") or action.get("think") or action["answer"]
        if "answer" in action:
            break
        if "fork" in action:
            forked[action["fork"]] = (len(latencies) - 1, fragment)
        elif "join" in action:
            before, offset = forked[action["join"]]
            returned = latencies[before] + offset + plan["workers"][str(action["join"])]
            latencies.append(max(latencies[-1] + fragment, returned))
            fragment = 0
    return latencies[-1] + fragment
