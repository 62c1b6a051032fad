"""Quantities: exact, and canonical as Kubernetes writes them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netemu.model import quantity
from netemu.model.wire import Quantity


@pytest.mark.parametrize(
    ("given_as", "canonical"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (0.5, "500m"),
        (2, "2"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1500m", "1500m"),
        ("1000", "1k"),
        ("128974848", "128974848"),
        ("129M", "129M"),
        ("129e6", "129e6"),
        ("1E3", "1e3"),
        ("12e2", "1200"),
        ("0.1Ki", "102400m"),
        ("1Ki", "1Ki"),
        ("0", "0"),
        ("0Gi", "0"),
        (".5", "500m"),
        ("1.", "1"),
        ("+1", "1"),
        ("-1500m", "-1500m"),
        ("0.1n", "1n"),
        ("1E", "1E"),
        (" 1 ", "1"),
    ],
)
def test_canonical_forms(given_as, canonical):
    """The suffixes stay in their family, and the number is whole."""
    assert quantity.canonical(given_as) == canonical
    assert quantity.canonical(canonical) == canonical


@pytest.mark.parametrize("text", ["", "lots", "1 Gi", "1gi", ".", "--1", "1e", "Ki", "1e99", "1m5"])
def test_what_is_no_quantity(text):
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"not a quantity|out of all proportion"):
        quantity.canonical(text)


@given(
    st.integers(0, 10**9),
    st.sampled_from(["n", "u", "m", "", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3"]),
)
def test_canonical_forms_mean_the_same(number, suffix):
    """No amount changes by being written differently."""
    text = f"{number}{suffix}"
    assert amount(quantity.canonical(text)) == amount(text)


def amount(text: str) -> Fraction:
    for suffix, factor in {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}.items():
        if text.endswith(suffix):
            return Fraction(text[:-2]) * factor
    powers = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
    if text[-1] in powers:
        return Fraction(text[:-1]) * Fraction(10) ** powers[text[-1]]
    return Fraction(text)


def test_amounts_are_rounded_up():
    """Whole units and thousandths, never less than what was asked for."""
    assert quantity.milli(Quantity("1.5")) == 1500
    assert quantity.milli(Quantity("100u")) == 1
    assert quantity.value(Quantity("1500m")) == 2
    assert quantity.value(Quantity("1Gi")) == 2**30
    assert quantity.value(Quantity("")) == quantity.milli(Quantity("")) == 0


def test_amounts_become_quantities():
    """Numbers are written in the family that fits them."""
    assert quantity.from_milli(250) == "250m"
    assert quantity.from_milli(2000) == "2"
    assert quantity.from_bytes(3 * 2**20) == "3Mi"
    assert quantity.from_bytes(1000) == "1000"
