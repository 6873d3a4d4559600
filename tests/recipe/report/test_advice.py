"""Every rule speaks when its trouble is there, and is silent when it is not."""

import json

import pytest

from cygnet.files import write_jsonl
from cygnet.recipe.report.advice import advise
from cygnet.recipe.report.data import gather


def titles(run):
    return [advice.title for advice in advise(gather(run))]


def log(run, stage, events):
    write_jsonl(run / f"metrics/{stage}.jsonl", events)


def test_problems_come_first(run):
    assert titles(run) == [
        "The source “tasks” is repeated more than four times",
        "Task families answered right less than half the time: 1 of 10",
        "RL and best-of-4 cannot be told apart on the ladder",
        "Pretraining was still improving when it ended",
    ]


def set_metric(stage, **values):
    def change(run, edit):
        edit(run / "lineage.json", lambda lineage: lineage["stages"][stage]["metrics"].update(values))

    return change


def rl_events(key, values, kind="step"):
    def change(run, edit):
        log(run, "rl", [{"event": kind, "step": i, "reward": i, key: value} for i, value in enumerate(values)])

    return change


def memorize(run, edit):
    losses = [1.0, 0.8, 0.9]
    log(run, "sft", [{"event": "eval", "step": i, "heldout_loss": loss} for i, loss in enumerate(losses)])


def tie(run, edit):
    edit(run / "arena/ladder.json", lambda ladder: ladder.update(tie_rate=0.6))


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (set_metric("pretrain", heldout_bits_per_byte=2.4), "The base model compresses no better than xz"),
        (set_metric("reward", heldout_pair_accuracy=0.62), "The reward model is a weak judge"),
        (set_metric("rl", gain_ci95=[-0.01, 0.04]), "The gain of RL is not clear of zero"),
        (rl_events("length", [30.0] * 5 + [45.0] * 5), "RL makes answers longer"),
        (rl_events("entropy", [0.5] * 5 + [0.1] * 5), "The policy has lost most of its variety"),
        (rl_events("gold", [0.5, 0.7, 0.6], "eval"), "RL climbs its reward while the gold score falls"),
        (memorize, "SFT has begun to memorize its conversations"),
        (tie, "Most games are ties"),
    ],
)
def test_each_trouble_is_found(run, edit, change, title):
    assert title not in titles(run)
    change(run, edit)
    assert title in titles(run)


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (rl_events("length", [30.0] * 5 + [33.0] * 5), "RL makes answers longer"),
        (rl_events("length", [30.0, 60.0]), "RL makes answers longer"),
        (rl_events("gold", [0.5, 0.6, 0.7], "eval"), "RL climbs its reward while the gold score falls"),
    ],
    ids=["a little longer", "too short to tell", "gold rises too"],
)
def test_small_or_healthy_changes_are_not_reported(run, edit, change, title):
    change(run, edit)
    assert title not in titles(run)


def test_a_finished_curve_is_not_called_unfinished(run):
    rows = [json.loads(line) for line in (run / "metrics/pretrain.jsonl").read_text().splitlines()]
    for row in rows:
        if row["event"] == "eval" and row["step"] > 700:
            row["heldout_bits_per_byte"] = 1.5
    log(run, "pretrain", rows)
    assert "Pretraining was still improving when it ended" not in titles(run)
