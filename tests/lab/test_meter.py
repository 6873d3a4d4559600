import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lab.config import BudgetConfig, PricesConfig
from cygnet.lab.meter import Meter, spent_before
from cygnet.lm.endpoint import EndpointModel
from cygnet.lm.ledger import BudgetError

PRICES = PricesConfig(prompt=10.0, completion=1000.0)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("limit", "budget"), [("tokens", 30), ("money", 0.01)])
def test_what_was_answered_beside_a_request_that_failed_is_spent(
    limit: str, budget: float, threads: int, adder, endpoint, tmp_path: Path
) -> None:
    together = threading.Barrier(5 * threads)

    class Choosy(adder):
        def generate(self, prompts, sampling=None, n=1):
            together.wait(600)  # all are in flight before one fails
            if "12 + 1" in str(prompts):
                raise UserError("I don't like the third.")
            return super().generate(prompts, sampling or Sampling(), n)

    path = tmp_path / "calls.jsonl"
    prompts = [[{"role": "user", "content": f"What is {n} + 1?"}] for n in range(10, 15)]
    with EndpointModel(endpoint(Choosy(local=False))) as inner, ThreadPoolExecutor(threads) as pool:
        meter = Meter(inner, PRICES, BudgetConfig(**{limit: budget}), path)
        for call in [pool.submit(meter.generate, prompts) for _ in range(threads)]:
            with pytest.raises(UserError, match="I don't like the third"):
                call.result()
        spent = meter.spent
        assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (4 * threads, 20 * threads, 12 * threads)
        assert spent.cost == pytest.approx(threads * (20 * 10 + 12 * 1000) / 1e6)
        assert spent_before(path) == spent, "the next run knows of it"
        meter.go_on()
        with pytest.raises(BudgetError, match=f"budget.{limit}"):
            meter.generate(prompts)
