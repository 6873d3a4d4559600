"""Answers of the SFT model to the same prompts, ranked: what a reward model learns from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cygnet.corpus.tasks import Exercise
from cygnet.files import read_jsonl, write_aside, write_jsonl
from cygnet.generation import Engine, Sampling
from cygnet.model.folder import load_language_model
from cygnet.stages.config import ComparisonConfig
from cygnet.tokens.chat import render_prompt, response_text
from cygnet.training.loop import prepare_machine
from cygnet.training.work import Work

# (exercise, [(response, finished)]) → ranks from 1 (best), and the scores behind them
Ranker = Callable[[Exercise, Sequence[tuple[str, bool]]], tuple[list[int], list[float]]]


def build_comparisons(
    sft: Path, prompts: Path, out: Path, config: ComparisonConfig, ranker: Ranker, work: Work
) -> dict[str, Any]:
    """Sample K answers to each prompt at temperature 1, have them ranked, and write train.jsonl and heldout.jsonl.

    `prompts` is the folder that `build_conversations` wrote. Prompts whose answers all tie are kept: they say so.
    """
    prepare_machine(work.threads)
    with write_aside(out) as temporary:
        counts = {}
        for split, source, size in (
            ("train", "train_prompts", config.prompts),
            ("heldout", "validation_prompts", config.heldout),
        ):
            rows = read_jsonl(prompts / f"{source}.jsonl")[:size]
            compared = compare(sft, rows, config, ranker, work.seed)
            write_jsonl(temporary / f"{split}.jsonl", compared)
            counts[split] = sum(_pairs(row["ranks"]) for row in compared)
    return {"comparisons": counts["train"], "heldout_comparisons": counts["heldout"]}


def compare(
    sft: Path, rows: list[dict[str, Any]], config: ComparisonConfig, ranker: Ranker, seed: int
) -> list[dict[str, Any]]:
    """Rows with K ranked answers each: prompt, responses, tokens, finished, ranks (1 is best), scores, exercise."""
    model, tokenizer = load_language_model(sft)
    sampling = Sampling(temperature=1.0, max_new_tokens=config.max_new_tokens, seed=seed)
    ids = [render_prompt(row["prompt"], tokenizer) for row in rows]
    compared = []
    for row, completions in zip(rows, Engine(model, tokenizer).generate(ids, sampling, config.answers), strict=True):
        responses = [response_text(completion.tokens, tokenizer) for completion in completions]
        finished = [completion.finish_reason == "stop" for completion in completions]
        ranks, scores = ranker(Exercise.from_json(row["exercise"]), list(zip(responses, finished, strict=True)))
        tokens = [completion.tokens for completion in completions]
        compared.append(
            {**row, "responses": responses, "tokens": tokens, "finished": finished, "ranks": ranks, "scores": scores}
        )
    return compared


def _pairs(ranks: Sequence[int]) -> int:
    """Comparisons that K ranks stand for, ties left out."""
    return sum(a < b for a in ranks for b in ranks)
