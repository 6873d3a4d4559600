"""Personal data with a form that can be checked, replaced by placeholders: <email>, <ip>, <phone>, <iban>, <card>.

What is taken, and what is left for a reason:

- **email**: an address with a top-level domain of letters. Addresses at example.com and other names that RFC 2606
  reserves stay, and so does `git@host`: they are nobody's.
- **ip**: addresses of the public internet. Private, documentation and multicast ranges stay. IPv6 needs at least three
  colons, so that a slice like [2000::3] is none. Four numbers are a version or a section, and stay, after a
  word that says so (version, v, release, build, section, ...), after ==, >=, <=, ~, ^ or §, glued to a name by - or by
  / (Chrome/120.0.0.1), and before a hyphen and a letter. Bare version numbers in other places are taken for addresses.
- **phone**: numbers that exist by the numbering plans (Google's libphonenumber): international with +, and North
  American ones written in groups, 212-555-0123 or (212) 555-0123.
- **iban**: right length for the country and right checksum (ISO 7064 mod 97).
- **card**: the begin and length of a payment card and its checksum (Luhn), alone or in groups of digits.

What it misses: names, postal addresses, dates of birth, numbers of passports, insurances and taxes, national phone
numbers outside North America, user names, and anything spelled out ("bob at example dot org"). A text that went through
here is not anonymous.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal, get_args

Kind = Literal["email", "ip", "phone", "iban", "card"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_EMAIL = re.compile(
    r"(?<![\w.%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}"
    r"[A-Za-z]{2,24}(?![A-Za-z0-9@-])"
)
_NOBODYS = re.compile(r"git@|.*[@.](?:example\.(?:com|org|net)|example|invalid|test|localhost)$", re.IGNORECASE)

# What may not stand before a number is looked for after its first digit, which is what the search then skips to.
_IP = re.compile(
    r"[0-9](?<![\w.][0-9])[0-9]{0,2}\.(?:[0-9]{1,3}\.){2}[0-9]{1,3}(?!\w|-[A-Za-z]|\.[0-9])"
    r"|[23](?<![\w:.][23])[0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){3,7}(?![\w:])"  # 2000::/3, all that is public
)
_A_VERSION = re.compile(
    r"(?:\b(?:versions?|ver|v|releases?|revision|rev|build|sections?|sec|chapter|oid)\b\.?:?\s*|\bv"
    r"|[<>=~!]=\s*|[~^§]\s*|\b[^\W\d]\w*-|[^\s/:]/)$",
    re.IGNORECASE,
)
_BEFORE = 24  # characters looked at for such a word

_PHONE = re.compile(
    r"[+(0-9](?<![\w+.-][+(0-9])(?<!<phone>[+(0-9])(?:(?<=\+)[0-9][0-9 ().\-/]{6,22}[0-9]"
    r"|(?:(?<=\()[0-9]{3}\) ?|(?<=[0-9])[0-9]{2}[-. ])[0-9]{3}[-. ][0-9]{4})(?!\w|[-.][0-9])"
)
_DECIMAL = re.compile(r"\+[0-9]+\.[0-9]+")
_CARD = re.compile(
    r"[2-6](?<![\w.+-][2-6])(?:[0-9]{12,18}"
    r"|[0-9]{3}([ -])(?:[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?|[0-9]{6}\1[0-9]{4,5}))(?![\w-]|\.[0-9])"
)
_CARD_BEGINS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|62\d{14,17}"
)
_IBAN = re.compile(
    r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z][0-9]{2}"
    r"(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?![A-Za-z0-9])"
)
# the SWIFT registry's countries by the length of their numbers
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM TL SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
        32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def scrub(text: str, kinds: Iterable[Kind] = KINDS) -> tuple[str, dict[Kind, int]]:
    """The text with placeholders, and how many of each kind were put in (kinds without any are left out).

    What it returns holds nothing more that it would replace: scrubbing twice is scrubbing once.
    """
    wanted = [kind for kind in _SCRUBBERS if kind in frozenset(kinds)]
    counts: Counter[Kind] = Counter()
    before = -1
    while counts.total() > before:  # what stood beside a replaced number may be seen to be one only now
        before = counts.total()
        for kind in wanted:
            possible, pattern, place = _SCRUBBERS[kind]
            if possible(text):
                text, count = _replace(text, pattern, place, f"<{kind}>")
                counts[kind] += count
    return text, {kind: counts[kind] for kind in KINDS if counts[kind]}


Span = tuple[int, int]


def _replace(
    text: str, pattern: re.Pattern[str], place: Callable[[re.Match[str]], Span | None], placeholder: str
) -> tuple[str, int]:
    pieces: list[str] = []
    end = 0
    for found in pattern.finditer(text):
        if span := place(found):
            pieces += [text[end : span[0]], placeholder]
            end = span[1]
    return "".join([*pieces, text[end:]]), len(pieces) // 2


def _email(found: re.Match[str]) -> Span | None:
    return None if _NOBODYS.match(found[0]) else found.span()


def _ip(found: re.Match[str]) -> Span | None:
    try:
        if ":" in found[0]:
            return found.span() if IPv6Address(found[0]).is_global else None
        address = IPv4Address(found[0])
    except AddressValueError:
        return None
    before = found.string[max(0, found.start() - _BEFORE) : found.start()]
    public = address.is_global and not address.is_multicast
    return found.span() if public and not _A_VERSION.search(before) else None


def _phone(found: re.Match[str]) -> Span | None:
    from phonenumbers import PhoneNumberMatcher

    number = None if _DECIMAL.fullmatch(found[0]) else next(iter(PhoneNumberMatcher(found[0], "US")), None)
    return (found.start() + number.start, found.start() + number.end) if number else None


def _iban(found: re.Match[str]) -> Span | None:
    number = found[0].replace(" ", "")
    fits = _IBAN_LENGTHS.get(number[:2]) == len(number)
    return found.span() if fits and int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1 else None


def _card(found: re.Match[str]) -> Span | None:
    number = re.sub(r"\D", "", found[0])
    return found.span() if _CARD_BEGINS.fullmatch(number) and luhn(number) else None


def luhn(number: str) -> bool:
    """Whether the last digit is the checksum of the others (ISO/IEC 7812-1, annex B)."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2]]
    return (sum(doubled) + sum(map(int, number[-1::-2]))) % 10 == 0


def _always(_: str) -> bool:
    return True


def _has_at(text: str) -> bool:
    return "@" in text


# numbers with a checksum before those without
_SCRUBBERS: dict[Kind, tuple[Callable[[str], bool], re.Pattern[str], Callable[[re.Match[str]], Span | None]]] = {
    "email": (_has_at, _EMAIL, _email),
    "iban": (_always, _IBAN, _iban),
    "card": (_always, _CARD, _card),
    "ip": (_always, _IP, _ip),
    "phone": (_always, _PHONE, _phone),
}
