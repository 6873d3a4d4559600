"""`cygnet run`: a whole recipe in its run folder."""

from contextlib import nullcontext
from pathlib import Path

from cygnet.errors import UserError
from cygnet.files import read_json, write_json
from cygnet.lock import locked
from cygnet.recipe.graph import recipe_steps
from cygnet.recipe.lineage import Lineage
from cygnet.recipe.machine import cores_each
from cygnet.recipe.runner import run_steps
from cygnet.recipe.schema import Recipe
from cygnet.training.world import joined

_OURS = (".lock", ".seen-")  # what a run that was killed at once leaves in a new folder


def run_recipe(recipe: Recipe, folder: Path, progress: bool = True, restart: bool = False) -> Lineage:
    """Carry out `recipe` in `folder`, or what is left of it to do, and return what everything was made of.

    `restart` lets an interrupted step begin again if what it is made of has changed, which is refused otherwise.

    Raises:
        UserError: when the folder belongs to another recipe or to the user, another process works in it, a step that
            was interrupted has changed, or a step can't do its work.
    """
    with joined(recipe.training.device) as world:
        if world.first:
            _refuse_foreign(folder, recipe)
        with locked(folder) if world.first else nullcontext():
            return run_steps(
                recipe_steps(recipe, folder),
                folder,
                title=recipe.name,
                seed=recipe.seed,
                threads=recipe.threads or cores_each(),
                progress=progress,
                training=recipe.training,
                world=world,
                restart=restart,
                accepted=lambda: _save(recipe, folder / "recipe.json"),
            )


def _refuse_foreign(folder: Path, recipe: Recipe) -> None:
    """Raise UserError when what is in the folder is another recipe's or the user's."""
    saved = folder / "recipe.json"
    if saved.exists():
        owner = read_json(saved)
        name = owner.get("name") if isinstance(owner, dict) else None
        if name != recipe.name:
            raise UserError(
                f"{folder} holds a run of the recipe {name!r}, not of {recipe.name!r}. "
                f"Choose another --out, for example --out {folder.with_name(recipe.name)}."
            )
    elif folder.is_file() or (folder.is_dir() and not all(path.name.startswith(_OURS) for path in folder.iterdir())):
        raise UserError(f"{folder} holds files but no run (there is no recipe.json in it). Choose another --out.")


def _save(recipe: Recipe, path: Path) -> None:
    if not path.exists() or read_json(path) != recipe.to_json():
        write_json(path, recipe.to_json())
