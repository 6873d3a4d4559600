import json
import re
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_plan_is_a_table_with_its_sources(cygnet) -> None:
    outcome = cygnet("plan", "--dollars", 300, "--on", "h100")
    assert outcome.code == 0, outcome.err
    for words in ("3.99 an hour", "* chinchilla", "Hoffmann et al. 2022", "75.2 GPU-hours, $300", "one device"):
        assert words in outcome.out


def test_many_devices_have_a_line_for_each_sharding(cygnet) -> None:
    out = cygnet("plan", "--dollars", 20000, "--on", "a100-80", "--gpus", 64).out
    for sharding in ("DDP", "ZeRO-1", "ZeRO-2", "ZeRO-3 (FSDP2)"):
        assert f"\n{sharding} " in out
    assert "does not fit" in cygnet("plan", "--flops", 1e24, "--on", "rtx4090", "--gpus", 1).out


@pytest.mark.parametrize(("flops", "end"), [(1e40, "largest"), (1e12, "smallest")])
def test_a_plan_beyond_all_shapes_says_so(cygnet, flops: float, end: str) -> None:
    out = cygnet("plan", "--flops", flops, "--on", "h100").out
    assert re.search(rf"^  model .*\n +the {end} shape that is planned; the law asks for \S+$", out, re.MULTILINE)
    assert "the law asks" not in cygnet("plan", "--flops", 1e20, "--on", "h100").out


def test_a_small_plan_ends_in_a_command(cygnet) -> None:
    out = cygnet("plan", "--hours", 0.5).out
    command = re.search(r"^  cygnet (run pocket .*)$", out, re.MULTILINE)
    assert command
    shown = cygnet("recipe", "show", *command[1].split()[1:])
    assert shown.code == 0, shown.err


def test_a_plan_as_json_has_the_same_numbers(cygnet) -> None:
    values = json.loads(cygnet("plan", "--dollars", 300, "--on", "h100", "--json").out)
    assert values["plan"]["dollars"] == pytest.approx(300, rel=1e-3)
    assert values["plan"]["law"] == "chinchilla"
    assert values["plan"]["wanted"] == pytest.approx(values["plan"]["parameters"], rel=0.1)
    assert {option["law"] for option in values["options"]} >= {"kaplan", "refit", "pocket"}


def test_the_plot_stands_alone(cygnet, tmp_path: Path) -> None:
    assert cygnet("plan", "--flops", 1e20, "--on", "h100", "--out", tmp_path / "plan.svg").code == 0
    svg = (tmp_path / "plan.svg").read_text()
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox=')
    for words in (">kaplan</text>", ">chinchilla</text>", ">1.00e20 FLOPs</text>", "prefers-color-scheme: dark"):
        assert words in svg
    assert set(re.findall(r"var\((--\w+)\)", svg)) <= set(re.findall(r"(--\w+): #", svg))


def test_a_published_run_is_compared(cygnet) -> None:
    outcome = cygnet("plan", "--like", "llama-65b")
    assert outcome.code == 0
    assert re.search(r"^days on 2,048 A100 +21 +22\.9 +\+9 % +20 % +yes  the talk$", outcome.out, re.MULTILINE)
    rows = json.loads(cygnet("plan", "--like", "gpt-2", "--json").out)["rows"]
    assert {row["within"] for row in rows} == {True, False, None}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--like", "gpt-3", "--dollars", "3"], "besides it only --mfu and --json can be given"),
        (["--dollars", "3", "--flops", "1e20"], "one budget"),
        ([], "found none"),
        (["--dollars", "3"], "has no price"),
        (["--like", "bert"], "There are: llama-65b, gpt-3, gpt-2."),
    ],
)
def test_mistakes_are_one_sentence(cygnet, arguments: list[str], words: str) -> None:
    outcome = cygnet("plan", *arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert not outcome.out


def test_planning_for_other_hardware_needs_no_torch() -> None:
    program = (
        "import sys; from cygnet.cli.main import run_command; assert run_command(['plan', '--dollars', '9', '--on', "
        "'h100']) == 0; assert run_command(['plan', '--like', 'gpt-3']) == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
