"""Ways of asking a language model: each a small program, all with one result type."""

from cygnet.techniques.base import Answer, Ask, Program, Step, Technique, run_programs, step, together
from cygnet.techniques.best_of_n import BestOf
from cygnet.techniques.chain_of_thought import ChainOfThought, FewShotChainOfThought
from cygnet.techniques.examples import Example, select_diverse, select_random, select_similar
from cygnet.techniques.forms import Chat, Document
from cygnet.techniques.parsing import Parser, after, first_line, json_object, last_number, one_of, whole
from cygnet.techniques.plan_and_execute import PlanAndExecute
from cygnet.techniques.prompting import FewShot, Persona, Plain
from cygnet.techniques.react import ReAct, Transcript
from cygnet.techniques.reflection import Check, Reflect
from cygnet.techniques.routing import Disagreement, LowMargin, NoAnswer, Route
from cygnet.techniques.self_consistency import Vote
from cygnet.techniques.templates import Template

__all__ = [
    "Answer",  # what every technique returns
    "Ask",  # one request of a program
    "BestOf",  # several answers, and a judge that picks one
    "ChainOfThought",  # reason, then answer, in two requests
    "Chat",  # prompts as messages
    "Check",  # what is wrong with an answer, or None
    "Disagreement",  # doubt a fast answer on which samples disagree
    "Document",  # prompts as documents, for base models
    "Example",  # a question with its right answer
    "FewShot",  # one request after worked examples
    "FewShotChainOfThought",  # one request after examples that reason
    "LowMargin",  # doubt a fast answer with a close call in it
    "NoAnswer",  # doubt a fast answer that is none
    "Parser",  # text to value, or None
    "Persona",  # "you are a leading expert on ..."
    "Plain",  # one request
    "PlanAndExecute",  # steps first, each carried out by another technique
    "Program",  # a generator of asks that returns an answer
    "ReAct",  # thought, action, observation, until the answer
    "Reflect",  # "did you meet the assignment?", and revise
    "Route",  # fast, and slowly only where that is doubtful
    "Step",  # one entry of a trace
    "Technique",  # what all of them are
    "Template",  # fixed words with holes, each filled with a value of a type
    "Transcript",  # an agent's prompts, for base models
    "Vote",  # the majority of several answers
    "after",  # parser: what follows a marker
    "first_line",  # parser: of the first line alone
    "json_object",  # parser: the last JSON object
    "last_number",  # parser: the last number, exactly
    "one_of",  # parser: one of some choices
    "run_programs",  # run programs to their ends
    "select_diverse",  # examples like the question and unlike each other
    "select_random",  # examples at random
    "select_similar",  # examples most like the question
    "step",  # an entry for the trace that asks nothing
    "together",  # programs side by side inside another
    "whole",  # parser: the text itself
]
