"""General-purpose compression as the yardstick for bits per byte."""

import lzma

from cygnet.errors import UserError


def xz_bits_per_byte(text: bytes) -> float:
    """Bits a byte that `xz -9e` needs for `text`: 8 * compressed length / length, container included.

    A language model that needs fewer bits for the same held-out bytes has learned something that is not merely
    repetition inside that text. xz reads the whole text at once and needs no training, so it is the weaker side on
    short texts: compare on the complete held-out split.

    Raises:
        UserError: `text` is empty.
    """
    if not text:
        raise UserError("There is no held-out text to compress.")
    return 8 * len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)) / len(text)
