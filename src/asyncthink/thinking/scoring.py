"""What an episode was worth: its task's grade of the answer, and the reward."""

from dataclasses import replace

from asyncthink.episode import Episode
from asyncthink.rewards import REWARDS
from asyncthink.settings import Reward
from asyncthink.tasks import TASKS


def finish(episode: Episode, reward: Reward) -> Episode:
    """The episode with `score` and `reward` filled in."""
    if episode.mode != "asynchronous":
        reward = _without_concurrency(reward)
    score = TASKS[episode.task].score(episode.item, episode.answer)
    paid = REWARDS[reward.name](score["accuracy"], episode.schedule, reward, episode.capacity)
    return replace(episode, score=dict(score), reward=paid)


def _without_concurrency(reward: Reward) -> Reward:
    """Only an organizer is paid for keeping agents busy: for the other modes the terms of R_eta are not even read."""
    return replace(reward, concurrency_weight=0.0, concurrency_target=1.0, concurrency_gate="always")
