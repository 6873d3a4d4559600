"""Tree search over states: a beam, depth first, Monte Carlo; and what it is worth beside plain sampling."""

from cygnet.techniques.search.comparison import Row, compare
from cygnet.techniques.search.explorer import Search
from cygnet.techniques.search.monte_carlo import MonteCarloSearch
from cygnet.techniques.search.problem import Problem, playouts, random_values
from cygnet.techniques.search.thoughts import Chain, as_lines, as_turns, thoughts
from cygnet.techniques.search.tree_of_thoughts import BeamSearch, DepthFirstSearch
from cygnet.techniques.search.values import Odds, Verdicts

__all__ = [
    "BeamSearch",  # level by level, the best states of each (breadth first without a width)
    "Chain",  # a question and the thoughts so far
    "DepthFirstSearch",  # the most promising path to its end first, with pruning
    "MonteCarloSearch",  # by upper confidence bounds on the mean value below a state
    "Odds",  # value: how much likelier the model says yes than no
    "Problem",  # what is searched
    "Row",  # one way's score in a comparison
    "Search",  # what all searches are
    "Verdicts",  # value: what the model says of a state in words
    "as_lines",  # prompt: a thought a line
    "as_turns",  # prompt: a thought a message
    "compare",  # a search beside random values and best of k at the same tokens
    "playouts",  # value: how often random play ends well
    "random_values",  # value: none, as a control
    "thoughts",  # a problem whose steps the model writes
]
