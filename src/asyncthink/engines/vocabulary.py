"""Text to tokens and back, and where a stop text ends in a stream of tokens."""

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache

from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerBase

from asyncthink.errors import InputError


class Vocabulary:
    """A transformers tokenizer as an engine needs it: nothing added, nothing stripped, unknown words refused.

    outputs is the number of tokens that a model can say, where it is larger than the tokenizer; the rest have no text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, outputs: int = 0) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise InputError(f"{type(tokenizer).__name__}: only tokenizers that have a tokenizer.json can be used")
        backend.no_truncation()  # a tokenizer.json may keep both of a training that is long over
        backend.no_padding()
        self.tokenizer = tokenizer
        self._backend = backend
        words = isinstance(backend.model, WordLevel) and isinstance(backend.pre_tokenizer, WhitespaceSplit)
        self._words = tokenizer.get_vocab() if words and backend.normalizer is None else None
        self._size = len(tokenizer)
        self._outputs = outputs
        self.eos = tokenizer.eos_token_id

    def encode(self, text: str) -> list[int]:
        """Token ids; in a word vocabulary, a word that is not in it is an InputError that names the word."""
        if self._words is not None:
            try:
                return [self._words[word] for word in text.split()]
            except KeyError as unknown:
                message = f"{unknown} is not among the {self._size} words of this model's vocabulary"
                raise InputError(message) from None
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        if 0 < self._outputs < self._size and (largest := max(ids, default=0)) >= self._outputs:
            token = self.tokenizer.convert_ids_to_tokens(largest)
            raise InputError(
                f"the tokenizer's {token!r} is number {largest}, and the model has {self._outputs:,} tokens:"
                " they do not belong together"
            )
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; in a word vocabulary the texts of the tokens, joined."""
        if self._words is not None:
            return "".join([self.pieces[i] for i in ids])
        text: str = self._backend.decode([*self._before, *ids], skip_special_tokens=False)
        return text[self._length :]

    @cached_property
    def lead(self) -> str:
        """The text of what the tokenizer puts before every text by itself, most often BOS; here it never does."""
        if self._words is not None:
            return ""
        bare, own = (self._backend.encode("a", add_special_tokens=special).ids for special in (False, True))
        count = len(own) - len(bare)
        return self.decode(own[:count]) if own[count:] == bare else ""

    @cached_property
    def _before(self) -> list[int]:
        """A token in front of those that are decoded: many decoders take a space off the beginning of a text."""
        return [] if self._words is not None else self._backend.encode("a", add_special_tokens=False).ids[-1:]

    @cached_property
    def _length(self) -> int:
        return len(self._backend.decode(self._before, skip_special_tokens=False))

    @cached_property
    def pieces(self) -> list[str]:
        """The text of each token by itself. Exact for ASCII, of which stops are made."""
        alone = [[*self._before, i] for i in range(self._size)]
        spoken: list[str] = self._backend.decode_batch(alone, skip_special_tokens=False)
        return [text[self._length :] for text in spoken] + [""] * (self._outputs - self._size)

    @lru_cache(maxsize=64)  # noqa: B019 (lives as long as the engine)
    def closers(self, stops: tuple[str, ...]) -> frozenset[int]:
        """The tokens that can complete one of the stops: those that hold the last character of one."""
        last = {stop[-1] for stop in stops}
        return frozenset(i for i, piece in enumerate(self.pieces) if not last.isdisjoint(piece))

    def stop(self, ids: Sequence[int], stops: tuple[str, ...]) -> str | None:
        """The stop that ends inside the last token of `ids`, the first one where there are several."""
        text = self.pieces[ids[-1]]
        own, wanted = len(text), len(text) + max(map(len, stops))
        for i in reversed(ids[:-1]):
            if len(text) >= wanted:
                break
            text = self.pieces[i] + text
        ended = (match[0] for match in _pattern(stops).finditer(text) if match.end() > len(text) - own)
        return next(ended, None)


def shared(tokenizer: PreTrainedTokenizerBase, outputs: int = 0) -> Vocabulary:
    """The one vocabulary of a tokenizer as it is now: a table of all its tokens' texts is not built twice."""
    return _shared(tokenizer, len(tokenizer), outputs)


@lru_cache(maxsize=8)
def _shared(tokenizer: PreTrainedTokenizerBase, size: int, outputs: int) -> Vocabulary:
    del size  # part of the key: a tokenizer to which tokens were added is another one
    return Vocabulary(tokenizer, outputs)


@lru_cache(maxsize=64)
def _pattern(stops: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, stops)))
