"""The whole recipe as steps, each fed by the ones before it."""

from pathlib import Path

from cygnet.recipe.schema import Recipe
from cygnet.recipe.step import Step
from cygnet.recipe.steps import (
    comparisons_step,
    conversations_step,
    corpus_step,
    pages_step,
    pretrain_step,
    rank_step,
    report_step,
    reward_step,
    rl_step,
    sft_step,
    tokenizer_step,
    tokens_step,
)


def recipe_steps(recipe: Recipe, run: Path) -> list[Step]:
    """conversations → pages → corpus → tokenizer → tokens → pretrain → sft → comparisons → reward → rl → rank → report.

    Conversations come first because nothing that is asked there for evaluation may be among the pages.
    """
    corpus, tokenizer, tokens, conversations = (
        run / name for name in ("corpus", "tokenizer", "tokens", "conversations")
    )
    base, sft, reward, rl = (run / name for name in ("base", "sft", "reward", "rl"))
    comparisons = run / "comparisons"
    prompts, heldout = conversations / "train_prompts.jsonl", conversations / "validation_prompts.jsonl"
    asked = {"validation": heldout, "test": conversations / "test_prompts.jsonl"}
    pages = pages_step(recipe.corpus, asked, run / "pages")
    steps = [
        conversations_step(recipe.conversations, conversations),
        *([pages] if pages else []),
        corpus_step(recipe.corpus, run / "pages" if pages else None, corpus),
        tokenizer_step(recipe.tokenizer, recipe.tokens, corpus, tokenizer),
        tokens_step(recipe.tokens, corpus, tokenizer, tokens),
        pretrain_step(recipe.pretrain, tokens, tokenizer, base),
        sft_step(recipe.sft, base, conversations, sft),
        comparisons_step(recipe.comparisons, sft, conversations, comparisons),
        reward_step(recipe.reward, sft, comparisons, reward),
        rl_step(recipe.rl, sft, reward, prompts, heldout, rl),
        rank_step(recipe.rank, base, sft, reward, rl, conversations / "test_prompts.jsonl", run / "arena"),
    ]
    return [*steps, report_step(run, tuple(path for step in steps for path in step.outputs))]
