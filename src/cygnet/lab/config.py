"""What a task file says. Nothing here is heavy."""

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from cygnet.lab.equipment import ToolName
from cygnet.settings.section import Section


class ColumnsConfig(Section):
    """What the columns of the examples are called."""

    input: str = Field("input", description="the question")
    answer: str = Field("answer", description="the right answer")
    reasoning: str = Field("reasoning", description="the steps that lead to it, for few-shot chains of thought")


class CheckConfig(Section):
    """How an answer is read out of what the model wrote, and when it is right."""

    kind: Literal["exact", "number", "regex", "choice", "json-schema", "python"] = Field(
        "exact", description="what an answer is; all but `python` are compared with the example's own"
    )
    after: str = Field("", description='the answer stands behind these words, such as "Answer:"; none: anywhere')
    choices: tuple[str, ...] = Field((), description="choice: what can be answered")
    pattern: str = Field("", description="regex: what the answer looks like; its first group, if any, is the answer")
    schema_file: str = Field("", description="json-schema: path of the schema, from the task file")
    function: str = Field(
        "", description='python: "module:function", called with question and answer, and the right answer if it takes 3'
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {"choice": "choices", "regex": "pattern", "json-schema": "schema_file", "python": "function"}
        for kind, key in needs.items():
            if (kind == self.kind) != bool(getattr(self, key)):
                wrong = "needs" if kind == self.kind else f"is {self.kind!r} and has no use for"
                raise ValueError(f"kind {wrong} `{key}`")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern is no regular expression: {error}") from error
        return self


class AskingConfig(Section):
    """How the model is asked."""

    form: Literal["chat", "document"] = Field("chat", description="`document` for a base model")
    instructions: str = Field("", description="what to do with the question; stands before it")
    topic: str = Field("", description='what the persona is an expert on ("mental arithmetic"); none: no persona')
    persona: str = Field("You are a leading expert on {topic}.", description="with the hole {topic}")
    max_new_tokens: int = Field(64, ge=1, description="longest answer, in tokens")
    reasoning_tokens: int = Field(256, ge=1, description="longest reasoning, in tokens")
    shots: int = Field(4, ge=0, description="examples shown before a question; 0: none")
    samples: int = Field(8, ge=3, description="answers drawn for a vote, and for the best of n")
    temperature: float = Field(0.7, gt=0, description="of those samples")
    tools: tuple[ToolName, ...] = Field((), description="what an agent may use")
    index: str = Field("", description="an index of documents that `cygnet index` made, its path from the task file")
    passages: int = Field(3, ge=1, description="how many passages from it are shown")
    search_tokens: int = Field(8192, ge=1, description="most tokens that a search reads and writes for a question")
    logprobs: bool = Field(False, description="the endpoint tells log-probabilities (models on this machine do)")

    @model_validator(mode="after")
    def _hole(self) -> Self:
        if "{topic}" not in self.persona:
            raise ValueError("persona has no hole {topic}: write it where the topic belongs")
        return self


class ItemsConfig(Section):
    """How the examples are used."""

    pool: int = Field(16, ge=0, description="examples kept to be shown, never measured; at most a quarter of all")
    held_out: float = Field(0.5, gt=0, lt=1, description="share of the others that only the picks are measured on")
    most: int | None = Field(None, ge=20, description="use no more than this many examples, drawn at random")


class PricesConfig(Section):
    """Money for a million tokens."""

    prompt: float = Field(0.0, ge=0, description="read")
    cached: float | None = Field(None, ge=0, description="read, but found in the server's cache; none: as `prompt`")
    completion: float = Field(0.0, ge=0, description="written")
    currency: str = Field("$", description="what the money is called")

    @property
    def are_set(self) -> bool:
        """Whether anything costs anything."""
        return self.prompt + self.completion > 0


class BudgetConfig(Section):
    """What the lab may take in all, over all its runs in one folder."""

    money: float | None = Field(None, gt=0, description="in the currency of the prices")
    tokens: int | None = Field(None, ge=1, description="read and written together")


class TaskConfig(Section):
    """A task: examples, and what may be tried on them."""

    examples: str = Field(description="a JSON Lines file, its path from the task file")
    name: str = Field("task", pattern=r"^[\w][\w.-]*$", description="names the folder; by default the task file's name")
    margin: float = Field(1.0, ge=0, lt=100, description="points that the cheapest may be behind the best")
    seed: int = Field(1, ge=0, description="of the split and of all sampling")
    columns: ColumnsConfig = ColumnsConfig()
    check: CheckConfig = CheckConfig()
    asking: AskingConfig = AskingConfig()
    items: ItemsConfig = ItemsConfig()
    prices: PricesConfig = PricesConfig()
    budget: BudgetConfig = BudgetConfig()

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.budget.money is not None and not self.prices.are_set:
            raise ValueError("budget.money needs prices: without them nothing is ever spent")
        return self
