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
        remote = ray.remote(max_retries=3)(carry_out)
        running = {remote.remote(task): task for task in tasks}
        while running:
            (ready,), _ = ray.wait(list(running), num_returns=1)
            try:
                ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, UserError):
                    raise error.cause from error
                raise
            done(running.pop(ready))

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
                {"address": self.address} if self.address else {"num_cpus": self.workers, "include_dashboard": False}
            )
            ray.init(**where, configure_logging=False, log_to_driver=False)
        return ray
