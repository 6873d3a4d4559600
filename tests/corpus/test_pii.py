"""Personal data goes, what only looks like it stays, and a second pass finds nothing."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cygnet.corpus.pii import KINDS, luhn, scrub

GONE = {
    "email": [
        "jane.doe+news@mail.example-shop.co.uk",
        "<j@x.io>",
        "mailto:a_b@c-d.museum?subject=x",
        "See bob@web.de.",
        "(x%y@host.fr)",
    ],
    "ip": [
        "8.8.8.8",
        "http://93.184.216.34/index.html",
        "from [24.201.139.93]:25",
        "80.80.80.80.",
        "2001:4860:4860::8888",
        "[2606:4700:4700::1111]:443",
        "2a00:1450:4001:0831:0000:0000:0000:200e",
    ],
    "phone": ["+49 30 901820", "Call (212) 736-5000 now", "212-736-5000", "tel:+31-641044153", "+1 (212) 736-5000,"],
    # checked with python-stdnum 2.2
    "iban": [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "FR1420041010050500013M02606",
        "NO93 8601 1117 947",
        "MT84MALT011000012345MTLCAST001S",
        "IBAN:CH9300762011623852957;",
    ],
    "card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5555-5555-5555-4444",
        "3782 822463 10005",
        "30569309025904",
        "6011111111111117",
        "3530111333300000",
        "2223003122003222.",
        "4222222222222",
    ],
}
KEPT = [
    "jane@example.com and root@localhost.test and a@sub.example.org",
    "git@github.com:python/cpython.git",
    "@property\ndef f(self): return a@b.T",
    "user@host",
    "127.0.0.1 10.1.2.3 192.168.0.1 172.16.9.9 192.0.2.7 203.0.113.9 224.0.0.1 255.255.255.255 0.0.0.0",
    "version 1.2.3.4, v1.2.3.4, release: 2.7.2.2, x==1.2.3.4, y >= 1.2.3.4, Chrome/120.0.0.1, lib-1.2.3.4, § 8.2.4.4",
    "1.3.6.1.4.1.311 and 1.2.3 and 1.2.3.4.5 and 1.2.3.4-beta and 999.1.1.1",
    "fe80::1 ::1 2001:db8:1:2::3 std::vector x[2000::3] 12:30:45 10:20:30:40 dead::beef 2026:11:23",
    "123-456-7890 and 2026-11-23 and 1.234.5678 and Decimal('+35236450.6') and 5 + 3000000000",
    "DE89370400440532013001 DE8937040044053201300 US12345678901234567890 AB12CDEF34567890123",
    "DE543704004405320130001 has a right checksum and a digit too many; ZZ22370400440532013000 a country that is none",
    "4111111111111112 1234567890123456 0.4111111111111111 4111111111111111.5 x4111111111111111 4503599627370496",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in GONE.items() for text in texts])
def test_what_is_personal_is_replaced_by_its_kind(kind: str, text: str) -> None:
    scrubbed, counts = scrub(f"Before {text} after")
    assert counts == {kind: 1}
    assert f"<{kind}>" in scrubbed
    assert not any(character.isdigit() for character in scrubbed.replace("]:25", "").replace("]:443", ""))
    assert "@" not in scrubbed


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert scrub(text) == (text, {})


def test_the_text_around_it_stays() -> None:
    text = "Write to a@b.de, b@c.fr\nor ring +49 30 901820 from 8.8.8.8/24."
    assert scrub(text) == (
        "Write to <email>, <email>\nor ring <phone> from <ip>/24.",
        {"email": 2, "ip": 1, "phone": 1},
    )


def test_only_the_kinds_asked_for_are_replaced() -> None:
    text = "a@b.de 8.8.8.8"
    assert scrub(text, ["ip"]) == ("a@b.de <ip>", {"ip": 1})
    assert scrub(text, []) == (text, {})


PIECES = [text for texts in GONE.values() for text in texts] + [
    "1.2.3.4",
    "::1",
    "+",
    "@",
    ".",
    "-",
    " ",
    "<ip>",
    "7",
    "x",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text("+-.:@/() 0123456789aAfF<>", max_size=6), max_size=8).map("".join))
@example("+49 30 901820 +49 30 901820")
@example("a@b.de@c.fr@d.com")
def test_scrubbing_twice_is_scrubbing_once(text: str) -> None:
    once, counts = scrub(text)
    assert scrub(once) == (once, {})
    assert sum(counts.values()) == sum(once.count(f"<{kind}>") - text.count(f"<{kind}>") for kind in KINDS)


@pytest.mark.parametrize("character", list("a1.@+(-: 4A"))
def test_long_runs_of_one_character_take_no_time(character: str) -> None:
    for text in (character * 200_000, f"{character}@" * 50_000, f"4{character}" * 50_000):
        assert len(scrub(text)[0]) > 0


def test_neighbors_are_all_seen_in_the_first_pass() -> None:
    # were each seen only when the one before it is gone, a long list would take a pass for every entry
    assert scrub("8.8.8.8-8.8.4.4-1.1.1.1") == ("<ip>-<ip>-<ip>", {"ip": 3})
    assert scrub("+49 30 901820+49 30 901820" * 3)[1] == {"phone": 1}


def test_the_checksum_of_cards_knows_every_wrong_digit_and_swap() -> None:
    number = "4539578763621486"
    assert luhn(number)
    for place in range(len(number)):
        for digit in "0123456789":
            assert luhn(number[:place] + digit + number[place + 1 :]) == (digit == number[place])


def test_a_wrong_digit_makes_no_iban() -> None:
    number = "DE89370400440532013000"
    for place in range(2, len(number)):
        other = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        assert scrub(other, ["iban"])[1] == {}
