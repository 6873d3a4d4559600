import json
import subprocess
import sys

import pytest

from cygnet.recipe.machine import available_cores, machine_facts, processor_of


def test_facts_are_known_without_torch() -> None:
    code = """
import json, sys
from cygnet.recipe.machine import machine_facts
print(json.dumps([machine_facts(), "torch" in sys.modules]))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    facts, torch_loaded = json.loads(found)
    assert not torch_loaded
    assert facts == machine_facts()


def test_facts_make_sense() -> None:
    import torch

    facts = machine_facts()
    assert facts["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert facts["memory_gb"] > 0.5
    assert facts["cores"] == available_cores() >= 1
    assert facts["cpu"]


def test_what_computes_is_the_processor_or_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"H100 of {device}")
    assert processor_of("cpu") == machine_facts()["cpu"]
    assert processor_of("cuda:1") == "H100 of cuda:1"
