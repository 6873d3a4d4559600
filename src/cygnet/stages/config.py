"""Settings of the stages. Nothing here imports torch, so recipes are checked in milliseconds."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cygnet.corpus.config import FAMILIES, Family
from cygnet.model.config import BasePrecision

# Batches at which the learning rates below are meant; they grow with the root of the actual one, in every stage, and
# fall with the root of the width, which is 128 there.
REFERENCE_BATCH = 16  # rows or prompts
REFERENCE_ROLLOUTS = 32


class Settings(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingConfig(Settings):
    """How the stages are trained on the machines there are; the result is the same but for the order of sums."""

    device: Literal["cpu", "cuda"] = Field("cpu", description="where to train; with several processes each has a GPU")
    sharding: Literal["none", "full"] = Field(
        "none", description='of several processes each has a copy of the model, or with "full" its part of it (FSDP2)'
    )
    rows_at_once: int | None = Field(
        None,
        ge=1,
        description="rows (of reward: prompts; of rl: answers) a pass reads at most, to bound memory; all by default",
    )
    recompute: bool = Field(
        False, description="compute layers again in the backward pass, which takes less memory and more time"
    )


class PretrainConfig(Settings):
    """Next-token prediction on packed documents."""

    depth: int = Field(4, ge=1, description="the dial: layers; width is 32 x depth")
    context_length: int = Field(256, ge=16, description="longest sequence the model reads, in tokens")
    rows_per_step: int = Field(REFERENCE_BATCH, ge=1, description="rows of context_length tokens in one update")
    matrix_lr: float = Field(0.02, gt=0, description="Muon's peak learning rate at 16 rows an update")
    other_lr: float = Field(0.01, gt=0, description="AdamW's peak learning rate at width 128 and 16 rows an update")
    warmup: int = Field(20, ge=0, description="updates of linear warm-up, at most a tenth of the stage's")
    precision: Literal["bfloat16", "float32"] = Field(
        "bfloat16", description="dtype of activations; weights stay float32"
    )
    evaluations: int = Field(8, ge=1, description="times the held-out documents are scored over the run")
    heldout_rows: int = Field(64, ge=1, description="rows of held-out documents scored each time")
    compile: Literal["long", "never"] = Field(
        "long", description="whether a training step is compiled: in long runs, where that is repaid, or never"
    )


class ConversationConfig(Settings):
    """Demonstrations by simulated contractors of three habits, and prompts for the stages after."""

    train: int = Field(12_000, ge=1, description="conversations to train on")
    heldout: int = Field(300, ge=1, description="held-out conversations and prompts to watch the stages with")
    test: int = Field(1_000, ge=1, description="held-out prompts for the ranking, used once")
    prompts: int = Field(6_000, ge=1, description="prompts for comparisons and reinforcement learning")
    families: tuple[Family, ...] = Field(FAMILIES, min_length=1, description="kinds of exercise taught")
    json_share: float = Field(0.2, ge=0, le=1, description="share of exercises to be answered in JSON")
    careful: float = Field(0.8, ge=0, description="share of demonstrations with every step written out")
    hasty: float = Field(0.1, ge=0, description="share with the bare answer")
    chatty: float = Field(0.1, ge=0, description="share with small talk around the answer")


Matrix = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ATTENTION: tuple[Matrix, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")


class LowRankConfig(Settings):
    """The shape of a low-rank adapter, and what it stands on."""

    rank: int = Field(8, ge=1, description="of the change to each matrix")
    alpha: float = Field(16.0, gt=0, description="the change counts alpha / rank times")
    targets: tuple[Matrix, ...] = Field(ATTENTION, min_length=1, description="the matrices of each layer that change")
    base_precision: BasePrecision = Field(
        "float32", description="what the model's matrices, which stay as they are, are kept in; nf4 has 4 bits"
    )


class AdapterConfig(LowRankConfig):
    """A low-rank adapter that learns in place of the model; with 4-bit base weights this is QLoRA."""

    rank: int = Field(0, ge=0, description="of the change to each matrix; 0: no adapter, the whole model learns")
    lr_factor: float = Field(3.0, gt=0, description="the stage's AdamW rate times this is the adapter's")

    @model_validator(mode="after")
    def _asked_for(self) -> "AdapterConfig":
        known = type(self).model_fields
        changed = [name for name, field in known.items() if getattr(self, name) != field.default]
        if self.rank == 0 and changed:
            raise ValueError(f"{changed[0]} is said of an adapter, but there is none: set its rank, such as 8")
        return self


class SftConfig(Settings):
    """Supervised fine-tuning on the assistant's tokens."""

    epochs: float = Field(1.0, gt=0, description="passes over the conversations")
    rows_per_step: int = Field(REFERENCE_BATCH, ge=1, description="packed rows in one update")
    matrix_lr: float = Field(0.01, gt=0, description="Muon's peak learning rate at 16 rows an update")
    other_lr: float = Field(0.003, gt=0, description="AdamW's peak learning rate at width 128 and 16 rows an update")
    imported_lr: float = Field(
        1e-3, gt=0, description="AdamW's, in place of both, for all of a model that was not pretrained here"
    )
    warmup: int = Field(10, ge=0, description="updates of linear warm-up, at most a tenth of the stage's")
    precision: Literal["bfloat16", "float32"] = Field(
        "bfloat16", description="dtype of activations; weights stay float32"
    )
    evaluations: int = Field(4, ge=1, description="times held-out loss and accuracy are measured")
    compile: Literal["long", "never"] = Field(
        "long", description="whether a training step is compiled: in long runs, where that is repaid, or never"
    )
    adapter: AdapterConfig = AdapterConfig()


class AdaptConfig(LowRankConfig):
    """Low-rank adaptation of a model to a few examples; the model itself stays as it is."""

    epochs: float = Field(10.0, gt=0, description="passes over the examples")
    least_updates: int = Field(60, ge=1, description="updates there are at least, however few the examples")
    rows_per_step: int = Field(8, ge=1, description="rows in one update, each as long as the longest example")
    lr: float = Field(0.01, gt=0, description="AdamW's peak learning rate at width 128 and 16 rows an update")
    warmup: int = Field(5, ge=0, description="updates of linear warm-up, at most a tenth of the stage's")
    precision: Literal["bfloat16", "float32"] = Field(
        "bfloat16", description="dtype of activations; weights stay float32"
    )
    evaluations: int = Field(8, ge=1, description="times the held-out loss is measured")


class ComparisonConfig(Settings):
    """K samples of the SFT model per prompt, ranked by the simulated contractor."""

    prompts: int = Field(1_500, ge=2, description="prompts to compare answers of")
    heldout: int = Field(200, ge=2, description="held-out prompts, to measure the reward model on")
    answers: int = Field(4, ge=2, description="answers per prompt (K)")
    noise: float = Field(
        0.05, ge=0, description="standard deviation of the contractor's error, on rubric scores from 0 to 1"
    )
    max_new_tokens: int = Field(128, ge=1, description="longest answer, in tokens")


class RewardConfig(Settings):
    """K-wise Bradley-Terry on the comparisons, batched by prompt."""

    prompts_per_step: int = Field(
        REFERENCE_BATCH, ge=1, description="prompts in one update, all their answers together"
    )
    epochs: float = Field(1.0, gt=0, description="passes over the comparisons; more than one overfits")
    lr: float = Field(1e-3, gt=0, description="AdamW's peak learning rate at width 128 and 16 prompts an update")
    warmup: int = Field(10, ge=0, description="updates of linear warm-up, at most a tenth of the stage's")
    adapter: AdapterConfig = AdapterConfig()


class RlConfig(Settings):
    """PPO against the reward model, held near the SFT model."""

    iterations: int = Field(60, ge=1, description="rounds of rollouts and updates")
    rollouts: int = Field(128, ge=2, description="answers sampled in a round")
    minibatches: int = Field(4, ge=1, description="parts a round is split into; one update each")
    epochs: int = Field(1, ge=1, description="passes over a round's rollouts")
    max_new_tokens: int = Field(128, ge=1, description="longest answer, in tokens")
    lr: float = Field(3e-4, gt=0, description="the policy's peak learning rate at width 128 and 32 answers an update")
    critic_lr: float = Field(1e-3, gt=0, description="the critic's peak learning rate, likewise")
    critic_warmup: int = Field(3, ge=0, description="first rounds in which only the critic learns")
    clip: float = Field(0.2, gt=0, description="PPO's bound on the ratio of probabilities")
    value_clip: float = Field(0.2, gt=0, description="bound on the change of a value estimate")
    discount: float = Field(1.0, gt=0, le=1, description="gamma of generalized advantage estimation")
    trace_decay: float = Field(0.95, ge=0, le=1, description="lambda of generalized advantage estimation")
    kl_coefficient: float = Field(0.3, ge=0, description="weight of the KL penalty at the start")
    kl_target: float = Field(
        1.0, gt=0, description="KL to the SFT model in nats per answer that the coefficient steers to"
    )
    kl_horizon: float = Field(5_000, gt=0, description="answers over which the coefficient adapts")
    unfinished_reward: float = Field(
        -2.0, description="reward of an answer that never ends, in place of the reward model's"
    )
    evaluations: int = Field(6, ge=1, description="times the held-out prompts are answered and judged")
    adapter: AdapterConfig = AdapterConfig()

    @model_validator(mode="after")
    def _even(self) -> "RlConfig":
        if self.rollouts % self.minibatches:
            raise ValueError(f"rollouts ({self.rollouts}) must be a multiple of minibatches ({self.minibatches})")
        return self


class RankConfig(Settings):
    """Blind pairwise games between the models."""

    prompts: int = Field(1_000, ge=10, description="held-out prompts every player answers")
    best_of: int = Field(4, ge=2, description="samples among which the reward model picks")
    temperature: float = Field(1.0, ge=0, description="sampling temperature of every player")
    bootstrap: int = Field(1_000, ge=100, description="resamplings of the prompts for the intervals")
