"""One stage by itself, on any input: a short run whose working files lie beside what it makes, in `<out>.work/`.

`restart` lets an interrupted stage begin again if what it is made of has changed, which is refused otherwise.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.files import check_name
from cygnet.lock import locked
from cygnet.model.kind import LANGUAGE, SCALAR, check_kind
from cygnet.model.no_gguf import refuse_gguf
from cygnet.recipe.lineage import Lineage
from cygnet.recipe.machine import cores_each
from cygnet.recipe.runner import run_steps
from cygnet.recipe.schema import AdaptSettings, Recipe
from cygnet.recipe.splitting import naming_rows_of, split_step
from cygnet.recipe.step import Step
from cygnet.recipe.steps import (
    adapt_step,
    corpus_step,
    pages_step,
    pretrain_step,
    reward_step,
    rl_step,
    sft_step,
    tokenizer_step,
    tokens_step,
)
from cygnet.stages.config import AdaptConfig
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.work import Work
from cygnet.training.world import joined


def pretrain_alone(
    texts: Path, tokenizer: Path | None, out: Path, recipe: Recipe, restart: bool = False
) -> dict[str, Any]:
    """Train a base model from nothing on a folder of text files, with a tokenizer of its own unless one is given."""
    out, work = _places(out, texts, *([tokenizer] if tokenizer else []))
    if tokenizer is not None:
        refuse_gguf(tokenizer)
        Tokenizer.load(tokenizer)
        tokenizer = tokenizer.resolve()
        if "tokenizer" in recipe.model_fields_set:
            raise UserError("--tokenizer names one that is made already: leave out tokenizer.vocab_size, or that.")
    corpus = recipe.corpus.model_copy(update={"sources": (), "text_folder": str(texts.resolve())})
    mixture = recipe.tokens.model_copy(update={"proportions": {"own": 1.0}})
    pages = pages_step(corpus, {}, work / "pages")
    assert pages is not None
    steps = [pages, corpus_step(corpus, work / "pages", work / "corpus")]
    if tokenizer is None:
        tokenizer = work / "tokenizer"
        steps.append(tokenizer_step(recipe.tokenizer, mixture, work / "corpus", tokenizer))
    steps.append(tokens_step(mixture, work / "corpus", tokenizer, work / "tokens"))
    steps.append(pretrain_step(recipe.pretrain, work / "tokens", tokenizer, out))
    return _run(steps, work, recipe, restart)


def sft_alone(base: Path, conversations: Path, out: Path, recipe: Recipe, restart: bool = False) -> dict[str, Any]:
    """Fine-tune a model on JSON Lines of {"messages": [...]}, or a folder of train.jsonl and validation.jsonl."""
    out, work = _places(out, base, conversations)
    steps, folder = split_step(conversations, ["messages"], work / "conversations", "validation.jsonl")
    with naming_rows_of(conversations, folder):
        return _run([*steps, sft_step(recipe.sft, _model(base, LANGUAGE), folder, out)], work, recipe, restart)


def adapt_alone(
    base: Path, examples: Path, out: Path, settings: AdaptSettings, restart: bool = False
) -> dict[str, Any]:
    """Train an adapter for a model on rows of {"messages"} or {"prompt", "completion"}, or a folder of such files."""
    out, work = _places(out, base, examples)
    steps, folder = split_step(examples, [], work / "examples", "validation.jsonl")
    config = AdaptConfig(**settings.model_dump(exclude={"seed", "threads", "training"}))
    with naming_rows_of(examples, folder):
        return _run([*steps, adapt_step(config, _model(base, LANGUAGE), folder, out)], work, settings, restart)


def reward_alone(sft: Path, comparisons: Path, out: Path, recipe: Recipe, restart: bool = False) -> dict[str, Any]:
    """Train a reward model on {"prompt", "responses", "ranks"} rows, or a folder of train.jsonl and heldout.jsonl."""
    out, work = _places(out, sft, comparisons)
    steps, folder = split_step(comparisons, ["prompt", "responses", "ranks"], work / "comparisons", "heldout.jsonl")
    with naming_rows_of(comparisons, folder):
        return _run([*steps, reward_step(recipe.reward, _model(sft, LANGUAGE), folder, out)], work, recipe, restart)


def rl_alone(
    sft: Path, reward: Path, prompts: Path, out: Path, recipe: Recipe, restart: bool = False
) -> dict[str, Any]:
    """Tune a model against a reward model on rows of {"prompt"}, or a folder of train.jsonl and heldout.jsonl."""
    out, work = _places(out, sft, reward, prompts)
    steps, folder = split_step(prompts, ["prompt"], work / "prompts", "heldout.jsonl")
    train, heldout = folder / "train.jsonl", folder / "heldout.jsonl"
    with naming_rows_of(prompts, folder):
        step = rl_step(recipe.rl, _model(sft, LANGUAGE), _model(reward, SCALAR), train, heldout, out)
        return _run([*steps, step], work, recipe, restart)


def rank_alone(
    prompts: Path, models: Mapping[str, Path], reward: Path | None, out: Path, recipe: Recipe
) -> dict[str, Any]:
    """Rank language models on rows of {"prompt"}; returns rating and interval of each. See `contest.rank_any`."""
    inputs = [prompts, *models.values(), *([_model(reward, SCALAR)] if reward else [])]
    out, work = _places(out, *inputs)
    for model in models.values():
        if model.is_dir():
            check_kind(model, LANGUAGE)

    def action(work: Work) -> dict[str, Any]:
        from cygnet.recipe.contest import rank_any

        return rank_any(models, prompts, reward, out, recipe.rank, work)

    roles = {"players": {name: str(path.resolve()) for name, path in models.items()}, "judge": str(reward or "rubric")}
    config = {**recipe.rank.model_dump(mode="json"), **roles}
    return _run([Step("rank", tuple(path.resolve() for path in inputs), (out,), config, action)], work, recipe)


def _run(steps: Sequence[Step], work: Path, settings: Recipe | AdaptSettings, restart: bool = False) -> dict[str, Any]:
    """Carry the steps out and return the last one's metrics."""
    training = settings.training
    with joined(training.device) as world, locked(work) if world.first else nullcontext():
        lineage = run_steps(
            steps,
            work,
            title=steps[-1].name,
            seed=settings.seed,
            threads=settings.threads or cores_each(),
            training=training,
            world=world,
            restart=restart,
        )
    return lineage.records[steps[-1].name].metrics


def _model(folder: Path, kind: str) -> Path:
    """Where a model of this kind lies. Raises UserError for anything else before anything is done."""
    check_kind(folder, kind)
    return folder.resolve()


def _places(out: Path, *inputs: Path) -> tuple[Path, Path]:
    """The output and its working folder as absolute paths.

    Raises UserError when something of the user's is there: an output is only replaced if it is as an earlier command
    made it, by the lineage in the working folder.
    """
    out = out.resolve()
    work = out.with_name(f"{out.name}.work")
    for path in inputs:
        check_name(path)
        if path.resolve().is_relative_to(out):
            raise UserError(f"--out {out} would replace the input {path}. Choose another folder.")
        if out.is_relative_to(path.resolve()):
            raise UserError(f"--out {out} lies in the input {path}, which it would change. Choose a folder beside it.")
    for folder in (out, work):
        if folder.is_file():
            raise UserError(f"--out {out}: {folder} is a file. Choose another folder.")
    if _filled(work) and not any((work / name).exists() for name in (".lock", "lineage.json")):
        raise UserError(f"--out {out}: its working files would go to {work}, which holds other files. Choose another.")
    if _filled(out) and not Lineage(work, "").made(out):
        raise UserError(
            f"--out {out} holds files that cygnet did not make there, or that were changed since. "
            "Choose another folder, or move them away."
        )
    return out, work


def _filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
