"""From a request to a plan: what the laws make of the budget, and for one of them everything that training takes."""

from dataclasses import dataclass

from cygnet.errors import UserError
from cygnet.model.config import ModelConfig
from cygnet.recipe.load import load_recipe
from cygnet.recipe.planner.batches import rows_per_step, step_law_batch
from cygnet.recipe.planner.hardware import CPU, RECIPE, Hardware, find_hardware
from cygnet.recipe.planner.laws import LAWS, Law, at_ratio
from cygnet.recipe.planner.memory import SHARDINGS, Held, held, rows_that_fit
from cygnet.recipe.planner.request import Request
from cygnet.recipe.planner.running import training_settings
from cygnet.recipe.planner.shape import flops_per_token, nearest_depth, nearest_shape, on_the_dial, parameter_count

LONGEST_DAYS = 30
_MOST_DEVICES = 2**16
_GPU_VOCABULARY, _GPU_CONTEXT = 32_768, 2_048  # where nothing is said; on this machine those of RECIPE


@dataclass(frozen=True)
class Option:
    """What one law makes of the budget: `wanted` parameters, and the shape that comes nearest, with its own."""

    law: Law
    wanted: float
    shape: ModelConfig
    parameters: int
    tokens: int


@dataclass(frozen=True)
class Plan:
    """`chosen` is one of `options`. hours: of wall time. held: what each device holds, by sharding.

    settings: what `cygnet run` would be told, where `depth` sets such a shape; otherwise `beyond` says why not.
    """

    request: Request
    hardware: Hardware
    compute: float
    options: tuple[Option, ...]
    chosen: Option
    rows: int
    steps: int
    gpus: int
    hours: float
    held: tuple[Held, ...]
    settings: tuple[str, ...] | None
    beyond: str | None

    @property
    def gpu_hours(self) -> float:
        """Hours of all devices together."""
        return self.gpus * self.hours

    @property
    def dollars(self) -> float | None:
        """What they cost; None where there is no price."""
        price = self.request.price_on(self.hardware)
        return None if price is None else self.gpu_hours * price


def make_plan(request: Request, hardware: Hardware | None = None) -> Plan:
    """Plan a training. `hardware` stands in for what `request.on` names.

    Raises:
        UserError: for a budget that pays for nothing, and names or prices that there are none of.
    """
    law = request.chosen_law()
    hardware = hardware or find_hardware(request.on)
    compute = request.compute(hardware)
    vocab_size, context = _row(request)
    laws = [*LAWS, _recipe_law(), *([] if law in LAWS else [law])]
    options = tuple(_option(each, compute, vocab_size, context) for each in laws)
    chosen = next(option for option in options if option.law == law)
    if chosen.tokens < context:
        raise UserError(
            f"the budget pays for {chosen.tokens} tokens with the smallest model, less than one row of {context}: "
            "give more, or a smaller --vocab-size or --context."
        )
    gpus = request.gpus or (1 if request.hours or request.on == CPU else _devices(chosen, compute, request, hardware))
    rows = rows_per_step(step_law_batch(chosen.tokens), context, gpus)
    settings, beyond = _settings(chosen, rows, gpus, hardware)
    return Plan(
        request=request,
        hardware=hardware,
        compute=compute,
        options=options,
        chosen=chosen,
        rows=rows,
        steps=max(1, chosen.tokens // (rows * context)),
        gpus=gpus,
        hours=_needed(chosen) / (gpus * request.rate(hardware) * 3600),
        held=tuple(held(chosen.shape, gpus, sharding) for sharding in SHARDINGS[: None if gpus > 1 else 1]),
        settings=settings,
        beyond=beyond,
    )


def _row(request: Request) -> tuple[int, int]:
    """Vocabulary and context: what was asked for, or what is usual on that hardware."""
    recipe = load_recipe([RECIPE])
    ours = request.on == CPU
    vocab_size = request.vocab_size or (recipe.tokenizer.vocab_size if ours else _GPU_VOCABULARY)
    return vocab_size, request.context or (recipe.pretrain.context_length if ours else _GPU_CONTEXT)


def _recipe_law() -> Law:
    """The tokens a parameter of RECIPE."""
    recipe = load_recipe([RECIPE])
    shape = ModelConfig.from_depth(recipe.pretrain.depth, recipe.tokenizer.vocab_size, recipe.pretrain.context_length)
    ratio = recipe.tokens.train_tokens / parameter_count(shape)
    return at_ratio(ratio, RECIPE, "as that recipe, whose texts are few and narrow", "cygnet recipe show " + RECIPE)


def _option(law: Law, compute: float, vocab_size: int, context: int) -> Option:
    wanted = law.parameters(compute)
    shape = nearest_shape(wanted, vocab_size, context)
    return Option(law, wanted, shape, parameter_count(shape), int(compute / flops_per_token(shape)))


def _needed(option: Option) -> float:
    return option.tokens * flops_per_token(option.shape)


def _devices(option: Option, compute: float, request: Request, hardware: Hardware) -> int:
    """The smallest power of two that holds the model, sharded and recomputing, and is done within LONGEST_DAYS."""
    gpus = 1
    while gpus < _MOST_DEVICES:
        days = compute / (gpus * request.rate(hardware) * 86400)
        if days <= LONGEST_DAYS and fits(option.shape, gpus, hardware):
            break
        gpus *= 2
    return gpus


def fits(shape: ModelConfig, gpus: int, hardware: Hardware) -> bool:
    """Whether the hardware holds the model and a row, with everything shared out and activations recomputed."""
    least = held(shape, gpus, SHARDINGS[-1], recomputed=True)
    return rows_that_fit(shape, least.total, hardware.memory, recomputed=True) > 0


def _settings(option: Option, rows: int, gpus: int, hardware: Hardware) -> tuple[tuple[str, ...] | None, str | None]:
    """The settings that turn RECIPE into this plan; or why there are none."""
    shape = option.shape
    if not on_the_dial(shape):
        return None, (
            f"depth {nearest_depth(shape)} has about as many parameters, but the dial makes it narrower than is usual"
        )
    training = training_settings(shape, rows, gpus, hardware)
    if training is None:
        return None, "it does not fit"
    recipe = load_recipe([RECIPE])
    wanted = {
        "depth": (shape.layers, recipe.pretrain.depth),
        "tokenizer.vocab_size": (shape.vocab_size, recipe.tokenizer.vocab_size),
        "tokens.train_tokens": (option.tokens, recipe.tokens.train_tokens),
        "pretrain.context_length": (shape.context_length, recipe.pretrain.context_length),
        "pretrain.rows_per_step": (rows, recipe.pretrain.rows_per_step),
    }
    settings = tuple(f"{key}={value:_}" for key, (value, default) in wanted.items() if value != default) + training
    try:
        load_recipe([RECIPE, *settings])
    except UserError as error:
        return None, f"the recipe refuses it: {error}"
    return settings, None
