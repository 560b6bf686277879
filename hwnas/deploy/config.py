"""What is asked of an export, as Python and the command line say it."""

from pathlib import Path

from pydantic import Field, InstanceOf, field_validator

from ..config import Config
from .target import Target


class ExportConfig(Config):
    """One trained run, and the device that its bundle is measured on."""

    run: Path = Field(description="The folder of a finished training run.")
    name: str | None = Field(default=None, description="Name of the bundle; the run's, unless given.")
    device: str | None = Field(default=None, description="To measure on; the search's, or the CPU, unless given.")
    threads: int | None = Field(default=None, ge=1, description="Threads there; the search's, or 1, unless given.")
    data: str | Path | None = Field(
        default=None, description="The folder of the images, where the run was trained on one."
    )
    root: Path | None = Field(default=None, description="Where torchvision keeps its data sets; the folder data.")
    target: InstanceOf[Target] | None = Field(
        default=None, description="What was asked for; the search's, unless given."
    )

    @field_validator("name")
    @classmethod
    def _require_file_name(cls, name: str | None) -> str | None:
        if name is not None and (Path(name).name != name or name == ".." or "\\" in name):
            raise ValueError("the name of a bundle is that of one folder, whose place is said by --out")
        return name

    @property
    def bundle_name(self) -> str:
        """The name of the bundle's folder."""
        return self.name or self.run.resolve().name
