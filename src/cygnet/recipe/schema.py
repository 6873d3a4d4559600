"""The recipe: every setting of a run, stage by stage. Nothing here imports torch."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cygnet.corpus.config import CorpusConfig
from cygnet.corpus.mixtures import MixtureName, shares_of
from cygnet.recipe.lineage import hash_of
from cygnet.settings.section import Section
from cygnet.stages.config import (
    AdaptConfig,
    ComparisonConfig,
    ConversationConfig,
    PretrainConfig,
    RankConfig,
    RewardConfig,
    RlConfig,
    SftConfig,
    TrainingConfig,
)


class TokenizerConfig(Section):
    """Byte-level BPE trained on the training documents."""

    vocab_size: int = Field(2048, ge=264, le=65_536, description="tokens, the 256 bytes and special tokens included")


class TokensConfig(Section):
    """The mixture that pretraining reads."""

    proportions: dict[str, float] | Literal["corpus"] = Field(
        {"docs": 0.25, "code": 0.15, "tasks": 0.6},
        description='share of training tokens from each source; "corpus": by the weights of `corpus.built`',
    )
    train_tokens: int = Field(
        8_000_000, ge=1_000, description="training tokens in all; sources repeat to fill their share"
    )

    @field_validator(
        "proportions", mode="plain", json_schema_input_type=dict[str, float] | Literal["corpus", MixtureName]
    )
    @classmethod
    def _shares(cls, stated: Any) -> dict[str, float] | Literal["corpus"]:
        return "corpus" if stated == "corpus" else shares_of(stated, "corpus")


class ChatConfig(Section):
    """How a model answers in a conversation; no part of a recipe."""

    temperature: float = Field(0.7, ge=0, description="0 always takes the likeliest token")
    top_k: int = Field(0, ge=0, description="sample among the k likeliest tokens; 0 among all")
    top_p: float = Field(1.0, gt=0, le=1, description="sample among the likeliest tokens that make up this probability")
    max_new_tokens: int = Field(256, ge=1, description="longest answer, in tokens")
    seed: int = Field(1, ge=0, description="of the sampling")


class AdaptSettings(AdaptConfig):
    """An adaptation and how it is carried out; no part of a recipe."""

    seed: int = Field(1, ge=0, description="of everything random")
    threads: int | None = Field(None, ge=1, description="torch threads; all available cores by default")
    training: TrainingConfig = TrainingConfig()


class Recipe(Section):
    """A whole run. In a recipe, top-level `depth` is short for `pretrain.depth`: the one dial of size."""

    name: str = Field(pattern=r"^[\w][\w.-]*$", description="names the run folder; by default the recipe file's name")
    description: str = Field("", description="one line for `cygnet recipe list` and the report")
    seed: int = Field(1, ge=0, description="of everything random")
    threads: int | None = Field(None, ge=1, description="torch threads; all available cores by default")
    training: TrainingConfig = TrainingConfig()
    corpus: CorpusConfig = CorpusConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    tokens: TokensConfig = TokensConfig()
    pretrain: PretrainConfig = PretrainConfig()
    conversations: ConversationConfig = ConversationConfig()
    sft: SftConfig = SftConfig()
    comparisons: ComparisonConfig = ComparisonConfig()
    reward: RewardConfig = RewardConfig()
    rl: RlConfig = RlConfig()
    rank: RankConfig = RankConfig()

    @model_validator(mode="after")
    def _bases_are_whole(self) -> "Recipe":
        stages = (("sft", self.sft), ("reward", self.reward), ("rl", self.rl))
        adapted = [name for name, stage in stages if stage.adapter.rank]
        if adapted and self.training.sharding != "none":
            raise ValueError(
                f"the base of an adapter is not sharded: leave out training.sharding, or {adapted[0]}.adapter"
            )
        return self

    def to_json(self) -> dict[str, Any]:
        """The resolved recipe as JSON values, with its hash (SHA-256 of the canonical JSON) under "hash"."""
        values = self.model_dump(mode="json")
        return {**values, "hash": hash_of(values)}
