"""What the worker process does with two texts: prepare both, and ask math-verify, exactly where both are exact."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import sympy
import sympy.core.random
from math_verify import LatexExtractionConfig, parse, verify
from math_verify.parser import NormalizationConfig

from asyncthink.tasks.preparation import PERCENT, prepared

DIGITS = 200  # to which numbers that are not rational are compared
FEWEST_DIGITS = 3  # of a decimal that stands for what rounds to it
READING = LatexExtractionConfig(
    boxed_match_priority=-1,
    normalization_config=NormalizationConfig(units=False, malformed_operators=True, nits=True, boxed="none"),
)
_DECIMAL = re.compile(r"-?(\d*)\.(\d+)")


def equal(gold: str, answer: str) -> bool:
    """Whether `answer` is worth `gold`, as math-verify decides once both are prepared for it."""
    sympy.core.random.seed(0)
    return any(_equal(one, other) for one, other in _percentages(gold, answer))


def _percentages(gold: str, answer: str) -> Iterator[tuple[str, str]]:
    """Two percentages are compared as numbers; one alone is its hundredth, or the number if that is what was asked."""
    bare = PERCENT.sub("", gold), PERCENT.sub("", answer)
    written = bare[0] != gold, bare[1] != answer
    if written != (True, True):
        yield gold, answer
    if any(written) and (all(written) or not re.match(r"\s*-?0?\.", bare[written.index(True)])):
        yield bare


def _equal(gold: str, answer: str) -> bool:
    """Whatever a computer algebra system may raise, the two are not known to be equal."""
    try:
        one, other = _form(gold), _form(answer)
        if one is None or other is None:
            return False
        rationals = _rational(one), _rational(other)
        if None not in rationals:
            return rationals[0] == rationals[1] or _rounded(gold, answer, other)
        same = verify(one, other, numeric_precision=DIGITS, allow_set_relation_comp=True, timeout_seconds=None)
        return (same and _close(one, other)) or _rounded(gold, answer, other) or _same_where_real(one, other)
    except Exception:
        return False


def _form(text: str) -> Any:
    """The sympy object that a text stands for; None if there is none."""
    latex = prepared(text)
    if latex is None:
        return None
    found = parse(f"${latex}$", [READING], fallback_mode="no_fallback", parsing_timeout=None)
    return _as_set(found[0]) if found else None


def _as_set(form: Any) -> Any:
    """Several inequalities are the union of what they allow: x<2 or x>5; any other form stays as it is."""
    inequality = (sympy.Gt, sympy.Ge, sympy.Lt, sympy.Le, sympy.And)
    if not isinstance(form, sympy.FiniteSet) or not all(isinstance(part, inequality) for part in form.args):
        return form
    return sympy.Union(*(part.as_set() for part in form.args))


def _rational(form: Any) -> Any:
    """The rational number that a form is worth; None for anything else."""
    value = form.doit() if isinstance(form, sympy.Expr) and not form.free_symbols else None
    return value if isinstance(value, sympy.Rational) else None


def _close(one: Any, other: Any) -> bool:
    """Whether two numbers agree in their digits, however small they are; of anything else nothing is asked."""
    if not all(isinstance(form, sympy.Expr) and form.is_number and form.is_finite for form in (one, other)):
        return True
    return bool(abs(sympy.N(one - other, 30)) <= abs(sympy.N(one, 30)) * sympy.Float("1e-20"))


def _rounded(gold: str, answer: str, form: Any) -> bool:
    """A gold that is a decimal of some length stands for what rounds to it, if the answer is no decimal itself."""
    decimal = _DECIMAL.fullmatch(gold.strip())
    if decimal is None or len((decimal[1] + decimal[2]).lstrip("0")) < FEWEST_DIGITS or "." in answer:
        return False
    return bool(abs(form - sympy.Rational(gold)) * 2 * 10 ** len(decimal[2]) <= 1)


def _same_where_real(gold: Any, answer: Any) -> bool:
    """Equal for positive values of the variables, and for negative ones real and equal in the same places.

    math-verify knows variables as real only, so that it finds 1/sqrt(n) and sqrt(1/n) different.
    """
    names = sorted(gold.free_symbols, key=str)
    if not names or set(names) != answer.free_symbols or not (isinstance(gold, sympy.Expr) and gold.has(sympy.Pow)):
        return False
    positive = {name: sympy.Dummy(str(name), positive=True) for name in names}
    if sympy.simplify((gold - answer).subs(positive)) != 0:
        return False
    for signs in itertools.product((1, -1), repeat=len(names)):
        point = {name: signs[n] * sympy.Rational(2 * n + 3, n + 5) for n, name in enumerate(names)}
        one, other = (sympy.N(form.subs(point), 30) for form in (gold, answer))
        if one.is_real != other.is_real or (one.is_real and abs(one - other) > 1e-20):
            return False
    return True
