"""How long to search, and how fast the shared weights learn."""

from math import cos, pi

from pydantic import BaseModel, ConfigDict, Field


class Schedule(BaseModel):
    """How long to search and how fast to learn, in steps of one batch.

    Published for ProxylessNAS (1812.00332, appendix, for ImageNet): 40 epochs of warm-up and then 120, an architecture
    step every 5 weight steps, SGD with Nesterov momentum at 0.025, decay 4e-5, label smoothing 0.1. A search of minutes
    has a hundredth of the steps: it takes an architecture step after every weight step, and a larger rate.

    The rate falls along a cosine from `lr` to `lr_floor` times it (BigNAS, 2003.11142, §3.1: 0.05).

    `batch_size` is of all ranks together; with `synchronised`, so are the statistics of BatchNorm. `bfloat16` is as
    `autocast` takes it; with `compiled`, blocks are (`compile_blocks`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    warmup_steps: int = Field(default=3000, ge=0, le=10**9)
    steps: int = Field(default=3000, ge=1, le=10**9)
    batch_size: int = Field(default=32, ge=2)
    weight_steps_per_arch_step: int = Field(default=1, ge=1)
    lr: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    lr_floor: float = Field(default=0.0, ge=0, le=1)
    weight_decay: float = Field(default=4e-5, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    checkpoint_seconds: float = Field(default=10.0, ge=0)
    bfloat16: bool | None = None
    synchronised: bool = False
    compiled: bool = False

    @property
    def arch_steps(self) -> int:
        """Number of steps of the architecture."""
        return max(1, self.steps // self.weight_steps_per_arch_step)

    @property
    def total(self) -> int:
        """Number of steps of the shared weights."""
        return self.warmup_steps + self.steps

    def rate(self, done: int) -> float:
        """The learning rate of the weights once `done` of all steps are."""
        progress = min(1.0, done / self.total)
        return self.lr * (self.lr_floor + (1 - self.lr_floor) * (1 + cos(pi * progress)) / 2)
