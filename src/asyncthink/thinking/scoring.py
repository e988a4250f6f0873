"""What an episode was worth: its task's grade of the answer, and the reward."""

from dataclasses import replace

from asyncthink.episode import Episode
from asyncthink.params import Reward
from asyncthink.rewards import REWARDS
from asyncthink.tasks import TASKS


def finish(episode: Episode, reward: Reward) -> Episode:
    """The episode with `score` and `reward` filled in. Only an organizer is paid for keeping agents busy."""
    if episode.mode != "asynchronous":
        reward = replace(reward, concurrency_weight=0.0)
    score = TASKS[episode.task].score(episode.item, episode.answer)
    paid = REWARDS[reward.name](score["accuracy"], episode.schedule, reward, episode.capacity)
    return replace(episode, score=score, reward=paid)
