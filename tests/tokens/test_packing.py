import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cygnet.model.transformer import Transformer
from cygnet.tokens.packing import Rows, collate, cut, pack, row_length

ROW = 24
LENGTHS = st.lists(st.integers(2, ROW + 1), max_size=300)
DOCUMENTS = [[1, 9, 8, 7, 2], [1, 30, 31, 2], [1, 40, 41, 42, 43, 44, 45, 2], [1, 5, 2], [1, 50, 51, 52, 2]]


def packed(documents: list[list[int]], weights: list[list[float]] | None = None) -> Rows:
    rows = pack([len(document) for document in documents], ROW)
    members = [[documents[i] for i in row] for row in rows]
    return collate(members, weights and [[weights[i] for i in row] for row in rows], ROW, pad_id=0)


def nats(model: Transformer, rows: Rows) -> Tensor:
    logits = model(rows.tokens, rows.positions, rows.mask)
    return F.cross_entropy(logits.flatten(0, 1), rows.targets.flatten(), reduction="none") * rows.weights.flatten()


def alone(model: Transformer, document: list[int]) -> Tensor:
    """The losses of one document by itself: no packing, no padding, no mask, no positions."""
    ids = torch.tensor(document)
    return F.cross_entropy(model(ids[None, :-1])[0], ids[1:], reduction="none")


@given(st.integers(1, 50_000), st.integers(0, 50_000))
def test_a_row_is_no_longer_than_its_sequences_ask_for(longest: int, more: int) -> None:
    context = longest + more
    length = row_length(longest, context)
    assert longest <= length <= context
    assert length == min(context, 256) or (length - longest < 64 and (length % 64 == 0 or length == context))


@given(LENGTHS)
def test_every_sequence_lands_in_one_row_and_no_row_overflows(lengths: list[int]) -> None:
    rows = pack(lengths, ROW)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[index] - 1 for index in row) <= ROW for row in rows)


@given(LENGTHS)
def test_rows_are_well_filled(lengths: list[int]) -> None:
    rows = pack(lengths, ROW)
    filled = [sum(lengths[index] - 1 for index in row) for row in rows]
    assert len(rows) <= 64 + 2 * sum(filled) / ROW


def test_a_row_with_room_is_used_before_a_new_one() -> None:
    assert pack([13, 13, 13], ROW) == [[0, 1], [2]]
    assert pack([11, 21, 5], ROW) == [[0], [1, 2]]  # where it fits best, not where it fits first


@given(st.integers(1, 500), st.integers(1, 40))
def test_cut_pieces_fit_and_predict_every_token_once(length: int, row_length: int) -> None:
    pieces = cut(length, row_length)
    assert all(end - start <= row_length + 1 for start, end in pieces)
    predicted = [place for start, end in pieces for place in range(start + 1, end)]
    assert predicted == list(range(1, length))


@given(st.lists(st.lists(st.integers(1, 299), min_size=2, max_size=ROW + 1), min_size=1, max_size=30))
def test_what_is_read_and_predicted_is_what_was_packed(documents: list[list[int]]) -> None:
    rows = packed(documents)
    found = []
    for row in range(len(rows.tokens)):
        for number in range(int(rows.sequences[row].max()) + 1):
            here = rows.sequences[row] == number
            assert rows.positions[row][here].tolist() == list(range(int(here.sum())))
            found.append([*rows.tokens[row][here].tolist(), int(rows.targets[row][here][-1])])
            assert found[-1][1:] == rows.targets[row][here].tolist()
    assert sorted(found) == sorted(documents)
    assert torch.equal(rows.weights > 0, rows.sequences >= 0)


def test_a_place_has_the_weight_of_the_token_it_predicts() -> None:
    rows = collate([[[1, 10, 11, 2]]], [[[0.0, 0.0, 1.0, 0.5]]], 5, pad_id=0)
    assert rows.targets.tolist() == [[10, 11, 2, 0, 0]]
    assert rows.weights.tolist() == [[0.0, 1.0, 0.5, 0.0, 0.0]]


def test_a_place_sees_earlier_places_of_its_own_sequence_only() -> None:
    rows = collate([[[1, 2, 3], [4, 5, 6]]], None, 5, pad_id=0)
    assert rows.mask.shape == (1, 1, 5, 5)
    expected = [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]]
    assert rows.mask[0, 0].int().tolist() == expected


def test_the_packed_loss_is_the_sum_of_the_unpacked_ones(build) -> None:
    model = build()
    together = nats(model, packed(DOCUMENTS)).sum()
    torch.testing.assert_close(together, torch.stack([alone(model, document).sum() for document in DOCUMENTS]).sum())


def test_the_packed_gradient_is_the_sum_of_the_unpacked_ones(build) -> None:
    model = build()
    nats(model, packed(DOCUMENTS)).sum().backward()
    together = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    for document in DOCUMENTS:
        alone(model, document).sum().backward()
    for parameter, gradient in zip(model.parameters(), together, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-4)


def test_documents_in_a_row_do_not_see_each_other(build) -> None:
    model = build()
    rows = packed([DOCUMENTS[0], DOCUMENTS[1], DOCUMENTS[2]])
    assert len(rows.tokens) == 1
    before = model(rows.tokens, rows.positions, rows.mask)
    changed = rows.sequences[0] == 1
    tokens = rows.tokens.clone()
    tokens[0, changed] = 99
    after = model(tokens, rows.positions, rows.mask)
    assert torch.equal(before[0, ~changed], after[0, ~changed])
    assert not torch.allclose(before[0, changed], after[0, changed])


def test_padding_is_not_seen_and_not_learned_from(build) -> None:
    model = build()
    rows = packed(DOCUMENTS[:2])
    padding = rows.sequences < 0
    assert padding.any()
    before = nats(model, rows).sum()
    changed = rows._replace(tokens=rows.tokens.masked_fill(padding, 77), targets=rows.targets.masked_fill(padding, 78))
    assert torch.equal(before, nats(model, changed).sum())


def test_memory_mapped_ids_are_packed_as_lists_are() -> None:
    arrays = [[np.array(document, dtype=np.uint16) for document in DOCUMENTS[:2]]]
    for mapped, listed in zip(collate(arrays, None, ROW, 0), collate([DOCUMENTS[:2]], None, ROW, 0), strict=True):
        assert torch.equal(mapped, listed)
