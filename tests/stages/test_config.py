import pytest
from pydantic import ValidationError

from cygnet.stages.config import AdapterConfig


def test_settings_of_an_adapter_want_one() -> None:
    with pytest.raises(ValidationError, match="base_precision is said of an adapter, but there is none"):
        AdapterConfig(base_precision="nf4")
    assert AdapterConfig(**AdapterConfig().model_dump()) == AdapterConfig()
    assert AdapterConfig(rank=4, base_precision="nf4").rank == 4
