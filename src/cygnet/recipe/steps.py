"""What each step of a run reads, makes and depends on. The work itself is done in the rooms below."""

import platform
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cygnet.corpus.config import CorpusConfig
from cygnet.corpus.holdout import SPLITS
from cygnet.recipe.schema import TokenizerConfig, TokensConfig
from cygnet.recipe.step import Step
from cygnet.stages.config import (
    AdaptConfig,
    ComparisonConfig,
    ConversationConfig,
    PretrainConfig,
    RankConfig,
    RewardConfig,
    RlConfig,
    SftConfig,
)
from cygnet.training.work import Work

_SPLIT_FILES = tuple(f"{split}.parquet" for split in SPLITS)


def pages_step(config: CorpusConfig, evaluation: Mapping[str, Path], out: Path) -> Step | None:
    """What there is to read, as `cygnet corpus build` takes it; None for a recipe that reads nothing.

    It depends on the installed Python's version too, which is one of the sources.
    """
    from cygnet.corpus.pages import build_pages, pages_recipe

    recipe = pages_recipe(config, evaluation)
    if recipe is None:
        return None

    def action(work: Work) -> dict[str, Any]:
        stats = build_pages(recipe, out, work.progress)
        return {key: stats[key] for key in ("read", "kept", "bytes")}

    named = [config.text_folder, config.quality.filter, *config.evaluation.values()]
    inputs = (*(Path(name) for name in named if name), *evaluation.values())
    outputs = tuple(out / name for name in (*_SPLIT_FILES, "stats.json", "documents"))
    # what this run asks is among the inputs: by its place here, a run that is moved would be another
    told = {**_json(recipe), "evaluation": config.evaluation, "python": platform.python_version()}
    return Step("pages", inputs, outputs, told, action)


def corpus_step(config: CorpusConfig, pages: Path | None, out: Path) -> Step:
    """Documents of three splits: pages, those of another corpus, and exercises."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.corpus.build import build_corpus

        stats = build_corpus(config, out, work.seed, pages)
        return {key: stats[key] for key in ("documents", "bytes")}

    corpora = [folder for folder in (pages, Path(config.built) if config.built else None) if folder]
    inputs = tuple(folder / name for folder in corpora for name in (*_SPLIT_FILES, "stats.json"))
    made = {"families", "drills", "task_documents", "heldout_task_documents", "sources", "built"}
    return Step("corpus", inputs, (out,), config.model_dump(mode="json", include=made), action)


def tokenizer_step(config: TokenizerConfig, mixture: TokensConfig, corpus: Path, out: Path) -> Step:
    """A tokenizer trained on the mixture that the model will read."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.corpus.tokenizer_texts import tokenizer_texts
        from cygnet.files import write_aside
        from cygnet.tokens.tokenizer import train_tokenizer

        sizes, mixed = array("q"), tokenizer_texts(corpus, mixture.proportions, work.seed)

        def texts() -> Iterator[str]:
            for text in mixed:
                sizes.append(len(text.encode()))
                yield text

        tokenizer = train_tokenizer(texts(), config.vocab_size)
        with write_aside(out) as folder:
            tokenizer.save(folder)
        return {"vocab_size": tokenizer.vocab_size, "trained_on_bytes": sum(sizes)}

    return Step("tokenizer", (corpus,), (out,), {**_json(config), "proportions": mixture.proportions}, action)


def tokens_step(config: TokensConfig, corpus: Path, tokenizer: Path, out: Path) -> Step:
    """The mixture as token shards."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.corpus.mixture import describe_table
        from cygnet.corpus.tokenize import build_tokens

        index = build_tokens(corpus, tokenizer, config.proportions, config.train_tokens, out, work.seed)
        if work.progress:
            print(*describe_table(index["mixture"]), sep="\n", flush=True)
        return {key: index[key] for key in ("tokens_by_source", "proportions", "epochs_by_source")}

    return Step("tokens", (corpus, tokenizer), (out,), _json(config), action)


def pretrain_step(config: PretrainConfig, tokens: Path, tokenizer: Path, out: Path) -> Step:
    """The base model."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.evaluation.compression import xz_bits_per_byte
        from cygnet.stages.pretrain import heldout_bytes, pretrain

        metrics = pretrain(tokens, tokenizer, out, config, work)
        if not work.world.first:
            return {}
        return {**metrics, "xz_bits_per_byte": xz_bits_per_byte(heldout_bytes(tokens, tokenizer))}

    return Step("pretrain", (tokens, tokenizer), (out,), _json(config), action, together=True)


def conversations_step(config: ConversationConfig, out: Path) -> Step:
    """Demonstrations, and the prompts of the steps after SFT."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.stages.conversations import build_conversations

        return build_conversations(config, out, work.seed)

    return Step("conversations", (), (out,), _json(config), action)


def sft_step(config: SftConfig, base: Path, conversations: Path, out: Path) -> Step:
    """The assistant as its demonstrations made it."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.stages.sft import sft

        return sft(base, conversations, out, config, work)

    return Step("sft", (base, conversations), (out,), _json(config), action, together=True)


def adapt_step(config: AdaptConfig, base: Path, examples: Path, out: Path) -> Step:
    """An adapter for a model that stays as it is."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.stages.adapt import adapt

        return adapt(base, examples, out, config, work)

    return Step("adapt", (base, examples), (out,), _json(config), action, together=True)


def comparisons_step(config: ComparisonConfig, sft: Path, prompts: Path, out: Path) -> Step:
    """The SFT model's answers, ranked by a simulated contractor."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.feedback.contractor import Contractor
        from cygnet.stages.comparisons import build_comparisons

        contractor = Contractor(config.noise, work.seed)
        return build_comparisons(sft, prompts, out, config, contractor.rank, work)

    return Step("comparisons", (sft, prompts), (out,), _json(config), action)


def reward_step(config: RewardConfig, sft: Path, comparisons: Path, out: Path) -> Step:
    """The reward model."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.stages.reward import train_reward

        return train_reward(sft, comparisons, out, config, work)

    return Step("reward", (sft, comparisons), (out,), _json(config), action, together=True)


def rl_step(config: RlConfig, sft: Path, reward: Path, prompts: Path, heldout: Path, out: Path) -> Step:
    """The policy. Held-out prompts, in a file beside `prompts`, are judged by the rubric if they carry exercises."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.recipe.gold import gold_for
        from cygnet.stages.rl import train_rl

        watched = heldout if heldout.exists() else None
        return train_rl(sft, reward, prompts, out, config, work, gold_for(watched), watched)

    return Step("rl", (sft, reward, prompts.parent), (out,), _json(config), action, together=True)


def rank_step(config: RankConfig, base: Path, sft: Path, reward: Path, rl: Path, prompts: Path, out: Path) -> Step:
    """The ladder of all models."""

    def action(work: Work) -> dict[str, Any]:
        from cygnet.recipe.ranking import rank_models

        return rank_models(base, sft, reward, rl, prompts, out, config, work)

    return Step("rank", (base, sft, reward, rl, prompts), (out,), _json(config), action)


def report_step(run: Path, made_from: tuple[Path, ...]) -> Step:
    """The page and the numbers, made again whenever anything they show has been."""

    def action(_: Work) -> dict[str, Any]:
        from cygnet.recipe.report import build_report

        build_report(run)
        return {}

    return Step("report", made_from, (run / "report.json", run / "report.html"), {}, action)


def _json(config: BaseModel) -> dict[str, Any]:
    return config.model_dump(mode="json")
