"""The word language of models trained from scratch: one token a word, words joined by single spaces.

Each word decodes with one space in front of it, so decoding is concatenable: decode(a + b) == decode(a) + decode(b),
and a position in a text is a position in its tokens. There is no unknown word: a word that is not in the vocabulary is
an error, never a token.
"""

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from asyncthink.models.prompts import PROMPTS
from asyncthink.settings import Puzzles
from asyncthink.tasks import sudoku

PAD, EOS = "<pad>", "<eos>"
_ROLES = ("<organizer>", "<worker>", "<solve>")
SIGNS = ("+", "-", "*", "/", "(", ")", ".", "!", ";", "|", "_", "none", "void")


def build(puzzles: Puzzles) -> PreTrainedTokenizerFast:
    """The tokenizer of a puzzle world: `<pad>` is 0, `<eos>` is 1, and every number from 0 up has a word."""
    vocabulary = {word: number for number, word in enumerate(words(puzzles))}
    tokenizer = Tokenizer(WordLevel(vocabulary))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Sequence([decoders.Replace(Regex("^"), " "), decoders.Fuse()])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS, clean_up_tokenization_spaces=False
    )


def words(puzzles: Puzzles) -> list[str]:
    """Every word, in the order of its id: countdown's, where a target `=24` is one word, then what Sudoku adds."""
    largest = max(puzzles.largest, puzzles.largest_result)
    numbers = [str(number) for number in range(largest + 1)]
    targets = [f"={number}" for number in range(puzzles.largest_result + 1)]
    return list(dict.fromkeys([PAD, EOS, *_ROLES, *PROMPTS["word"].tags, *SIGNS, *numbers, *targets, *sudoku.WORDS]))
