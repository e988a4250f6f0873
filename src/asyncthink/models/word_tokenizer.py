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
from asyncthink.tasks.countdown_search import BRANCH_NAMES, LARGEST_RESULT, VERDICTS

PAD, EOS = "<pad>", "<eos>"
_ROLES = ("<organizer>", "<worker>", "<solve>")
SIGNS = ("+", "-", "*", "/", "|", "_", ";", "none", ".", "!", *VERDICTS)


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
    """Every word, in the order of its id: countdown's, then what Sudoku adds.

    One word is a target, `=24`, a number of a puzzle with the parentheses beside it, `((13` or `10)`, and a branch,
    `a-c`.
    """
    numbers = [str(number) for number in range(max(puzzles.base_largest, LARGEST_RESULT) + 1)]
    targets = [f"={number}" for number in range(1, puzzles.largest_target + 1)]
    given = range(puzzles.smallest, puzzles.base_largest + 1)
    spelled = [form.format(number) for form in ("({}", "(({}", "{})", "{}))") for number in given]
    own = [PAD, EOS, *_ROLES, *PROMPTS["word"].tags, *SIGNS, *numbers, *targets, *spelled, *BRANCH_NAMES]
    return list(dict.fromkeys([*own, *sudoku.WORDS]))
