import shutil

import pytest
import torch

from cygnet.training.compiling import compiled, pays
from cygnet.training.loop import prepare_machine

CPU = torch.device("cpu")


def twice(x: torch.Tensor) -> torch.Tensor:
    return 2 * x + 1


def test_short_runs_are_not_compiled() -> None:
    assert not pays(1e11, CPU)
    assert pays(1e15, CPU)
    assert not pays(1e15, torch.device("cuda"))
    assert not pays(1e15, torch.device("meta"))


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of itself
def test_what_is_compiled_gives_the_same_numbers_and_gradients() -> None:
    x = torch.randn(4, 5, requires_grad=True)
    quick = compiled(twice)
    for _ in range(2):
        torch.testing.assert_close(quick(x), twice(x))
    quick(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, 2.0))


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of itself
def test_compiled_gradients_are_the_same_bits_every_time() -> None:
    """Two threads that meet in one row of an embedding add in one order."""
    prepare_machine(2)
    embedding = torch.nn.Embedding(4, 64)
    tokens, weights = torch.randint(0, 4, (64, 256)), torch.randn(64, 256, 64)
    quick = compiled(lambda tokens, weights: (embedding(tokens).sin() * weights).sum())
    found = set()
    for _ in range(20):
        quick(tokens, weights).backward()
        found.add(embedding.weight.grad.numpy().tobytes())
        embedding.weight.grad = None
    assert len(found) == 1


def test_without_a_compiler_it_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compiled(twice) is twice
    assert "no C++ compiler is found: training goes on uncompiled" in capsys.readouterr().err


def test_a_compiler_that_fails_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def failing(function: object, **_: object) -> object:
        def call(*_: object) -> None:
            calls.append(1)
            raise RuntimeError("\nfork failed\nmore")

        return call

    monkeypatch.setattr(torch, "compile", failing)
    monkeypatch.setenv("CXX", "sh")
    quick = compiled(twice)
    x = torch.ones(2)
    assert quick(x).tolist() == quick(x).tolist() == [3.0, 3.0]
    assert len(calls) == 1
    assert "can't compile here (RuntimeError: fork failed)" in capsys.readouterr().err


def test_a_backward_pass_that_is_not_compiled_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """torch compiles it only when it is needed, long after the call."""

    class Failing(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return twice(x)

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("fork failed")

    monkeypatch.setattr(torch, "compile", lambda function, **_: Failing.apply)
    monkeypatch.setenv("CXX", "sh")
    quick = compiled(twice)
    x = torch.ones(2, requires_grad=True)
    for _ in range(2):
        x.grad = None
        quick(x).sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
    assert capsys.readouterr().err.count("can't compile here (RuntimeError: fork failed)") == 1


def test_trying_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in gradients nor in random numbers: a resumed stage tries once more than the uninterrupted one."""
    weight = torch.ones(3, requires_grad=True)

    def noisy(x: torch.Tensor) -> torch.Tensor:
        return x * weight + torch.rand(3) * weight**2

    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setenv("CXX", "sh")
    found = []
    for function in (noisy, compiled(noisy)):
        torch.manual_seed(1)
        weight.grad = torch.full((3,), 0.5)
        function(torch.ones(3)).sum().backward()
        found.append((weight.grad, torch.rand(1)))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def test_without_gradients_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: pytest.fail)
    monkeypatch.setenv("CXX", "sh")
    with torch.no_grad():
        assert compiled(twice)(torch.ones(1)).tolist() == [3.0]


def test_what_is_computed_once_is_computed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a resumed stage, which has not computed it yet, would compile it too, and then everything again."""
    kept: dict[str, torch.Tensor] = {}
    seen = []

    def remembering(x: torch.Tensor) -> torch.Tensor:
        return x * kept.setdefault("cosines", torch.arange(2.0).cos())

    def compiling_(function: object, **_: object) -> object:
        return lambda x: (seen.append(list(kept)), function(x))[1]  # type: ignore[operator]

    monkeypatch.setattr(torch, "compile", compiling_)
    monkeypatch.setenv("CXX", "sh")
    compiled(remembering)(torch.ones(2))
    assert seen[0] == ["cosines"]


def test_a_mistake_of_the_caller_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setenv("CXX", "sh")
    with pytest.raises(TypeError, match="concatenate"):
        compiled(twice)("text")  # type: ignore[arg-type]
