"""Numbers as people write them, made into LaTeX: decimals, repeating decimals, words, other bases."""

import re
from fractions import Fraction

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
TEENS = ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
CARDINALS = {word: value for value, word in enumerate(DIGITS + TEENS)}
CARDINALS |= {word: 10 * tens for tens, word in enumerate(TENS, 1)}
ORDINALS = ["half", "third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
PARTS = {word: share for share, word in enumerate(ORDINALS, 2)} | {"halve": 2, "fourth": 4, "hundredth": 100}

MULTIPLES = {"dozen": "12", "thousand": "10^{3}", "million": "10^{6}", "billion": "10^{9}"}

_CARDINAL, _PART = rf"(?:{'|'.join(CARDINALS)})", rf"(?:{'|'.join(PARTS)})s?"
IN_WORDS = rf"(-?)((?:{_CARDINAL}|a)(?:[\s-]+{_CARDINAL})?(?:[\s-]+{_PART})?(?:\s+and\s+a\s+half)?)"
REPEATING = r"(\d*)\.(\d*)\\(?:overline|bar|dot)\s*\{(\d+)\}"


def decimal(number: re.Match[str]) -> str:
    """0.25 is the fraction 1/4, exactly."""
    return as_latex(Fraction(number[0]))


def repeating(number: re.Match[str]) -> str:
    r"""0.1\overline{6} is 1/6: groups of REPEATING."""
    whole, start, period = number[1] or "0", number[2], number[3]
    nines = (10 ** len(period) - 1) * 10 ** len(start)
    return as_latex(Fraction(f"{whole}.{start}0") + Fraction(int(period), nines))


def in_words(number: re.Match[str]) -> str:
    """Twenty-five, two thirds, three and a half: groups of IN_WORDS."""
    words = re.findall("[a-z]+", number[2].lower())
    if words == ["a"]:
        return number[0]
    halves = words[-3:] == ["and", "a", "half"]
    words = words[:-3] if halves else words
    part = PARTS.get(words[-1]) or PARTS.get(words[-1].removesuffix("s")) or 1
    count = sum(CARDINALS.get(word, 1) for word in (words[:-1] if part > 1 else words))
    return number[1] + as_latex(Fraction(count, part) + Fraction(halves, 2))


def multiple(number: re.Match[str]) -> str:
    """The million of 7 million."""
    return rf"\times {MULTIPLES[number[1]]} "


def in_base(number: re.Match[str]) -> str:
    """A name that no other number has, from digits and base (groups 1 and 2); base ten is no base at all."""
    digits, base = number[1].upper(), str(CARDINALS.get(number[2].lower(), number[2]))
    return digits if base == "10" else rf"\text{{base{base}n{digits}}}"


def as_latex(value: Fraction) -> str:
    """An integer, or a fraction in lowest terms."""
    sign, value = "-" if value < 0 else "", abs(value)
    return rf"{sign}\frac{{{value.numerator}}}{{{value.denominator}}}" if value.denominator > 1 else f"{sign}{value}"
