"""Every rung: what exactly was asked, how, and where it failed."""

from cygnet.lab.climb import Climb, LeftOut
from cygnet.lab.measure import Graded, Measured
from cygnet.lab.setting import to_code
from cygnet.lm.base import Prompt
from cygnet.page.formats import percent
from cygnet.page.markup import Html, Section, folded, html, join
from cygnet.techniques.base import Step

_FAILURES = 3
_LONGEST = 4_000  # characters of one text on the page


def section(outcome: Climb) -> Section:
    """One box to open for each."""
    boxes = [
        folded(f"{number}. {rung.rung}: {percent(rung.accuracy, 1)}", _body(rung))
        for number, rung in enumerate(outcome.rungs, 1)
        if not isinstance(rung, LeftOut)
    ]
    return Section("rungs", "Every rung", join(boxes))


def _body(rung: Measured) -> Html:
    return join(
        [
            html("<h4>The setting</h4><pre>{code}</pre>", code=to_code(rung.technique)),
            html("<h4>All that was asked about the first item</h4>{steps}", steps=_trace(rung.graded[0])),
            _failures(rung),
        ]
    )


def _trace(graded: Graded) -> Html:
    steps = graded.answer.trace
    note = html('<p class="note">{note}</p>', note=graded.answer.note) if graded.answer.note else Html()
    return join([*map(_step, _without_repeats(steps)), note])


def _without_repeats(steps: tuple[Step, ...]) -> list[Step]:
    """Steps that asked the same, such as the samples of a vote, as one."""
    merged: list[Step] = []
    for step in steps:
        if merged and step.prompt and (merged[-1].name, merged[-1].prompt) == (step.name, step.prompt):
            last = merged.pop()
            merged.append(Step(last.name, last.prompt, (*last.texts, *step.texts)))
        else:
            merged.append(step)
    return merged


def _step(step: Step) -> Html:
    prompt = html('<pre class="prompt">{text}</pre>', text=_cut(_as_text(step.prompt))) if step.prompt else Html()
    replies = join(html("<pre>{text}</pre>", text=_cut(text) or "(nothing)") for text in step.texts)
    return html("<p class='note'>{name}</p>{prompt}{replies}", name=step.name, prompt=prompt, replies=replies)


def _failures(rung: Measured) -> Html:
    failed = [graded for graded in rung.graded if graded.wrong is not None]
    if not failed:
        return html("<h4>It failed nowhere</h4>")
    shown = join(map(_failure, failed[:_FAILURES]))
    return html("<h4>{count} failures, such as</h4>{shown}", count=len(failed), shown=shown)


def _failure(graded: Graded) -> Html:
    return html(
        '<div class="card"><pre class="prompt">{question}</pre><pre>{text}</pre><p class="note">{wrong}</p></div>',
        question=_cut(graded.item.question),
        text=_cut(graded.answer.text) or "(nothing)",
        wrong=graded.wrong or "",
    )


def _as_text(prompt: Prompt) -> str:
    if isinstance(prompt, str):
        return prompt
    return "\n".join(f"[{message['role']}] {message['content']}" for message in prompt)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - _LONGEST:,} characters more)"
