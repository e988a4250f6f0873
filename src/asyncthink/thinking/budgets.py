"""The budget of sequential thinking, where one model serves several and is told which."""

from dataclasses import replace

from asyncthink.randomness import keyed
from asyncthink.settings import Thinking


def drawn(settings: Thinking, *key: object) -> Thinking:
    """The settings with one of `told_budgets`, as the key has it; as they are where there are none."""
    if settings.told_budgets is None:
        return settings
    return replace(settings, organizer_budget=keyed("budget", *key).choice(settings.told_budgets))
