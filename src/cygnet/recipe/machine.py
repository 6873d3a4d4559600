"""What machine a run was made on."""

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from cygnet.training.world import launched_here


@cache
def machine_facts() -> dict[str, Any]:
    """Processor, cores this process may use, memory in GiB, and versions (torch's without importing it)."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _processor(),
        "cores": available_cores(),
        "memory_gb": round(memory / 2**30, 1),
        "torch": metadata.version("torch"),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def available_cores() -> int:
    """Cores this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores_each() -> int:
    """Cores for each of the processes that were started together on this machine."""
    return max(1, available_cores() // launched_here())


def processor_of(device: str) -> str:
    """What computes there: this machine's processor (`cpu`), or the GPU of that number (`cuda:0`)."""
    if device == "cpu":
        return str(machine_facts()["cpu"])
    import torch  # not before: it takes a second, and who computes on a GPU has it

    return torch.cuda.get_device_name(device)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    return platform.processor() or platform.machine()
