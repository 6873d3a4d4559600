"""Ways of asking a model, measured on your task: accuracy against cost, and which to use."""

from typing import TYPE_CHECKING

from cygnet.lazy import importer

if TYPE_CHECKING:
    from cygnet.lab.equipment import IndexFile, make_tool
    from cygnet.lab.export import load_technique
    from cygnet.lab.lora import Adapted, AdapterFolder
    from cygnet.lab.models import find_model
    from cygnet.lab.readers import ReadChoice, ReadJson, ReadNumber, ReadPattern, ReadText
    from cygnet.lab.rehearsal import rehearse
    from cygnet.lab.run import run_lab
    from cygnet.lab.selectors import Similar
    from cygnet.lab.steps import StepSearch
    from cygnet.lab.task import Task, load_task
    from cygnet.lab.verifiers import FitsSchema, MatchesPattern, PythonCheck

_HOME = {
    "Adapted": "cygnet.lab.lora",
    "AdapterFolder": "cygnet.lab.lora",
    "FitsSchema": "cygnet.lab.verifiers",
    "IndexFile": "cygnet.lab.equipment",
    "MatchesPattern": "cygnet.lab.verifiers",
    "PythonCheck": "cygnet.lab.verifiers",
    "ReadChoice": "cygnet.lab.readers",
    "ReadJson": "cygnet.lab.readers",
    "ReadNumber": "cygnet.lab.readers",
    "ReadPattern": "cygnet.lab.readers",
    "ReadText": "cygnet.lab.readers",
    "Similar": "cygnet.lab.selectors",
    "StepSearch": "cygnet.lab.steps",
    "Task": "cygnet.lab.task",
    "find_model": "cygnet.lab.models",
    "load_task": "cygnet.lab.task",
    "load_technique": "cygnet.lab.export",
    "make_tool": "cygnet.lab.equipment",
    "rehearse": "cygnet.lab.rehearsal",
    "run_lab": "cygnet.lab.run",
}

__all__ = [
    "Adapted",
    "AdapterFolder",
    "FitsSchema",
    "IndexFile",
    "MatchesPattern",
    "PythonCheck",
    "ReadChoice",
    "ReadJson",
    "ReadNumber",
    "ReadPattern",
    "ReadText",
    "Similar",
    "StepSearch",
    "Task",
    "find_model",
    "load_task",
    "load_technique",
    "make_tool",
    "rehearse",
    "run_lab",
]

__getattr__ = importer(__name__, _HOME)
