"""Traces as a page: all that was asked, replied and done for some answers, in one file that needs nothing else."""

import json
from collections.abc import Sequence
from html import escape
from importlib import resources

from cygnet.errors import UserError
from cygnet.lm.base import Prompt, Usage
from cygnet.techniques.base import Answer, Step

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title} – cygnet trace</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<p class="note">Trace</p>
<h1>{title}</h1>
<p class="verdict">{total}</p>
{answers}
</main>
</body>
</html>
"""
_LONGEST = 110  # characters of a step's text beside its name


def to_html(answers: Sequence[Answer], questions: Sequence[str] = (), title: str = "Answers") -> str:
    """A page with a section for every answer and a fold for every step in its trace, with what each took.

    questions: what was asked, as headings, one for each answer; may be left out. All text is escaped, and the page
    loads and runs nothing. Of a prompt that begins like the one before, only what is new is shown open.

    Raises UserError when there are questions, but not one for each answer.
    """
    if questions and len(questions) != len(answers):
        raise UserError(f"{len(questions)} questions can't be the headings of {len(answers)} answers.")
    headings = questions or [f"Answer {number}" for number in range(1, len(answers) + 1)]
    sections = [_section(*pair) for pair in zip(headings, answers, strict=True)]
    usage = sum((answer.usage for answer in answers), Usage())
    count = "1 answer" if len(answers) == 1 else f"{len(answers)} answers"
    page = _PAGE.format(
        title=_text(title),
        style=(resources.files("cygnet.techniques") / "trace.css").read_text(encoding="utf-8"),
        total=f"{count}: {_taken(usage)}",
        answers="\n".join(sections),
    )
    return page.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair can't be written to a file


def _section(heading: str, answer: Answer) -> str:
    value = "no answer" if answer.value is None else str(answer.value)
    note = f'<p class="note">{_text(answer.note)}</p>' if answer.note else ""
    steps, before = [], list[str]()
    for number, step in enumerate(answer.trace, 1):
        parts = _parts(step.prompt)
        steps.append(_fold(number, step, parts, _shared(before, parts)))
        before = parts or before
    return (
        f'<section><h2>{_text(heading)}</h2><pre class="{"value" if answer.value is not None else "value none"}">'
        f'{_text(value)}</pre>{note}<p class="note">{_taken(answer.usage)}</p>\n{"".join(steps)}</section>'
    )


def _fold(number: int, step: Step, parts: Sequence[str], shared: int) -> str:
    known, new = "".join(parts[:shared]), "".join(parts[shared:]).rstrip()
    read = f"<details><summary>as before: {len(known):,} characters</summary>{_pre(known)}</details>" if known else ""
    asked = f'<div class="prompt">{read}{_pre(new) if new else ""}</div>' if parts else ""
    told = "".join(f'<pre class="reply">{_text(text)}</pre>' for text in step.texts)
    took = _taken(step.usage) if step.usage != Usage() else ""
    return (
        f'<details class="step"><summary><span>{number}</span> <b>{_text(step.name)}</b> '
        f'<span class="gist">{_text(_gist(step))}</span><span class="took">{took}</span></summary>'
        f"{asked}{told}</details>\n"
    )


def _parts(prompt: Prompt) -> list[str]:
    """A prompt in pieces: a conversation's messages, a text's lines."""
    if isinstance(prompt, str):
        return prompt.splitlines(keepends=True)
    return [f"{message.get('role')}: {_content(message)}\n\n" for message in prompt]


def _content(message: dict[str, object]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) and content else json.dumps(message, ensure_ascii=False, default=str)


def _shared(before: Sequence[str], parts: Sequence[str]) -> int:
    """With how many of the same pieces two prompts begin."""
    return next(
        (i for i, pair in enumerate(zip(before, parts, strict=False)) if pair[0] != pair[1]),
        min(len(before), len(parts)),
    )


def _gist(step: Step) -> str:
    words = " ".join(" ".join(step.texts).split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …"


def _taken(usage: Usage) -> str:
    """What something took, in words; money only where there was any."""
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    tokens = f"{usage.prompt_tokens:,}{cached} tokens read, {usage.completion_tokens:,} written"
    cost = f" · {usage.cost:.4g} paid" if usage.cost else ""
    return f"{tokens} · {usage.seconds:.2f} s{cost}"


def _pre(text: str) -> str:
    return f"<pre>{_text(text)}</pre>"


def _text(text: str) -> str:
    return escape(text, quote=True)
