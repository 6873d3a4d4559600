"""The action line of an agent, `Action: tool {"argument": value}`: how it is read, and as a grammar."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from cygnet.generation.constraint import Constraint
from cygnet.generation.json_schema import prepared
from cygnet.techniques.tools.tool import Tool

FINISH = "finish"
MARKER = "Action:"

_BEGUN = re.compile(rf"^{MARKER}", re.MULTILINE)
_LINE = re.compile(rf"^{MARKER} *(\w+) *(\{{.*\}}) *$", re.MULTILINE)
_ANSWER = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


class Action(NamedTuple):
    """A tool and its arguments; "finish" with the argument "answer" ends the work."""

    tool: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.tool} {json.dumps(self.arguments, ensure_ascii=False, sort_keys=True)}"


def read_action(text: str) -> Action | str:
    """The one action in what the model wrote, or what is wrong with it. Nothing is guessed."""
    begun = len(_BEGUN.findall(text))
    if begun != 1:
        return "no line begins with Action:" if not begun else f"there are {begun} actions, not one"
    line = _LINE.search(text)
    if line is None:
        return "the action is not a tool's name and then its arguments as a JSON object in the same line"
    if text[line.end() :].strip():
        return "something stands after the action"
    try:
        return Action(line[1], json.loads(line[2], parse_constant=_refuse))
    except (ValueError, RecursionError) as error:
        return f"the arguments are not JSON: {error}"


def action_grammar(tools: Sequence[Tool]) -> Constraint:
    """Lets the model think freely, and then write an action of one of `tools`, or finish, with right arguments.

    Raises UserError when a tool's arguments have types that a grammar can't enforce.
    """
    schemas = [(tool.name, tool.parameters) for tool in tools] + [(FINISH, _ANSWER)]
    rules = [f"start: {' | '.join(f'call_{i}' for i in range(len(schemas)))}"]
    for i, (name, schema) in enumerate(schemas):
        rules.append(f'call_{i}: "{name} " %json {json.dumps(prepared(schema))}')
    return Constraint.lark("\n".join(rules), after=f"{MARKER} ")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
