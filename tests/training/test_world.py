import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from cygnet.errors import ToldError, UserError
from cygnet.training import world as world_module
from cygnet.training.world import World, joined, launched_as, launched_here, refuse_unshared

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

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
        ({"RANK": "²"}, r"RANK '²' \(LOCAL_RANK '0'\) is none of 0 to 1"),
        ({"LOCAL_RANK": "²"}, r"RANK '0' \(LOCAL_RANK '²'\) is none of 0 to 1"),
        ({"RANK": "-1"}, r"RANK '-1' \(LOCAL_RANK '0'\) is none of 0 to 1"),
        *(({"MASTER_PORT": port}, f"MASTER_PORT is '{port}', which is no port") for port in ("x", "-1", "0", "65536")),
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


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({"WORLD_SIZE": "2", "RANK": "1"}, 1),
        ({"WORLD_SIZE": "1", "RANK": "1"}, 0),
        ({"RANK": "1"}, 0),
        ({"WORLD_SIZE": "2", "RANK": "²"}, 0),
        ({"WORLD_SIZE": "2", "RANK": ""}, 0),
    ],
)
def test_which_process_it_is_as_far_as_that_is_said(environment, variables: dict[str, str], rank: int) -> None:
    environment(**variables)
    assert launched_as() == rank


def test_how_many_are_on_this_machine(environment, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, number in {"": 1, "1": 1, "16": 16}.items():
        monkeypatch.setenv("LOCAL_WORLD_SIZE", text)
        assert launched_here() == number
    for text in ("²", "0", "-1", "two"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", text)
        with pytest.raises(UserError, match=f"LOCAL_WORLD_SIZE is '{text}', which is no number of processes"):
            launched_here()


@pytest.mark.parametrize(("error", "kind"), [(OSError("no disk"), ToldError), (KeyboardInterrupt(), KeyboardInterrupt)])
def test_who_waits_for_the_first_process_learns_that_it_failed(
    together: Callable[..., list[Any]], tmp_path: Path, error: BaseException, kind: type[BaseException]
) -> None:
    """At once, though they would wait for it without limit, and whether it failed before or after telling them things.

    The others leave first, so that it is not its end that they notice.
    """

    def job(world: World) -> None:
        world.hear(world.rank)
        world.tell("begin")
        if not world.first:
            world.tell()
        try:
            raise error
        except BaseException as raised:
            world.fail(raised)
            while len(list(tmp_path.iterdir())) < 2:
                time.sleep(0.01)
            raise UserError("first") from raised

    def leaving(world: World) -> None:
        try:
            job(world)
        finally:
            if not world.first:
                (tmp_path / str(world.rank)).touch()

    first, *others = together(3, leaving)
    assert str(first) == "first"
    assert [type(other) for other in others] == [kind] * 2
    if kind is ToldError:
        assert str(others[0]) == "the first process could not go on; it says why."


def test_a_world_tells_of_the_first_processs_error_by_itself(together: Callable[..., list[Any]]) -> None:
    def job(world: World) -> None:
        if world.first:
            raise UserError("no such recipe")
        world.tell()

    first, *others = together(3, job)
    assert str(first) == "no such recipe"
    for other in others:
        assert str(other) == "the first process could not go on; it says why." or "lost the others" in str(other)


@pytest.mark.parametrize(("error", "kind"), [(KeyboardInterrupt, KeyboardInterrupt), (UserError, ToldError)])
@pytest.mark.parametrize("ahead", [0, 2])
def test_who_loses_the_first_process_learns_that_it_failed(
    together: Callable[..., list[Any]], error: type[BaseException], kind: type[BaseException], ahead: int
) -> None:
    """While they compute with it, and had yet to hear some things: else they would end before it has said why."""

    def job(world: World) -> None:
        world.sums([1.0])
        if world.first:
            for _ in range(ahead):
                world.tell("something")
            raise error("first")
        world.sums([1.0])

    first, *others = together(3, job)
    assert type(first) is error
    assert [type(found) for found in others] == [kind] * 2


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, UserError])
def test_the_first_process_goes_when_the_others_have_read_what_it_told(
    together: Callable[..., list[Any]], error: type[BaseException] | None
) -> None:
    """It may keep the store in which they read, and they may be slow."""

    def job(world: World) -> Any:
        if not world.first:
            store = torch.distributed.PrefixStore
            wait = store.wait
            store.wait = lambda *given: (wait(*given), time.sleep(0.5))
        elif error:
            raise error("first")
        return world.tell("told")

    first, *others = together(3, job)
    if error is None:
        assert [first, *others] == ["told"] * 3
    else:
        assert type(first) is error
        assert [type(found) for found in others] == [ToldError if error is UserError else error] * 2


def test_the_first_process_hears_from_all(together: Callable[..., list[Any]]) -> None:
    def job(world: World) -> list[Any]:
        return [world.hear({"rank": world.rank}), world.tell("so"), world.hear(None)]

    first, *others = together(3, job)
    assert first == [[{"rank": 0}, {"rank": 1}, {"rank": 2}], "so", [None] * 3]
    assert others == [[[], "so", []]] * 2
    assert World().hear(5) == [5]


def test_a_folder_that_not_all_see_is_refused_by_all(together: Callable[..., list[Any]], tmp_path: Path) -> None:
    def job(world: World) -> None:
        refuse_unshared(tmp_path / "shared", world)
        refuse_unshared(tmp_path / ("shared" if world.rank < 2 else "other"), world)

    for error in together(3, job):
        assert isinstance(error, UserError)
        assert f"1 of 3 processes don't see in {tmp_path}" in str(error)
    assert not list((tmp_path / "shared").iterdir())
    refuse_unshared(tmp_path / "alone", World())
    assert not (tmp_path / "alone").exists()


def test_leaving_is_not_held_up_by_what_was_begun_with_who_does_not_answer(
    together: Callable[..., list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sharded model's weights are asked for ahead, so an error may come when others have not been asked yet."""
    monkeypatch.setattr(world_module, "_FAREWELL", timedelta(seconds=0.2))
    left = tmp_path / "left"

    def job(world: World) -> bool:
        world.sums([1.0])
        if world.first:
            torch.distributed.all_reduce(torch.ones(1), async_op=True)
            world_module._leave()
            left.touch()
            return torch.distributed.is_initialized()
        patience = time.monotonic() + 120
        while not left.exists() and time.monotonic() < patience:
            time.sleep(0.01)
        return left.exists()

    assert together(2, job) == [False, True]


@pytest.mark.parametrize(("built", "why"), [(False, "is built for CPUs only"), (True, "finds none on this machine")])
def test_a_gpu_that_there_is_not_is_told_with_what_to_do(
    environment, monkeypatch: pytest.MonkeyPatch, built: bool, why: str
) -> None:
    environment()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    with (
        pytest.raises(UserError, match=rf"asks for a GPU, but torch \S+ {why}\. Leave the setting out"),
        joined("cuda"),
    ):
        pass
