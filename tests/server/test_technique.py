"""`cygnet serve --technique`: what the real client gets is the technique's answer."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from cygnet.lab import load_technique
from cygnet.model.folder import save_model
from cygnet.techniques import Technique
from cygnet.techniques.as_model import TechniqueModel

SETTING = """\
[technique]
is = "Vote"
k = 3
first = 3

[technique.inner]
is = "Plain"
template = "Say it in a word: {question}"

[technique.inner.sampling]
is = "Sampling"
max_new_tokens = 8
"""
ASKED = {
    "model": "votes",
    "messages": [{"role": "user", "content": "What swims?"}, {"role": "user", "content": "What flies?"}],
    "seed": 5,
}


@pytest.fixture
def folder(build, tokenizer, tmp_path: Path) -> Path:
    """A model's folder, with a setting of the lab's beside it."""
    save_model(tmp_path / "rl", build(), tokenizer)
    (tmp_path / "best.toml").write_text(SETTING)
    return tmp_path


@pytest.fixture
def technique(folder: Path) -> Technique:
    import cygnet

    return load_technique(folder / "best.toml", cygnet.load(folder / "rl"))


@pytest.fixture
def client(serve, technique: Technique) -> Iterator[openai.OpenAI]:
    with (
        serve(TechniqueModel(technique, "votes")) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


def test_a_chat_is_the_techniques_answer_and_counts_all_it_took(client: openai.OpenAI, technique: Technique) -> None:
    wanted = technique("What flies?", 5)
    found = client.chat.completions.create(**ASKED, temperature=0.1, logprobs=True)
    assert found.choices[0].message.content == (wanted.text if wanted.value is None else wanted.value)
    assert (found.choices[0].finish_reason, found.choices[0].logprobs) == ("stop", None)
    assert found.usage.total_tokens == wanted.usage.tokens
    assert wanted.usage.completion_tokens > len(wanted.trace[-1].texts)
    assert "Say it in a word" not in found.model_dump_json()


def test_a_stream_brings_it_in_one_piece(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**ASKED)
    chunks = list(client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content for chunk in chunks[:-1] if chunk.choices[0].delta.content]
    assert pieces == [whole.choices[0].message.content]
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


def test_what_a_technique_can_not_keep_to_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="stop is not supported here: a technique"):
        client.chat.completions.create(**ASKED, stop=["."])
    with pytest.raises(openai.BadRequestError, match="the last message must be theirs"):
        client.chat.completions.create(model="votes", messages=[{"role": "assistant", "content": "Hello."}])


def test_the_command_serves_it(folder: Path) -> None:
    arguments = [str(folder / "rl"), "--technique", str(folder / "best.toml"), "--port", "0", "--name", "votes"]
    command = [sys.executable, "-m", "cygnet", "serve", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://[\d.:]+", process.stdout.readline())[0]
        with openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client:
            usage = client.chat.completions.create(**ASKED).usage
        assert usage.completion_tokens > 8, "three samples were drawn"
    finally:
        process.terminate()
        process.communicate()


def test_a_file_that_is_no_setting_is_told(folder: Path) -> None:
    command = [sys.executable, "-m", "cygnet", "serve", str(folder / "rl"), "--technique", str(folder / "other.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "other.toml does not exist" in done.stderr
    assert "Traceback" not in done.stderr
