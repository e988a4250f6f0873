"""What a teacher may cost, in tokens and in money: a ceiling, not a target.

A request is let through only if its worst case fits into what is left, so the ceiling holds however long the answers
are. An answer that was lost on its way is counted in full, because the endpoint may have billed it.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from asyncthink.settings import Teacher

MILLION = 1e6


@dataclass(frozen=True)
class Charge:
    """Tokens of one response, and the share of the list price that they cost (batches: one half)."""

    prompt_tokens: int
    completion_tokens: int
    price_share: float = 1.0

    @property
    def tokens(self) -> int:
        """Prompt and answer together."""
        return self.prompt_tokens + self.completion_tokens

    def dollars(self, settings: Teacher) -> float:
        """At the prices of params.yaml, dollars per million tokens."""
        cost = self.prompt_tokens * settings.input_price + self.completion_tokens * settings.output_price
        return cost * self.price_share / MILLION


NOTHING = Charge(0, 0)


class Budget:
    """tokens and dollars are what is spent so far, over all runs that share the journal; `charged` is its past."""

    def __init__(self, settings: Teacher, charged: Iterable[Charge]):
        self.settings = settings
        self.tokens, self.dollars = 0, 0.0
        self._reserved_tokens, self._reserved_dollars, self._open = 0, 0.0, 0
        self._settled = asyncio.Condition()
        for charge in charged:
            self.count(charge)

    def count(self, charge: Charge) -> None:
        """Add what was billed."""
        self.tokens += charge.tokens
        self.dollars += charge.dollars(self.settings)

    def fits(self, worst: Charge) -> bool:
        """Whether this much can be spent beside all that is under way."""
        tokens = self.tokens + self._reserved_tokens + worst.tokens
        dollars = self.dollars + self._reserved_dollars + worst.dollars(self.settings)
        most_tokens, most_dollars = self.settings.budget_tokens, self.settings.budget_dollars
        return (most_tokens is None or tokens <= most_tokens) and (most_dollars is None or dollars <= most_dollars)

    async def reserve(self, worst: Charge) -> bool:
        """Set the worst case aside; False if it does not fit even when all that is under way has ended."""
        async with self._settled:
            while not self.fits(worst):
                if not self._open:
                    return False
                await self._settled.wait()
            self._hold(worst, 1)
            return True

    async def settle(self, worst: Charge, billed: Charge) -> None:
        """Give back what was set aside, and count what was billed."""
        async with self._settled:
            self._hold(worst, -1)
            self.count(billed)
            self._settled.notify_all()

    def _hold(self, worst: Charge, sign: int) -> None:
        self._reserved_tokens += sign * worst.tokens
        self._reserved_dollars += sign * worst.dollars(self.settings)
        self._open += sign

    @property
    def spent(self) -> str:
        """For people."""
        return f"{self.tokens:,} tokens, ${self.dollars:.2f}"

    @property
    def refusal(self) -> str:
        """Why nothing more is asked, for people."""
        settings = self.settings
        limits = {"budget_tokens": settings.budget_tokens, "budget_dollars": settings.budget_dollars}
        told = ", ".join(f"teacher.{name} is {limit:,}" for name, limit in limits.items() if limit is not None)
        return f"the budget leaves no room for another request: {self.spent} are spent, {told}"
