"""The names that recorders, programs and standards give the twelve leads."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Order of the rows of a signal, named as in the WFDB headers of PTB-XL."""
PRINTED_NAMES = tuple(lead.replace("AV", "aV") for lead in LEADS)
"""LEADS as printed on pages."""
ALIASES = (
    {f"D{numeral}": numeral for numeral in ("I", "II", "III")}
    | {f"D{number}": "I" * number for number in (1, 2, 3)}
    | {f"L{number}": "I" * number for number in (1, 2, 3)}
    | {f"C{number}": f"V{number}" for number in range(1, 7)}
)
"""Derivation (Romance languages) and C for chest (IEC 60601-2-25)."""
PREFIXES = {"LEAD", "ECG", "EKG", "MDC", "ELEC", "POTL", "ABLEITUNG", "DERIVATION", "DERIVACION", "MV", "UV"} | {
    "EINTHOVEN",
    "GOLDBERGER",
    "WILSON",
    "AUGMENTED",
    "LIMB",
}
"""Words without meaning here: ``MDC_ECG_LEAD_I`` is ISO/IEEE 11073-10101's name of lead I; units in names."""
MINUS = {"MINUS", "NEG", "NEGATIVE", "INVERTED"}
DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-" * 8)


def printed_name(lead: str) -> str:
    """Return a lead's name as printed on pages."""
    return PRINTED_NAMES[LEADS.index(lead)]


def lead_of(name: str) -> tuple[str, int] | None:
    """The lead that a channel's name means, and -1 if the channel is its negative, as in Cabrera's order, else 1.

    Args:
        name: in any case, e.g. ``aVR``, ``Lead I``, ``MDC_ECG_LEAD_V1``, ``-aVR``, ``D2``.

    Returns:
        A name of LEADS and a sign; None for any other name.
    """
    text = unicodedata.normalize("NFKC", name).translate(DASHES).upper().strip()
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    negative = re.search(r"^-|[\s(_]-(?=\w)|-\)?$", text) is not None  # "ECG - I" is not negated
    words = [word for word in re.split(r"[^A-Z0-9]+", text) if word]
    words = [part for word in words for part in re.sub(r"^(LEAD|ECG|EKG)(?=.)", r"\1 ", word).split()]
    if words and words[-1] != "NEG" and words[-1].endswith("NEG"):  # 11073's AVRneg
        words[-1:] = [words[-1][:-3], "NEG"]
    negative ^= any(word in MINUS for word in words)
    numbered = "LEAD" in words or "ABLEITUNG" in words
    words = [word for word in words if word not in PREFIXES | MINUS]
    lead = "".join(words)
    if len(words) > 1 and not re.fullmatch(r"AV[RLF]|[VC][1-6]", lead):  # "I II" is not III
        return None
    if numbered and lead in ("1", "2", "3"):
        lead = "I" * int(lead)
    lead = ALIASES.get(lead, lead)
    return (lead, -1 if negative else 1) if lead in LEADS else None


def find_leads(names: Sequence[str], others: Mapping[str, str] | None) -> dict[str, tuple[int, int]]:
    """The channel of each lead: lead -> position in ``names``, and the sign by which the channel is multiplied.

    A name in ``others`` comes first, then the lead's own name, then another name for it, then a negated one.

    Args:
        names: names of the channels.
        others: additional names -> name of a lead, negated with a minus; case is ignored.
    """
    mapped = {key.strip().casefold(): lead_of(lead) for key, lead in (others or {}).items()}
    found: dict[str, tuple[int, int, int]] = {}
    for column, name in enumerate(names):
        own = mapped.get(name.strip().casefold())
        lead = own or lead_of(name)
        if lead is None:
            continue
        rank = 0 if own else 3 if lead[1] < 0 else 2 - (name.upper() == lead[0])
        if lead[0] not in found or rank < found[lead[0]][0]:
            found[lead[0]] = rank, column, lead[1]
    return {lead: found[lead][1:] for lead in LEADS if lead in found}
