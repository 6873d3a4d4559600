"""The plain sentences say what the numbers say."""

from cygnet.recipe.report.verdict import headline, verdict


def summary(**stages):
    nothing = dict.fromkeys(("corpus", "pretrain", "sft", "reward", "rl"))
    return {"recipe": "pocket", "seconds": None, "machine": None, "stages": nothing | stages, "ladder": None}


def ladder(base, sft, rl):
    rows = [("rl", *rl), ("sft", *sft), ("base", *base)]
    table = [{"player": name, "elo": (low + high) / 2, "ci95": [low, high], "games": 10} for name, low, high in rows]
    return summary() | {"ladder": sorted(table, key=lambda row: -row["elo"])}


def test_a_clear_ladder_is_called_clear():
    text = verdict(ladder(base=(700, 800), sft=(900, 1000), rl=(1100, 1200)))
    assert text.startswith("RL leads the ladder (RL 1,150, SFT 950, base 750).")
    assert "Each step of base < SFT < RL is clear" in text


def test_an_overlap_or_a_fall_is_called_unclear():
    assert "The step from SFT to RL is not clear" in verdict(ladder((700, 800), (900, 1000), (980, 1100)))
    fallen = verdict(ladder((700, 800), (1100, 1200), (900, 1000)))
    assert fallen.startswith("SFT leads")
    assert "The step from SFT to RL is not clear" in fallen


def test_compression_is_compared_in_the_right_direction():
    stage = {"parameters": 1, "tokens": 1, "tokens_per_second": 1.0, "heldout_bits_per_byte": 1.5}
    assert "25\N{NO-BREAK SPACE}% below xz" in verdict(summary(pretrain=stage | {"xz_bits_per_byte": 2.0}))
    assert "50\N{NO-BREAK SPACE}% above xz" in verdict(summary(pretrain=stage | {"xz_bits_per_byte": 1.0}))


def test_only_stages_that_ran_have_headline_numbers():
    assert headline(summary()) == []
    sft = {"heldout_task_accuracy": 0.8, "by_family": {"addition": 0.8}}
    assert [label for label, _, _ in headline(summary(sft=sft))] == ["Exercises right"]


def test_a_fall_of_the_gold_score_has_a_minus():
    rl = {"gold_before": 0.7, "gold_after": 0.6, "gain_ci95": [-0.2, 0.0]}
    assert "from 0.70 to 0.60 (−0.10)" in verdict(summary(rl=rl))
