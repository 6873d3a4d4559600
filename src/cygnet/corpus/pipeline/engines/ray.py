"""Ray: workers of this machine, or of a cluster whose machines share the files (https://docs.ray.io)."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cygnet.corpus.pipeline.engines import Told
from cygnet.corpus.pipeline.stages import carry_out
from cygnet.corpus.pipeline.task import Task
from cygnet.errors import UserError


@dataclass(frozen=True)
class Ray:
    """address: of a cluster, or None for one of `workers` processes that lives as long as the build."""

    address: str | None
    workers: int

    def run(self, tasks: Sequence[Task], done: Told) -> None:
        """See `Engine`. A task whose worker or machine is lost runs again elsewhere, three times at most."""
        ray = self._ray()
        try:
            remote = ray.remote(max_retries=3)(carry_out)
            running = {remote.remote(task): task for task in tasks}
            while running:
                (ready,), _ = ray.wait(list(running), num_returns=1)
                ray.get(ready)
                done(running.pop(ready))
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from error
            raise
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise UserError(
                f"Ray could not end its tasks: {_words(error)} Look at `ray status`, and whether memory or the disk is "
                "full; then run the same command again: it goes on where it stopped."
            ) from error

    def cluster(self) -> str:
        """See `Engine`."""
        ray = self._ray()
        return self.address or str(ray.get_runtime_context().gcs_address)

    def close(self) -> None:
        """Leave the cluster, or end that of our own."""
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()

    def _ray(self) -> Any:
        """The package, connected: starting takes seconds, so it is done once for all stages."""
        try:
            import ray
        except ImportError as error:
            raise UserError("the engine ray needs its package: pip install 'cygnet[ray]'.") from error
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            where = (
                {"address": self.address}
                if self.address
                else {"address": "local", "num_cpus": self.workers, "include_dashboard": False}
            )
            try:
                ray.init(**where, configure_logging=False, log_to_driver=False)
            except ImportError as error:
                raise UserError("a cluster at ray:// needs gRPC, too: pip install 'cygnet[ray]'.") from error
            except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
                at = f"the Ray cluster at {self.address}" if self.address else "Ray on this machine"
                raise UserError(
                    f"could not reach {at}: {_words(error)} Check that it runs (`ray start --head`), that the address "
                    "is its client server's (port 10001), and that its Ray and Python are of this version."
                ) from error
        return ray


def _words(error: Exception) -> str:
    """The first line of what an error says, which mostly has a log behind it, as a sentence."""
    said = str(error).strip().partition("\n")[0][:300].rstrip(".:")
    return f"{said or type(error).__name__}."
