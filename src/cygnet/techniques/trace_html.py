"""Traces as a page: all that was asked, replied and done for some answers, in one file that needs nothing else."""

import json
from collections.abc import Sequence

from cygnet.errors import UserError
from cygnet.lm.base import Prompt, Usage
from cygnet.page.frame import frame
from cygnet.page.markup import Html, Section, folded, html, join
from cygnet.techniques.base import Answer, Step

_LONGEST = 110  # characters of a step's text beside its name


def to_html(answers: Sequence[Answer], questions: Sequence[str] = (), title: str = "Answers") -> str:
    """A page with a section for every answer and a fold for every step in its trace, with what each took.

    questions: what was asked, as headings, one for each answer; may be left out. All text is escaped. Of a prompt that
    begins like the one before, only what is new is shown open.

    Raises UserError when there are questions, but not one for each answer.
    """
    if questions and len(questions) != len(answers):
        raise UserError(f"{len(questions)} questions can't be the headings of {len(answers)} answers.")
    headings = questions or [f"Answer {number}" for number in range(1, len(answers) + 1)]
    sections = [
        Section(f"answer-{number}", heading, _answer(answer))
        for number, (heading, answer) in enumerate(zip(headings, answers, strict=True), 1)
    ]
    usage = sum((answer.usage for answer in answers), Usage())
    count = "1 answer" if len(answers) == 1 else f"{len(answers)} answers"
    total = html('<p class="verdict">{count}: {taken}</p>', count=count, taken=_taken(usage))
    page = frame("trace", title, total, sections)
    return page.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair can't be written to a file


def _answer(answer: Answer) -> Html:
    value = _pre("prompt", str(answer.value)) if answer.value is not None else html('<p class="absent">no answer</p>')
    notes = [html('<p class="note">{text}</p>', text=text) for text in (answer.note, _taken(answer.usage)) if text]
    steps, before = list[Html](), list[str]()
    for number, step in enumerate(answer.trace, 1):
        parts = _parts(step.prompt)
        steps.append(_step(number, step, parts, _shared(before, parts)))
        before = parts or before
    return join([value, *notes, *steps])


def _step(number: int, step: Step, parts: Sequence[str], shared: int) -> Html:
    known, new = "".join(parts[:shared]), "".join(parts[shared:]).rstrip()
    body = [folded(f"as before: {len(known):,} characters", _pre("", known))] if known else []
    body += [_pre("prompt", new)] if new else []
    body += [_pre("reply", text) for text in step.texts]
    return html(
        '<details class="step">'
        "<summary><span>{number}</span><b>{name}</b><span>{gist}</span><span>{took}</span></summary>"
        "<div>{body}</div></details>",
        number=number,
        name=step.name,
        gist=_gist(step),
        took=_taken(step.usage) if step.usage != Usage() else "",
        body=join(body),
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
    pairs = enumerate(zip(before, parts, strict=False))
    return next((i for i, (old, new) in pairs if old != new), min(len(before), len(parts)))


def _gist(step: Step) -> str:
    words = " ".join(" ".join(step.texts).split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …"


def _taken(usage: Usage) -> str:
    """What something took, in words; money only where there was any."""
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    tokens = f"{usage.prompt_tokens:,}{cached} tokens read, {usage.completion_tokens:,} written"
    cost = f" · {usage.cost:.4g} paid" if usage.cost else ""
    return f"{tokens} · {usage.seconds:.2f} s{cost}"


def _pre(kind: str, text: str) -> Html:
    return html('<pre class="{kind}">{text}</pre>', kind=kind, text=text)
