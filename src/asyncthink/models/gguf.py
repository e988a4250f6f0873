"""A GGUF file as a folder that everything here can load: safetensors in float32, the tokenizer, its chat template.

transformers reads GGUF, but no trainer and no server takes what it reads for a model of its own. So a file is imported
once, into a cache folder that is named after the file, and from then on is a model like any other. Left out on purpose:
computing with the quantized numbers, for which llama.cpp is made.
"""

import hashlib
import sys
import tempfile
from contextlib import nullcontext, redirect_stderr
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from asyncthink.errors import InputError
from asyncthink.files import cache_folder
from asyncthink.models import checkpoint_files

NO_PACKAGE = "GGUF files are read by the package gguf: pip install 'asyncthink[gguf]'"
ANOTHER_WAY = (
    "take the model's own folder or hub name; or serve the file, `llama-server -m FILE`, and think by"
    " --engine text --server http://127.0.0.1:8080/v1 with a --model whose tokenizer is the same"
)
SAMPLE = "So 3*(7-4) = 9. <FORK-1>Is é more?</FORK-1>\n\n<JOIN-1> Yes, <ANSWER>(3 + 5) * 3</ANSWER>"


def imported(file: Path) -> Path:
    """The folder of a GGUF file; made on the first call, in place at once or not at all.

    InputError where the file is not there, or transformers cannot read it or its tokenizer.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    about = file.stat()
    key = hashlib.sha256(f"{file.resolve()} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = cache_folder() / "gguf" / f"{file.stem}-{key}"
    if not folder.is_dir():
        if find_spec("gguf") is None:
            raise InputError(f"{file}: {NO_PACKAGE}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            _import(file, Path(made) / "model")
            try:
                (Path(made) / "model").rename(folder)
            except OSError:
                if not folder.is_dir():  # where it is, another process was quicker
                    raise
        print(f"{file}: imported once, into {folder}", file=sys.stderr)
    return folder


def _import(file: Path, folder: Path) -> None:
    try:
        transformers.utils.logging.set_verbosity_error()
        with nullcontext() if sys.stderr.isatty() else redirect_stderr(StringIO()):  # a bar of progress is for eyes
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                file.parent, gguf_file=file.name, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:  # whatever a file of unknown origin makes of the readers
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file}: transformers cannot read it ({reason}); {ANOTHER_WAY}") from None
    model, told = loaded
    if missing := sorted(told["missing_keys"]):  # for which transformers took random numbers
        raise InputError(
            f"{file}: {len(missing)} of the model's weights are not in it, such as {missing[0]}; of a file in parts"
            " `llama-gguf-split --merge` makes one"
        )
    _mark_control_tokens(tokenizer, file)
    _check(tokenizer, file)
    model.config.quantization_config = None  # with its marks it could not be saved
    model.hf_quantizer = None
    with checkpoint_files.saving(folder):
        model.save_pretrained(folder, max_shard_size=checkpoint_files.ONE_FILE)
        tokenizer.save_pretrained(folder)


def _mark_control_tokens(tokenizer: PreTrainedTokenizerBase, file: Path) -> None:
    """Make whole tokens of the words that mark turns, and take BOS and EOS from the file: transformers does neither.

    Without it a chat template's marks would be spelled out, and the model asked in a form that it has never seen.
    """
    from gguf import GGUFReader, TokenType

    fields = GGUFReader(file).fields
    kinds, words = (fields[f"tokenizer.ggml.{name}"].contents() for name in ("token_type", "tokens"))
    marks = [
        word for word, kind in zip(words, kinds, strict=True) if kind in (TokenType.CONTROL, TokenType.USER_DEFINED)
    ]
    tokenizer.add_tokens([AddedToken(word, normalized=False, special=True) for word in marks], special_tokens=True)
    for name in ("bos", "eos"):
        if told := fields.get(f"tokenizer.ggml.{name}_token_id"):
            setattr(tokenizer, f"{name}_token", words[told.contents()])


def _check(tokenizer: PreTrainedTokenizerBase, file: Path) -> None:
    """A tokenizer that was read wrongly gives another text back than it was given."""
    given = tokenizer.decode(tokenizer.encode(SAMPLE, add_special_tokens=False))
    if str(given).strip() != SAMPLE:
        raise InputError(f"{file}: transformers reads its tokenizer wrongly; {ANOTHER_WAY}")
