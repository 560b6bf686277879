"""What is asked of a training run, as Python, the command line and `train.json` say it."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self

from pydantic import Field, InstanceOf, SerializeAsAny, field_serializer, model_validator

from ..config import Config, Values, read_values
from ..errors import InputError
from ..space.net import Net
from . import recipes
from .data import DEFAULT, Dataset
from .reading import Reading, ShareOrPath
from .recipe import Recipe, RecordedRecipe


class TrainConfig(Config):
    """One network, its images, and how it is trained on them.

    The settings of the recipe have short names too: "epochs" is "recipe.epochs". A recipe is one by name with some
    settings of its own (`recipe_name`, and a mapping `recipe`), or a `Recipe`; a text as `recipe` is a name.
    """

    net: InstanceOf[Net] | Path = Field(description="A network, its file, or the folder of the search that found it.")
    data: InstanceOf[Dataset] | str | Path = Field(
        default=DEFAULT, description="A data set by name, or a folder with one folder of images per class."
    )
    recipe_name: str = Field(default=recipes.DEFAULT, description="The recipe, by name or reference.")
    recipe: SerializeAsAny[Recipe] = Field(default_factory=Recipe, description="The settings of the recipe.")
    val: ShareOrPath = Field(
        default=0.1,
        description="Share of the training images to validate on, where the data set has no split for it; 0: none. "
        "Or a folder of other images of the same classes.",
    )
    reading: Reading = Field(default_factory=Reading, description="How images of folders, lists and shards are read.")
    checkpoint_seconds: float = Field(default=300, ge=0, description="Seconds between checkpoints within an epoch.")
    tensorboard: bool = Field(default=False, description="Whether figures are written for TensorBoard too.")
    init: str | None = Field(
        default=None,
        description="Weights to begin with: timm:NAME, timm:NAME=FILE, a file, the folder of a training run or of a "
        "search, or supernet: the shared weights of the search that found the network.",
    )
    teacher: str | None = Field(
        default=None, description="Whom to learn of beside the labels, named as init is; supernet: the largest child."
    )
    synchronised: bool = Field(
        default=True, description="Whether the norms of several processes take the statistics of all their images."
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Of the first weights and of the order of the images.")
    threads: int | None = Field(
        default=None, ge=1, le=1024, description="Threads of torch; as many as it has, unless given."
    )
    root: Path | None = Field(default=None, description="Where torchvision keeps its data sets; the folder data.")

    @classmethod
    def of(
        cls,
        net: Net | str | PathLike[str],
        data: str | Path | Dataset = DEFAULT,
        recipe: Recipe | str | None = None,
        changes: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> Self:
        """The configuration of `net`, by `recipe` with the `changes` of it that are not None."""
        given = {name: value for name, value in (changes or {}).items() if value is not None}
        if isinstance(recipe, Recipe):
            kind = type(recipe)
            name = recipes.DEFAULT if kind is Recipe else f"{kind.__module__}:{kind.__qualname__}"
            recipe_values = {**recipe.to_json(), **given}
            settings = recipe_values if kind is Recipe else kind.parse(recipe_values)
        else:
            name, settings = recipe or recipes.DEFAULT, given
        where = net if isinstance(net, Net) else Path(net)
        return cls.parse({"net": where, "data": data, "recipe_name": name, "recipe": settings, **others})

    @classmethod
    def from_record(cls, value: Values) -> Self:
        """The configuration that a record has. Its recipe is data: the values alone, of whatever class they are."""
        recipe = value.get("recipe", {})
        kind = Recipe if set(recipe) <= set(Recipe.model_fields) else RecordedRecipe
        return cls.parse({**value, "recipe": kind.parse(recipe)})

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a YAML or JSON file of one mapping; a recipe that it names is resolved as far as files may."""
        return cls.parse(cls.spelled_out(read_values(path)), path)

    @classmethod
    def full_name(cls, name: str) -> str:
        """`name`, or that of the recipe's setting of this short name; of "recipe" alone the recipe's name."""
        if name == "recipe":
            return "recipe_name"
        if name in Recipe.model_fields:
            return f"recipe.{name}"
        return f"reading.{name}" if name in Reading.model_fields else name

    @classmethod
    def spelled_out(cls, values: Values) -> Values:
        """What a file says, by the full names, once its recipe is known to be one that a file may name."""
        found = {name: value for name, value in values.items() if name not in Recipe.model_fields}
        short = {name: value for name, value in values.items() if name in Recipe.model_fields}
        if isinstance(named := found.get("recipe"), str):
            found |= {"recipe_name": named, "recipe": {}}
        recipes.get(str(found.get("recipe_name", recipes.DEFAULT)), trusted=False)
        return {**found, "recipe": {**found.get("recipe", {}), **short}} if short else found

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, values: Any) -> Any:
        """Make the recipe of its name and the settings that differ, and networks and paths of plain JSON."""
        values = dict(values)
        recipe = values.get("recipe", {})
        if isinstance(recipe, str):
            values["recipe_name"], recipe = recipe, {}
        if (named := values.get("recipe_name")) in recipes.ALIASES:
            values["recipe_name"] = recipes.ALIASES[named]
        if isinstance(recipe, Mapping):
            base = recipes.get(values.get("recipe_name", recipes.DEFAULT), trusted=True)
            merged = {**base.to_json(), **recipe}
            values["recipe"] = merged if type(base) is Recipe else type(base).parse(merged)
        if isinstance(values.get("net"), Mapping):
            values["net"] = Net.from_json(values["net"])
        return values

    @field_serializer("net", when_used="json")
    def _plain_net(self, net: Net | Path) -> Any:
        return net.to_json() if isinstance(net, Net) else str(net)

    @field_serializer("data", when_used="json")
    def _plain_data(self, data: Dataset | str | Path) -> str:
        return data.name if isinstance(data, Dataset) else str(data)

    def recorded(self, data: str, seed: int) -> Self:
        """What the record in a run's folder says: the network beside it, the data set's name, no paths elsewhere."""
        val = Path(self.val.name) if isinstance(self.val, Path) else self.val
        weights = {name: _without_folders(value) for name, value in (("init", self.init), ("teacher", self.teacher))}
        return self.model_copy(
            update={"net": Path("net.json"), "data": data, "root": None, "seed": seed, "val": val, **weights}
        )

    @property
    def val_share(self) -> float:
        """The share of the training images to validate on; 0 where others are given."""
        return 0.0 if isinstance(self.val, Path) else self.val


def _without_folders(source: str | None) -> str | None:
    """A source of weights without the folders of its path, as of "timm:NAME=FILE" too."""
    if source is None:
        return None
    name, equals, path = source.partition("=") if source.startswith("timm:") else ("", "", source)
    return f"{name}{equals}{Path(path).name}"


def require_alone(given: Mapping[str, bool]) -> None:
    """Raise `InputError` ("config.contradiction") where anything is `given` beside a whole configuration."""
    named = [name for name, was_given in given.items() if was_given]
    if named:
        raise InputError(
            f"a whole configuration was given, and {', '.join(named)} beside it: say it there",
            code="config.contradiction",
            key=named[0],
        )
