"""Few places at a time or all at once, predictions and gradients are the same."""

import pytest
import torch

from cygnet.stages import predictions


@pytest.mark.parametrize("function", [predictions.nats_of, lambda *given: predictions.logprobs_and_entropy(*given)[0]])
def test_parts_give_what_the_whole_gives(build, function, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for at_once in (2**23, 7 * 320):
        monkeypatch.setattr(predictions, "_AT_ONCE", at_once)
        model = build()
        features = torch.randn(30, model.config.width, generator=torch.Generator().manual_seed(0)).requires_grad_()
        values = function(model, features, torch.arange(30) + 8)
        values.square().sum().backward()
        found.append((values.detach(), features.grad, model.model.embed_tokens.weight.grad))
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(whole, parts)


def test_logits_of_no_more_places_than_find_room_are_kept(build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "_AT_ONCE", 7 * 320)
    model, kept = build().requires_grad_(False), []
    features = torch.randn(30, model.config.width, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda it: (kept.append(it.numel()), it)[1], lambda it: it):
        predictions.nats_of(model, features, torch.arange(30))
    assert max(kept) < 30 * 200


def test_of_no_places_there_are_none(build) -> None:
    model = build()
    features = torch.zeros(0, model.config.width, requires_grad=True)
    predictions.nats_of(model, features, torch.zeros(0, dtype=torch.int64)).sum().backward()
    assert features.grad is not None


@pytest.mark.parametrize(("device", "calls"), [("cpu", 5), ("meta", 2)])
def test_other_devices_have_room_for_more_at_once(
    build, monkeypatch: pytest.MonkeyPatch, device: str, calls: int
) -> None:
    monkeypatch.setattr(predictions, "_AT_ONCE", 7 * 300)
    monkeypatch.setattr(predictions, "_AT_ONCE_ON_GPU", 20 * 300)
    model, asked = build().to(device), []
    logits = model.logits
    model.logits = lambda features: (asked.append(len(features)), logits(features))[1]
    features = torch.zeros(30, model.config.width, device=device)
    predictions.nats_of(model, features, torch.zeros(30, dtype=torch.int64, device=device))
    assert len(asked) == calls
