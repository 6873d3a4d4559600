"""`cygnet plan`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def plan(
    *,
    dollars: float | None = None,
    gpu_hours: float | None = None,
    flops: float | None = None,
    hours: float | None = None,
    on: str = "cpu",
    gpus: int | None = None,
    price: float | None = None,
    mfu: float | None = None,
    law: str | None = None,
    tokens_per_parameter: float | None = None,
    vocab_size: int | None = None,
    context: int | None = None,
    like: str | None = None,
    out: Annotated[Path | None, Parameter(alias="-o")] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """From a budget to a model: its size, tokens, batch, learning rates, memory, time and cost, by stated laws.

    Give one budget, or --like a published run to see what the planner makes of it.

    Parameters
    ----------
    dollars:
        A budget of money.
    gpu_hours:
        A budget of device-hours.
    flops:
        A budget of floating-point operations: --flops 1e21.
    hours:
        A budget of wall time, on --gpus devices.
    on:
        cpu (this machine, measured), v100, a100-40, a100-80, h100, h200, b200 or rtx4090.
    gpus:
        Devices; by default the fewest that hold the model and are done within 30 days, with --hours one.
    price:
        Dollars an hour of one device, instead of the catalog's.
    mfu:
        Share of the peak that training gets, from 0 to 1, instead of what is typical.
    law:
        kaplan, chinchilla (the default), chinchilla-3, refit, llama-7b or llama-3-8b.
    tokens_per_parameter:
        A ratio of your own instead of a law.
    vocab_size:
        Tokens of the vocabulary; 32,768 by default, on cpu as in pocket.
    context:
        Tokens in a row; 2,048 by default, on cpu as in pocket.
    like:
        llama-65b, gpt-3 or gpt-2.
    out:
        An .svg file for a plot of the laws around the budget.
    json:
        Print JSON.
    """
    from cygnet.recipe.planner import printed
    from cygnet.recipe.planner.request import Request

    if like is not None:
        others = [dollars, gpu_hours, flops, hours, gpus, price, law, tokens_per_parameter, vocab_size, context, out]
        print(printed.comparison(like, mfu, json, alone=on == "cpu" and others == [None] * len(others)))
        return
    request = Request(
        dollars=dollars,
        gpu_hours=gpu_hours,
        flops=flops,
        hours=hours,
        on=on,
        gpus=gpus,
        price=price,
        mfu=mfu,
        law=law,
        tokens_per_parameter=tokens_per_parameter,
        vocab_size=vocab_size,
        context=context,
    )
    print(printed.plan(request, out, json))
