"""The process that parses pages for `isolated`, under limits that the system itself enforces.

python -m cygnet.corpus.extraction.child EXTRACTOR MAIN_CONTENT CPU_SECONDS MEMORY_BYTES
"""

import importlib
import os
import resource
import signal
import sys
from typing import BinaryIO

from cygnet.corpus.extraction.frames import receive, send
from cygnet.corpus.extraction.page import ExtractionOptions, Page, read_page

NOT_INSTALLED = 69  # exit status: EX_UNAVAILABLE


def main(extractor: str, main_content: str, seconds: str, memory: str) -> None:
    """Answer one page after another until there are no more."""
    # what a parser prints must not get among the answers
    pages, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = int(memory) if most == resource.RLIM_INFINITY else min(int(memory), most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # a parser in native code can't be interrupted, but it can be ended: that is what an unhandled SIGPROF does
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; this one ends with its input
    try:
        importlib.import_module(extractor)
    except ImportError:
        sys.exit(NOT_INSTALLED)
    options = ExtractionOptions(extractor, main_content == "True")  # type: ignore[arg-type]
    _serve(pages, answers, options, float(seconds))


def _serve(pages: BinaryIO, answers: BinaryIO, options: ExtractionOptions, seconds: float) -> None:
    while (frame := receive(pages)) is not None:
        head, data = frame
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of CPU time: a busy machine must not lose pages
        found = read_page(data, head["kind"], head["charset"], options)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if isinstance(found, Page):
            send(answers, {"title": found.title, "charset": found.charset}, found.text.encode("utf-8", "replace"))
        else:
            send(answers, {"reason": found.reason, "detail": found.detail.encode("utf-8", "replace").decode()})


if __name__ == "__main__":
    main(*sys.argv[1:])
