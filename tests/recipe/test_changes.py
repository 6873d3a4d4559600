from cygnet.recipe.changes import changes
from cygnet.recipe.lineage import Ingredients

BEFORE = Ingredients(
    {"tokens": "a", "tokenizer": "b"}, {"seed": 1, "depth": 4, "deep": {"x": 1, "y": [1, 2]}, "text": "t"}, "0.1+aa"
)


def test_nothing_changed() -> None:
    assert changes(BEFORE, Ingredients(dict(BEFORE.inputs), dict(BEFORE.config), BEFORE.version)) == ""


def test_every_difference_has_its_name() -> None:
    after = Ingredients(
        {"tokens": "other", "base": "c"}, {"seed": 1, "depth": 6, "deep": {"x": 1, "y": [2]}, "new": None}, "0.1+bb"
    )
    assert changes(BEFORE, after).split(", ")[:2] == ["depth (4 → 6)", "deep.y ([1"]
    for said in (
        "deep.y ([1, 2] → [2])",
        'text ("t" → not there)',
        "new (not there → null)",
        "what is in tokens",
        "the input tokenizer, which is no longer one",
        "and 2 more",  # another input, and the code
    ):
        assert said in changes(BEFORE, after)
    assert changes(BEFORE, Ingredients(BEFORE.inputs, BEFORE.config, "0.1+bb")) == "the code it uses (0.1+aa → 0.1+bb)"


def test_long_values_are_cut() -> None:
    after = Ingredients(BEFORE.inputs, {**BEFORE.config, "text": "x" * 1000}, BEFORE.version)
    assert len(changes(BEFORE, after)) < 100
