r"""Mathematical text as people and chat models write it, rewritten into the LaTeX that math-verify reads.

Each entry of REWRITES is one habit of writing: its name, what it looks like, what it becomes. They are applied from
first to last, to gold and answer alike. What is left is LaTeX without prose, money, units, decimals, and signs that
the library would leave out, add up or take for letters (`12\,345` is 357 to it, `2 1/2` is 3/2, `204_5` is 204).
"""

import re
from collections.abc import Callable

from asyncthink.tasks import numerals

SIGNS = {
    **{"−": "-", "–": "-", "—": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∗": "*", "÷": "/", "⁄": "/"},
    **{"π": r"\pi ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "±": r"\pm ", "°": r"^\circ "},
    **{"∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}"},
    **{"ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "λ": r"\lambda "},
    **{"½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}"},
    **{"²": "^{2}", "³": "^{3}", "⁴": "^{4}", "√": r"\sqrt ", "∛": r"\sqrt[3] ", "％": "%", "\u00a0": " "},
    **{"\u2009": r"\,", "\u202f": r"\,", "’": "'", "“": "", "”": "", "⟨": r"\langle ", "⟩": r"\rangle "},
}
UNITS = (
    r"dollars?|cents?|euros?|pounds?|rupees?|usd|eur|degrees?|deg|radians?|units?|points?|square|cubic|sq|cu|per|times|"
    r"miles?|mi|mph|inch(?:es)?|in|foot|feet|ft|yards?|yd|(?:kilo|centi|milli)?met(?:er|re)s?|km|cm|mm|m|km/h|m/s|"
    r"(?:kilo|milli)?grams?|kg|mg|g|ounces?|oz|lbs?|tons?|lit(?:er|re)s?|ml|l|gallons?|cups?|hz|joules?|newtons?|watts?|"
    r"seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h|days?|weeks?|months?|years?|ways?|people|men|women|children|"
    r"students?|integers?|solutions?|outcomes?|numbers?|pairs?|triangles?|squares?|coins?|apples?|books?|pages?"
)

_UNIT = rf"(?:{UNITS})\b\.?"
_POWER = r"(?:\s*\^\s*\{?-?\d\}?)?"  # of a unit: cm^2
_THIN = r"(?:(?<!\\)\\[,;:! ]|\{,\}|,\\!|~|\\thinspace)"
_NESTED = r"\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)"  # parentheses, up to three deep
_NOT_ONLY_WORDS = r"(?![^{}]*\b(?:not|no|than|except|least|most)\b)"
_TEXT = r"\\text\s*\{[^{}\d]*\}"
_BASE = r"\{?\s*(?:\\text\s*\{)?\s*(?:base\s*)?(\d+|[a-z]+)\s*\}?\}?"
_CIRCLE = r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?"
_FACTOR = r"(?<![\w.^\\'])(?<!frac )(?:\d+\.?\d*|\.\d+)"  # a number, but not an index, a power, a numerator
_FUNCTIONS = "(?:arc)?(?:sin|cos|tan)|sec|csc|cot|log|ln|exp"


def _joined(groups: re.Match[str]) -> str:
    return re.sub("[ ,]", "", groups[0])


def _root(root: re.Match[str]) -> str:
    return rf"\sqrt{root[1] or ''}{{{root[2] or root[3] or root[4]}}}"


REWRITES: tuple[tuple[str, str, str | Callable[[re.Match[str]], str]], ...] = (
    ("signs", f"[{''.join(SIGNS)}]", lambda sign: SIGNS[sign[0]]),
    # typesetting
    ("a doubled backslash", r"\\\\(?=(?:sqrt|frac|pi|text|cdot|times|infty)\b)", r"\\"),
    ("typefaces", r"\\(?:textbf|textit|textrm|textnormal|mbox|hbox|mathrm|mathsf|rm)(?=\s*\{)", r"\\text"),
    ("sizes", r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])\.?", ""),
    ("formula marks", r"(?<!\\)\\[()\[\]]", ""),
    ("braced signs", r"\{([:=])\}", r"\1"),
    ("bare fractions", r"\\[dtc]?frac\s*(\d)\s*(\d)(?!\d)", r"\\frac{\1}{\2}"),
    (
        "arrays",
        r"[\[(]\s*\\begin\{array\}\s*\{[lcr|]*\}(.*?)\\end\{array\}\s*[\])]",
        r"\\begin{pmatrix}\1\\end{pmatrix}",
    ),
    # groups of digits, then spaces
    ("thin spaces in a number", rf"(?<=\d){_THIN}\s*(?=\d{{3}}(?!\d))", ""),
    ("spaces in a number", r"(?<![\d.])\d{1,3}(?: \d{3})+(?![\d/]| \d)", _joined),
    ("commas in a number", r"(?<![\d.,(\[{])\d{1,3}(?:,\d{3})+(?![\d,)\]}])", _joined),
    ("spaces", r"(?<!\\)\\[,;:! ]|~|\\(?:quad|qquad|displaystyle|thinspace|limits)\b|\n", " "),
    # words
    ("money", r"\\?\$|[€£¥₹]|\b(?:USD|EUR|GBP)\b", ""),
    ("a minus in words", r"(?i)^\s*(?:minus|negative)\s+", "-"),
    ("a number in words", rf"(?i)^\s*{numerals.IN_WORDS}\s*$", numerals.in_words),
    ("multiples", r"(?<=\d)\s*(?:\\text\s*\{\s*)?(dozen|thousand|million|billion)\b\s*\}?", numerals.multiple),
    ("and, or", r",?\s*(?:\\text\s*\{\s*(?:and|or)\s*\}|(?<![\\A-Za-z])(?:and|or)(?![A-Za-z]))", ", "),
    ("words before a value", rf"(?i)^\s*\\text\s*\{{{_NOT_ONLY_WORDS}[^{{}}]*[\s:][^{{}}]*\}}\s*(?=[-\d\\(x])", ""),
    ("numbers in text", r"^\s*\\text\s*\{([^{}]*\d[^{}]*)\}\s*$", r"\1"),
    ("ratios in words", r"(?<=\d)\s+to\s+(?=\d)", ":"),
    ("unions", r"(?<=[)\]}])\s*U\s*(?=[(\[{\\])", r"\\cup "),
    ("all reals", r"(?i)^\s*(?:\\text\s*\{)?\s*(?:all|any|every)\s+reals?(?:\s+numbers?)?\s*\}?\s*$", r"\\mathbb{R}"),
    # bases, degrees, units
    ("a base in words", r"\b(\d[\dA-F]*)\s*\(?\s*(?:in\s+)?base[\s-]*(\w+)\)?", r"\1_{\2}"),
    ("a base", rf"(?<![A-Za-z\\_^{{\d])\(?(\d[\dA-Fa-f]*)\)?_\s*{_BASE}", numerals.in_base),
    ("degrees of an angle", rf"\\(sin|cos|tan|cot|sec|csc)\s*\(?(\d+)\s*{_CIRCLE}\)?", r"\\\1(\\frac{\2\\pi}{180})"),
    ("degrees", rf"{_CIRCLE}(?:\s*{_TEXT}|\s*[CF]\b)?|\\degree\b", ""),
    ("ordinals", r"(?<=\d)\s*\^?\s*\{?\s*(?:\\text\s*\{\s*(?:st|nd|rd|th)\s*\}|(?:st|nd|rd|th)\b)\s*\}?", ""),
    ("text after a number", rf"(?<=[\d}})])\s*{_TEXT}(?:\s*/\s*{_TEXT})?{_POWER}(?=\s*(?:$|,))", ""),
    ("units in text", rf"(?i)(?<=\w)\s*\\text\s*\{{\s*(?:{_UNIT}[\s/]*)+\}}{_POWER}\s*$", ""),
    (
        "units",
        rf"(?i)(?:(?<=[\d}})])|(?<=\\pi ))(?:\s+{_UNIT}(?:[\s/]*{_UNIT})*|(?:cm|mm|km|kg|ft|mph)){_POWER}\s*$",
        "",
    ),
    # numbers
    ("scientific notation", r"(?<![A-Za-z\\])(\d+(?:\.\d+)?)[eE]([+-]?\d+)(?![\d.])", r"\1\\times 10^{\2}"),
    ("imaginary units", r"(?<=\d)i(?![A-Za-z])", " i"),
    ("mixed numbers", r"(?<![\d./^_])(\d+)\s+(\d+)\s*/\s*(\d+)(?!\d)", r"\1\\frac{\2}{\3}"),
    ("repeating decimals", numerals.REPEATING, numerals.repeating),
    # the signs of programs
    ("powers", r"\*\*", "^"),
    ("powers of several signs", r"\^\s*(-?\d*\.\d+|-\d+|-[a-z]|\d{2,})", r"^{\1}"),
    ("powers in parentheses", rf"\^\s*{_NESTED}", r"^{\1}"),
    ("products", r"\*", r"\\cdot "),
    # `2(3)` is 5 to the library, a mixed number
    ("products of a number", rf"{_FACTOR}\s*(?=[(\[]|\\?\{{\s*\(|\\\{{|\\[dt]?binom|[ei]\s*\^)", r"\g<0>\\cdot "),
    ("products of parentheses", r"\)\s*(?=[(\d]|\\frac)|\]\s*(?=\()", r"\g<0>\\cdot "),
    ("products of fractions", r"\\[dtc]?(?:frac|binom)\{[^{}]*\}\{[^{}]*\}\s*(?=\()", r"\g<0>\\cdot "),
    ("products of a constant", r"\\pi\s*(?=\(\s*-?\d)", r"\\pi\\cdot "),
    ("plus or minus", r"\+\s*/\s*-|\+-", r"\\pm "),
    ("roots", rf"(?<![A-Za-z])\\?sqrt\s*(\[\d+\])?\s*(?:{_NESTED}|(\d+|[A-Za-z](?![A-Za-z]))|\{{([^{{}}]+)\}})", _root),
    ("functions", rf"(?<![\\A-Za-z])({_FUNCTIONS})(?![A-Za-z])", r"\\\1 "),
    ("constants", r"(?<![\\A-Za-z])(pi|theta|infty)(?![A-Za-z])", r"\\\1 "),
    ("infinity", r"(?<![\\A-Za-z])(?:infinity|inf|oo)(?![A-Za-z])", r"\\infty "),
    ("decimals", r"(?<![\d.,])\d*\.\d+(?![\d.])", numerals.decimal),
    ("a point after a number", r"(?<=\d)\.(?!\d)", ""),
    # what surrounds the rest
    ("angle brackets", r"\\langle\b(.*?)\\rangle\b", r"(\1)"),
    (
        "sets by a condition",
        r"^\s*\\?\{\s*[a-z]\s*(?:\\in\s*\\mathbb\s*\{?R\}?)?\s*(?:\\mid|\\vert|\||:)\s*(.+?)\\?\}\s*$",
        r"\1",
    ),
    ("signs at the edges", r"^[\s=:,;]+|[\s.,;:]+$|\\\\\s*$", ""),
)
_COMPILED = [(re.compile(pattern, re.DOTALL), becomes) for _, pattern, becomes in REWRITES]

PERCENT = re.compile(r"\s*(?:\\?%|％|\\text\s*\{\s*(?:\\?%|percent)\s*\}|\bpercent(?:age)?\b)")
_PERCENTAGE = re.compile(rf"([\d.,]+|\\[dt]?frac\s*\{{[^{{}}]*\}}\{{[^{{}}]*\}}){PERCENT.pattern}")
# What the library leaves out or misreads, and prose, which it takes for products of letters: equal only as texts.
_OPAQUE = re.compile(
    r"\\(?:forall|exists|[lc]?dots|pmod|equiv|implies|iff|\w*arrow|to|nmid|not)\b|\.\.\.|…|(?<![_^\d])\d+\s+\d"
)
_NAMES = "sinh|cosh|tanh|coth|theta|alpha|beta|gamma|lambda"
_PROSE = re.compile(rf"(?<![\\A-Za-z{{])(?!(?:{_NAMES})\b)(?:[A-Za-z]{{4,}}|[A-Za-z]{{2,}}\s+[A-Za-z]{{2,}})")


def prepared(text: str) -> str | None:
    """LaTeX for the library, a percentage as its hundredth; None if the text can only be compared as a text."""
    text = _PERCENTAGE.sub(r"(\1/100)", text)
    for pattern, becomes in _COMPILED:
        text = pattern.sub(becomes, text)
    outside = re.sub(r"\\text\s*\{[^{}]*\}", "", text).strip()
    only_words = not outside and "base" not in text
    return None if only_words or _OPAQUE.search(text) or _PROSE.search(outside) else text.strip()


def plain(text: str) -> str:
    """The text without what makes no difference to a reader: spaces, typefaces, sizes, formula marks, capitals."""
    text = re.sub(r"^\s*\(([A-Za-z])\)\s*$", r"\1", re.sub(r"\\(?:text\w*|mbox|mathrm)\s*\{([^{}]*)\}", r"\1", text))
    text = re.sub(r"(?<=\d)\s+(?=\d)", "_", text)  # "1 2" is not 12
    text = re.sub(r"\\(?:left|right|displaystyle)(?![A-Za-z])|(?<!\\)\\[,;:! ()\[\]]|\\?\$|[~\s]", "", text)
    text = re.sub(r"\\[dt]frac", r"\\frac", text).rstrip(".,;:")
    return re.sub(r"(?<![\\A-Za-z])[A-Za-z]+", lambda word: word[0].casefold(), text)
