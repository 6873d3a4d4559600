"""A ranking of any models on any prompts, judged by the rubric or by a reward model."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cygnet.arena.matches import Judge, Row, prompt_id
from cygnet.arena.players import Chat
from cygnet.arena.rank import rank
from cygnet.corpus.tasks import Exercise
from cygnet.errors import UserError
from cygnet.feedback.rubric import RubricJudge
from cygnet.files import read_jsonl, write_aside
from cygnet.generation import Sampling
from cygnet.lm import Reply, RewardModel, load, load_reward
from cygnet.model.adapter_folder import model_folder_of
from cygnet.stages.config import RankConfig
from cygnet.tokens.chat import read_messages
from cygnet.tokens.tokenizer import check_same_tokenizer
from cygnet.training.loop import prepare_machine
from cygnet.training.work import Work


def rank_any(
    models: Mapping[str, Path], prompts: Path, reward: Path | None, out: Path, config: RankConfig, work: Work
) -> dict[str, Any]:
    """Let language models answer the prompts of a JSON Lines file and write matches.jsonl and ladder.json to `out`.

    Rows are {"prompt": [messages]}; without a reward model as judge they must carry an "exercise" too.

    Raises:
        UserError: for rows whose prompt is not messages, or without an exercise when nothing else can judge.
    """
    prepare_machine(work.threads)
    rows = read_jsonl(prompts)[: config.prompts]
    _check_rows(prompts, rows, exercises=reward is None)
    sampling = Sampling(temperature=config.temperature, seed=work.seed)
    answers = {
        name: Chat(load(model), sampling).answers([row["prompt"] for row in rows]) for name, model in models.items()
    }
    judge: Judge = RubricJudge()
    if reward:
        for model in models.values():
            check_same_tokenizer(model_folder_of(model), model_folder_of(reward))
        judge = RewardJudge(load_reward(reward), rows, answers.values())
    texts = {name: [answer.text for answer in found] for name, found in answers.items()}
    with write_aside(out) as temporary:
        result = rank(texts, rows, judge, temporary, work.seed, bootstrap=config.bootstrap)
    return {row["player"]: [row["elo"], *row["ci95"]] for row in result["ladder"]}


class RewardJudge:
    """Prefers the answer with the higher reward. Each was scored on its own, so the order can't matter."""

    name = "reward model"

    def __init__(self, model: RewardModel, rows: Sequence[Row], answers: Iterable[Sequence[Reply]]) -> None:
        prompts = [row["prompt"] for row in rows]
        self._scores = {
            (prompt_id(row), answer.text): score
            for found in answers
            for row, answer, score in zip(rows, found, model.score(prompts, found), strict=True)
        }

    def compare(self, row: Row, left: str, right: str) -> float:
        """1 when `left` scores higher, 0 when `right` does, 0.5 when they score the same."""
        difference = self._scores[prompt_id(row), left] - self._scores[prompt_id(row), right]
        return 0.5 if difference == 0 else float(difference > 0)


def _check_rows(path: Path, rows: Sequence[Row], exercises: bool) -> None:
    for number, row in enumerate(rows, 1):
        try:
            _check_row(row, exercises)
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from error


def _check_row(row: Row, exercises: bool) -> None:
    if "prompt" not in row:
        raise UserError("prompt missing.")
    read_messages(row["prompt"])
    if exercises and "exercise" not in row:
        raise UserError("exercise missing. Give a reward model as the judge (--reward), or rows with exercises.")
    if exercises:
        Exercise.from_json(row["exercise"])
