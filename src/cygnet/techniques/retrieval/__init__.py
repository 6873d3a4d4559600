"""Retrieval: an index of files, searched by words and by meaning, and answers with citations from what is found."""

from cygnet.techniques.retrieval.build import Built, build_index
from cygnet.techniques.retrieval.chunks import Size
from cygnet.techniques.retrieval.citations import check_citations, cited_numbers, says
from cygnet.techniques.retrieval.dial import Setting, dial_table, measure_dial
from cygnet.techniques.retrieval.retrieve import PROMPTS, RELIANCES, Reliance, Retrieve
from cygnet.techniques.retrieval.search import Hit, Index, Searcher
from cygnet.techniques.retrieval.store import Chunk
from cygnet.techniques.retrieval.tool import search_tool

__all__ = [
    "PROMPTS",  # what `Retrieve` says to the model, by reliance
    "RELIANCES",  # the settings of the dial
    "Built",  # what `build_index` did
    "Chunk",  # a passage and where it is from
    "Hit",  # a chunk that was found, with its scores
    "Index",  # an index file, opened for searching
    "Reliance",  # one of RELIANCES
    "Retrieve",  # the technique: answers from an index
    "Searcher",  # whatever finds passages
    "Setting",  # one setting of the dial, measured
    "Size",  # of chunks
    "build_index",  # files to an index, or what has changed of them
    "check_citations",  # what is wrong with an answer's citations and quotations
    "cited_numbers",  # the passages an answer names
    "dial_table",  # the settings as a table
    "measure_dial",  # every setting on the same items
    "says",  # whether a text has some words on end
    "search_tool",  # searching as a tool, for agents
]
