"""report.html stands alone and is safe, report.json has its keys, and both work at any moment of a run."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from cygnet.errors import UserError
from cygnet.recipe.report import build_report

VOID = {"meta", "link", "br", "path", "use", "rect"}
FETCHING = {"src", "srcset", "poster", "data", "action", "background"}
SECTIONS = [
    "What was run", "The ladder", "Data mixture", "Tokenizer", "Pretraining", "Samples over training",
    "Supervised fine-tuning", "Reward model", "Reinforcement learning", "The same prompts across stages",
    "Token probabilities of one answer", "What to look at next",
]  # fmt: skip


class Page(HTMLParser):
    """Balanced tags, unique ids, and everything that a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.fetched, self.tags = [], [], [], [], []
        self.headings, self.text = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a":
            self.links.append(values["href"])
        self.fetched += [value for name, value in attrs if name in FETCHING]
        self.fetched += [values["href"]] if tag == "link" else []
        self.fetched += re.findall(r"url\(([^)#][^)]*)\)", values.get("style") or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def page_of(run):
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_page_is_one_well_formed_file_that_fetches_nothing(run):
    build_report(run)
    text = page_of(run)
    page = Page(text)
    assert page.open == []
    assert page.fetched == ["data:,"]
    assert re.search(r"https?://|@import|\bfetch\(|XMLHttpRequest|url\(\s*['\"]?(?!#)", text) is None
    assert len(page.ids) == len(set(page.ids))
    assert page.headings == SECTIONS
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(text) < 1_000_000


def test_every_reference_inside_the_page_points_at_something(run):
    build_report(run)
    text = page_of(run)
    used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", text))
    assert len(used) > 30
    assert {first or second for first, second in used} <= set(Page(text).ids)


def test_the_report_has_its_numbers(run):
    result = build_report(run)
    assert json.loads((run / "report.json").read_text()) == result
    assert result["recipe"] == "pocket"
    assert result["seconds"] == pytest.approx(555.9)
    assert set(result["machine"]) == {"cpu", "cores", "memory_gb", "torch"}
    stages = result["stages"]
    assert stages["corpus"]["documents"] == 32_305
    assert stages["corpus"]["tokens_by_source"] == {"docs": 3_000_000, "code": 3_000_000, "tasks": 4_000_000}
    assert stages["corpus"]["proportions"] == {"docs": 0.3, "code": 0.3, "tasks": 0.4}
    assert stages["pretrain"] == {
        "parameters": 942_336, "tokens": 9_830_400, "tokens_per_second": 26_412.5,
        "heldout_bits_per_byte": 1.469, "xz_bits_per_byte": 2.304,
    }  # fmt: skip
    assert stages["sft"]["heldout_task_accuracy"] == 0.826
    assert stages["sft"]["by_family"]["passage"] == 0.31
    assert stages["reward"] == {"comparisons": 2_400, "heldout_pair_accuracy": 0.768, "ci95": [0.741, 0.794]}
    assert set(stages["rl"]) == {"gold_before", "gold_after", "gain_ci95", "reward_before", "reward_after", "kl"}
    assert [row["player"] for row in result["ladder"]] == ["rl", "best-of-4", "sft", "base"]
    assert set(result["ladder"][0]) == {"player", "elo", "ci95", "games"}


def test_what_models_and_documents_say_is_text_not_markup(run, edit):
    attack = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&amp;"

    def poison(value):
        if isinstance(value, dict):
            return {key: poison(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [poison(inner) for inner in value]
        return f"{value} {attack}" if isinstance(value, str) else value

    def lines(path, keep=("event",)):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        poisoned = [{key: value if key in keep else poison(value) for key, value in row.items()} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in poisoned))

    lines(run / "arena/stages.jsonl")
    lines(run / "comparisons/heldout.jsonl")
    lines(run / "metrics/pretrain.jsonl")
    for name in ("arena/probabilities.json", "corpus/stats.json", "recipe.json"):
        edit(run / name, lambda value: value.update(poison(value)))
    edit(run / "lineage.json", lambda value: value["machine"].update(cpu=attack))
    edit(run / "lineage.json", lambda value: value.update(recipe=attack))
    build_report(run)
    page = Page(page_of(run))
    assert page.open == []
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert "".join(page.text).count(attack) > 30


@pytest.mark.parametrize(
    ("missing", "gone"),
    [
        (["arena"], {"The ladder", "The same prompts across stages", "Token probabilities of one answer"}),
        (["metrics/rl.jsonl"], {"Reinforcement learning"}),
        (["metrics/reward.jsonl", "comparisons"], {"Reward model"}),
        (["metrics/sft.jsonl"], {"Supervised fine-tuning"}),
        (["tokenizer"], {"Tokenizer"}),
        (["corpus", "tokens"], {"Data mixture"}),
        (["tokens"], {"Data mixture"}),
    ],
)
def test_a_missing_stage_is_said_to_be_missing(run, missing, gone):
    for name in missing:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    build_report(run)
    page = Page(page_of(run))
    assert page.headings == SECTIONS
    sections = page_of(run).split("<section ")[1:]
    absent = {title for title, section in zip(SECTIONS, sections, strict=True) if "has not run yet" in section}
    assert absent == gone


def test_an_empty_run_directory_gets_a_page_that_says_so(tmp_path):
    (tmp_path / "recipe.json").write_text("{}")
    result = build_report(tmp_path)
    assert result["stages"] == dict.fromkeys(("corpus", "pretrain", "sft", "reward", "rl"))
    assert result["ladder"] is None
    assert result["verdict"] == "This run has not produced a model yet."
    assert Page(page_of(tmp_path)).headings == SECTIONS


def test_a_folder_that_is_no_run_keeps_its_report(tmp_path):
    (tmp_path / "report.html").write_text("something of the user's")
    with pytest.raises(UserError, match=r"is not a run directory: it has neither recipe\.json nor lineage\.json"):
        build_report(tmp_path)
    assert page_of(tmp_path) == "something of the user's"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_stage_under_way_is_shown_up_to_its_last_whole_line(run, edit):
    metrics = run / "metrics/pretrain.jsonl"
    metrics.write_text(metrics.read_text()[:2_000])
    edit(run / "lineage.json", lambda value: value["stages"].pop("pretrain"))
    result = build_report(run)
    assert result["stages"]["pretrain"] is None
    assert "Training loss" in page_of(run)


def test_the_same_run_gives_the_same_bytes(run):
    build_report(run)
    first = page_of(run), (run / "report.json").read_bytes()
    build_report(run)
    assert (page_of(run), (run / "report.json").read_bytes()) == first


def test_damage_is_named(run):
    with pytest.raises(UserError, match="nowhere is not a run directory"):
        build_report(run / "nowhere")
    (run / "metrics/rl.jsonl").write_text("not json\n")
    with pytest.raises(UserError, match=r"rl\.jsonl is not JSON Lines"):
        build_report(run)
    (run / "corpus/stats.json").write_text("[]")
    with pytest.raises(UserError, match=r"stats\.json: expected an object, found list"):
        build_report(run)


def test_a_stage_that_reported_no_numbers_leaves_dashes(run, edit):
    def forget(lineage):
        for stage in lineage["stages"].values():
            stage["metrics"] = {}

    edit(run / "lineage.json", forget)
    result = build_report(run)
    assert result["stages"]["rl"] == dict.fromkeys(result["stages"]["rl"])
    assert "Gold score gained by RL" not in page_of(run)
