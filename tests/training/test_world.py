import subprocess
import sys

import pytest

from cygnet.errors import UserError
from cygnet.training.world import World, joined

PLACES = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch):
    def set_to(**values: str | None) -> None:
        for name, value in values.items():
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)

    set_to(**dict.fromkeys(PLACES))
    return set_to


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"WORLD_SIZE": "two"}, r"WORLD_SIZE is 'two', which is no number of processes"),
        ({"WORLD_SIZE": "0"}, r"WORLD_SIZE is '0', which is no number of processes"),
        ({"RANK": None}, r"2 processes train together, but RANK is not set, so they can't find each other. Start them"),
        (
            {"MASTER_ADDR": None, "MASTER_PORT": ""},
            r"but MASTER_ADDR and MASTER_PORT are not set.*torchrun --nproc-per-node 2 -m cygnet",
        ),
        ({"RANK": "2"}, r"RANK '2' \(LOCAL_RANK '0'\) is none of 0 to 1"),
        ({"RANK": "-1"}, r"RANK '-1' \(LOCAL_RANK '0'\) is none of 0 to 1"),
    ],
)
def test_a_world_that_cant_be_is_an_error(environment, changed: dict[str, str | None], said: str) -> None:
    environment(**PLACES | changed)
    with pytest.raises(UserError, match=said), joined():
        pytest.fail("joined")


def test_one_process_is_a_world_and_needs_no_torch(environment) -> None:
    environment(WORLD_SIZE="1")
    with joined() as world:
        assert world == World()
        assert world.first
        assert world.sums([1.5, 2.0]) == [1.5, 2.0]
        assert world.tell({"a": 1}) == {"a": 1}
    program = "import sys; from cygnet.training.world import joined\nwith joined(): assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
