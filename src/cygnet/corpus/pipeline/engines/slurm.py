"""Slurm: an array of jobs, each of which does every n-th task (https://slurm.schedmd.com/job_array.html)."""

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cygnet.corpus.pipeline.engines import Told
from cygnet.corpus.pipeline.task import Task, is_done
from cygnet.errors import UserError
from cygnet.files import write_aside, write_jsonl

_POLL = 5.0  # seconds between looks at what is done
_MOST = 1_000  # jobs of an array: what most clusters allow
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "DEADLINE", "BOOT_FAIL"}


@dataclass(frozen=True)
class Slurm:
    """workers: jobs of an array at most. Its machines must see the same files, and this Python at the same place."""

    workers: int

    def run(self, tasks: Sequence[Task], done: Told) -> None:
        """See `Engine`. Without `sbatch` on this machine the script is written, and the error says where."""
        if not tasks:
            return
        folder = Path(tasks[0].output).parent
        script = write_script(tasks, folder, min(self.workers, len(tasks), _MOST))
        print(f"cygnet: {len(tasks)} tasks: {script}")
        if shutil.which("sbatch") is None:
            raise UserError(
                f"there is no sbatch here. Submit {script} where there is one; when its jobs have ended, "
                "run the same command again: it goes on."
            )
        job = _ask("sbatch", "--parsable", str(script))
        if job.returncode:
            raise UserError(f"sbatch refuses {script}: {job.stderr.strip()}")
        self._wait(job.stdout.strip().partition(";")[0], tasks, folder, done)

    def cluster(self) -> None:
        """It has none."""

    def close(self) -> None:
        """Nothing outlives a run."""

    def _wait(self, job: str, tasks: Sequence[Task], folder: Path, done: Told) -> None:
        """Until all tasks are done, or no job is left that could do them."""
        waiting = list(tasks)
        while True:
            ended = _has_ended(job)
            for task in [task for task in waiting if is_done(task)]:
                waiting.remove(task)
                done(task)
            if not waiting:
                return
            if ended:
                raise UserError(
                    f"Slurm's job {job} has ended, and {len(waiting)} tasks are not done, the first of them "
                    f"{waiting[0].output}. Its words are in {folder}/slurm-{job}_*.out; the same command goes on."
                )
            time.sleep(_POLL)


def write_script(tasks: Sequence[Task], folder: Path, jobs: int) -> Path:
    """The array's script, and the list of tasks beside it that it reads."""
    listed, script = folder / "slurm-tasks.jsonl", folder / "slurm-array.sh"
    write_jsonl(listed, (asdict(task) for task in tasks))
    command = shlex.join([sys.executable, "-m", "cygnet", "corpus", "work", str(listed.resolve())])
    with write_aside(script) as temporary:
        temporary.write_text(
            f"#!/bin/bash\n#SBATCH --job-name=cygnet-{tasks[0].stage}\n#SBATCH --array=0-{jobs - 1}\n"
            f"#SBATCH --chdir={shlex.quote(str(Path.cwd()))}\n"
            f"#SBATCH --output={shlex.quote(str(folder.resolve()))}/slurm-%A_%a.out\n"
            f"{command} --rank $SLURM_ARRAY_TASK_ID --world {jobs}\n",
            encoding="utf-8",
        )
    return script


def _has_ended(job: str) -> bool:
    """Whether none of an array's jobs waits or runs any more."""
    asked = _ask("squeue", "--noheader", "--job", job, "--format=%T")
    if asked.returncode:  # Slurm forgets a job some minutes after its end; that it is only busy can't be told apart
        return "Invalid job id" in asked.stderr
    return all(state in _ENDED for state in asked.stdout.split())


def _ask(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - Slurm's own programs
