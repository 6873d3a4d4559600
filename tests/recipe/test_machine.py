import json
import subprocess
import sys

from cygnet.recipe.machine import available_cores, machine_facts


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
