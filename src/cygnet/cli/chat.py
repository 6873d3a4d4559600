"""`cygnet chat`."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cygnet.generation import Sampling
    from cygnet.generation.conversation import Conversation
    from cygnet.lm import LanguageModel
    from cygnet.lm.talk import Talk


def chat(model: str, /, *settings: str, prompt: str | None = None, system: str | None = None) -> None:
    """Talk to a model. Ctrl-C stops a reply; an empty line or Ctrl-D ends the conversation.

    Parameters
    ----------
    model:
        A model folder, a .gguf file, "smollm2", or an endpoint such as http://host:8000/v1#model.
    settings:
        KEY=VALUE: temperature, top_k, top_p, max_new_tokens, seed.
    prompt:
        Ask this one thing, print the answer and end.
    system:
        What the model is told before the conversation.
    """
    from cygnet.recipe.load import chat_settings

    config = chat_settings(settings)

    from cygnet.errors import ContextError, UserError
    from cygnet.generation import Sampling
    from cygnet.lm import load
    from cygnet.terminal import printable

    conversation = _conversation(load(model), Sampling(**config.model_dump()), system)
    for text in _typed() if prompt is None else [prompt]:
        try:
            for piece in conversation.reply(text):
                print(printable(piece, keep="\n\t"), end="", flush=True)
            print()
        except UserError as error:
            if prompt is not None:
                raise
            if isinstance(error, ContextError):
                conversation.start_over()
                print(printable(f"({error} It starts over.)"))
            else:
                print(printable(f"({error} What was said before is remembered: say it again.)"))
        except KeyboardInterrupt:  # enough of this reply, not of the conversation
            if prompt is not None:
                raise
            print()


def _conversation(model: "LanguageModel", sampling: "Sampling", system: str | None) -> "Conversation | Talk":
    """Token for token with a model of ours, its tool calls included; in words with any other."""
    from cygnet.generation import Engine
    from cygnet.generation.conversation import Conversation
    from cygnet.lm import LocalModel
    from cygnet.lm.talk import Talk

    if isinstance(model, LocalModel) and model.tokenizer.is_own:
        return Conversation(Engine(model.model, model.tokenizer), sampling, system)
    return Talk(model, sampling, system)


def _typed() -> Iterator[str]:
    """Lines from the keyboard or a pipe, up to the first empty one."""
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if not line:
            return
        yield line
