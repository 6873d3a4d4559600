"""`cygnet run`."""

from pathlib import Path
from typing import Annotated

from cygnet.cli.out import OUT
from cygnet.cli.restart import Restart


def run(*arguments: str, out: Annotated[Path | None, OUT] = None, restart: Restart = False) -> None:
    """Run a recipe from nothing to its report, or go on where it stopped.

    What is done and unchanged is not done again. `cygnet recipe show` lists every key there is to set.

    Parameters
    ----------
    arguments:
        A recipe (a preset's name, a .toml file or a run folder; pocket if none is given) and KEY=VALUE settings.
    out:
        The run folder; by default the one given as the recipe, otherwise runs/ and the recipe's name.
    """
    from cygnet.recipe.load import default_folder, load_recipe
    from cygnet.recipe.run import run_recipe
    from cygnet.recipe.summary import run_summary

    recipe = load_recipe(arguments)
    folder = out or default_folder(arguments, recipe)
    run_recipe(recipe, folder, restart=restart)
    print(run_summary(folder))
