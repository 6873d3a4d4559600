"""Where requests wait for the model: threads that answer them, several at once where they ask for the same."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt, Reply
from cygnet.server.errors import ApiError

_MOST_WAITING = 256
_TOGETHER = 16  # requests in a batch
_IN_FLIGHT = 32  # requests to an endpoint
_PATIENCE = 5.0  # seconds that threads get to end

_LOG = logging.getLogger(__name__)

Replies = list[list[Reply]]


class Job:
    """One request. Its queue gets pieces of text (if it is streamed), then the replies to each prompt, or an error.

    Prompt i is answered with the seed that is i higher, so equal prompts have answers of their own. scored: the prompts
    are not answered but are texts that get log-probabilities. Must be made on an event loop, and used there alone, but
    for `tell`.
    """

    def __init__(
        self, prompts: Sequence[Prompt], sampling: Sampling, n: int = 1, streamed: bool = False, scored: bool = False
    ) -> None:
        self.prompts, self.n, self.streamed, self.scored = list(prompts), n, streamed, scored
        self.samplings = [replace(sampling, seed=sampling.seed + place) for place in range(len(self.prompts))]
        self.settings = (replace(sampling, seed=0), n, streamed, scored)
        self.queue: asyncio.Queue[str | Replies | Exception] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it."""
        return self._cancelled.is_set()

    def tell(self, news: str | Replies | Exception) -> None:
        """Put something into its queue, from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self.queue.put_nowait, news)


class Desk:
    """Answers jobs in threads: one for a model on this machine, so that it never computes twice at a time; several for
    an endpoint. What is cancelled ends at the next token; a batch, once everybody has left who waits for it.
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model, self._open = model, True
        self._waiting: deque[Job] = deque()
        self._at_work: set[Job] = set()
        self._news = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"desk-{number}", daemon=True)
            for number in range(1 if model.local else _IN_FLIGHT)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job. Raises ApiError (503) when too many wait."""
        with self._news:
            if not self._open or len(self._waiting) >= _MOST_WAITING:
                raise ApiError(503, f"{len(self._waiting)} requests are waiting: try again later.", code="overloaded")
            self._waiting.append(job)
            self._news.notify()

    def close(self) -> None:
        """Cancel everything and end the threads; a batch under way is given a few seconds."""
        with self._news:
            self._open = False
            for job in (*self._waiting, *self._at_work):
                job.cancel()
            self._news.notify_all()
        for thread in self._threads:
            thread.join(_PATIENCE)

    def _work(self) -> None:
        while jobs := self._take():
            try:
                self._answer(jobs)
            finally:
                with self._news:
                    self._at_work.difference_update(jobs)

    def _take(self) -> list[Job]:
        """The next job, and those waiting that can share its batch; none when the desk is closed."""
        with self._news:
            while True:
                self._waiting = deque(job for job in self._waiting if not job.cancelled)
                if not self._open:
                    return []
                if self._waiting:
                    break
                self._news.wait()
            first = self._waiting[0]
            alone = first.streamed or first.scored or not self._model.local
            like = [job for job in self._waiting if job.settings == first.settings]
            jobs = [first] if alone else like[:_TOGETHER]
            self._waiting = deque(job for job in self._waiting if job not in jobs)
            self._at_work.update(jobs)
            return jobs

    def _answer(self, jobs: list[Job]) -> None:
        try:
            if jobs[0].scored:
                self._score(jobs[0])
            elif len(jobs) == 1 and len(jobs[0].prompts) == 1 and jobs[0].n == 1:
                self._follow(jobs[0])
            else:
                self._together(jobs)
        except UserError as error:
            if len(jobs) == 1:
                jobs[0].tell(error)
            else:  # one of them can't be answered: the others can
                for job in jobs:
                    self._answer([job])
        except Exception as error:  # noqa: BLE001 - whatever it is, the next request must find a thread
            _LOG.exception("a request failed")
            for job in jobs:
                job.tell(error)

    def _follow(self, job: Job) -> None:
        """One reply, token by token, for as long as anybody waits for it."""
        with closing(self._model.stream(job.prompts[0], job.samplings[0])) as pieces:
            while not job.cancelled:
                try:
                    piece = next(pieces)
                except StopIteration as end:
                    job.tell([[end.value]])
                    return
                if job.streamed:
                    job.tell(piece)

    def _together(self, jobs: list[Job]) -> None:
        prompts = [prompt for job in jobs for prompt in job.prompts]
        samplings = [sampling for job in jobs for sampling in job.samplings]
        replies = self._model.generate_until(lambda: all(job.cancelled for job in jobs), prompts, samplings, jobs[0].n)
        for job in jobs:
            own, replies = replies[: len(job.prompts)], replies[len(job.prompts) :]
            job.tell(own)

    def _score(self, job: Job) -> None:
        texts = [str(prompt) for prompt in job.prompts]
        top = job.samplings[0].logprobs or 0
        job.tell([[reply] for reply in self._model.score([""] * len(texts), texts, top)])
