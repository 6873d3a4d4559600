"""xz as a yardstick: near 8 bits for noise, near 0 for repetition, the command line tool's own number in between."""

import random
import shutil
import subprocess

import pytest

from cygnet.errors import UserError
from cygnet.evaluation.compression import xz_bits_per_byte

PROSE = b" ".join(b"line %d says %s" % (i, random.Random(i).randbytes(4).hex().encode()) for i in range(500))


def test_noise_costs_eight_bits_and_repetition_next_to_none():
    assert xz_bits_per_byte(random.Random(0).randbytes(100_000)) == pytest.approx(8, abs=0.02)
    assert xz_bits_per_byte(b"the same again. " * 10_000) < 0.02
    assert 1 < xz_bits_per_byte(PROSE) < 6


@pytest.mark.skipif(shutil.which("xz") is None, reason="the xz command is not installed")
def test_it_is_what_the_xz_command_needs():
    packed = subprocess.run(["xz", "-9e", "--stdout"], input=PROSE, capture_output=True, check=True).stdout  # noqa: S607
    assert xz_bits_per_byte(PROSE) == pytest.approx(8 * len(packed) / len(PROSE), abs=1e-3)


def test_nothing_is_refused():
    with pytest.raises(UserError, match="no held-out text"):
        xz_bits_per_byte(b"")
