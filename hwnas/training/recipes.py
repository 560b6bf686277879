"""The recipes that have names, each a literal with its source."""

from dataclasses import dataclass
from typing import Any

from ..references import names as references_named
from ..references import resolve
from .recipe import Recipe


@dataclass(frozen=True)
class Preset:
    """A named recipe: what it is for in one line, and where its constants are from."""

    recipe: Recipe
    line: str
    source: str


DEFAULT = "quick"
ALIASES = {"cosine": "quick"}
"""Names of earlier versions, by which records still know a recipe."""

PRESETS: dict[str, Preset] = {
    "quick": Preset(
        Recipe(),
        "A first figure in minutes: few epochs, no augmentation, nothing mirrored.",
        "of hwnas, for 8,000 small images; label smoothing 1512.00567 §7, averaged weights 2/3 warm-up as timm's "
        "ModelEmaV3",
    ),
    "cifar": Preset(
        Recipe(
            epochs=60,
            lr=4e-3,
            weight_decay=0.02,
            shift=0.0625,
            mirror=True,
        ),
        "Small images (up to 64 px) of things that may be mirrored.",
        "shift and mirroring 1512.03385 §4.2, by 2 of 32 px, not 4: networks of few MMACs underfit. Rate and decay of "
        "hwnas: a network of 5 MMACs is at 81.2 % after 20 epochs, with 4 px and those of quick at 78.4 %, by quick "
        "itself at 79.2 % (benchmarks/recipes.py, one seed)",
    ),
    "imagenet-mobile": Preset(
        Recipe(
            epochs=450,
            batch_size=768,
            optimizer="rmsproptf",
            lr=0.048,
            weight_decay=1e-5,
            eps=1e-3,
            schedule="step",
            decay_rate=0.97,
            decay_epochs=2.4,
            warmup_epochs=5,
            warmup_lr=1e-6,
            ema=0.9999,
            dropout=0.2,
            drop_path=0.2,
            crop=(0.08, 1),
            mirror=True,
            policy="rand-m9-mstd0.5",
            erasing=0.2,
            precision="auto",
        ),
        "Mobile networks on ImageNet from scratch, as EfficientNet and MnasNet were trained.",
        "timm's documented command for efficientnet_b0, 77.7 % (hfdocs/training_script.mdx); rates and decay as "
        "1905.11946 §5.2",
    ),
    "ra4": Preset(
        Recipe(
            epochs=1200,
            batch_size=4096,
            optimizer="adamw",
            lr=2e-3,
            weight_decay=0.01,
            betas=(0.6, 0.995),
            warmup_epochs=5,
            ema=0.9998,
            clip=5,
            dropout=0.3,
            crop=(0.08, 1),
            mirror=True,
            policy="rand-m8-inc1-mstd101",
            erasing=0.25,
            precision="auto",
        ),
        "The longest and best for mobile networks on ImageNet, as MobileNetV4 was trained.",
        "timm's ra4 (AdamW of β₁ .6, clipping at 5, 1,200 to 3,600 epochs, strong augmentation and dropout), after "
        "2404.10518; the magnitudes of the policy, of erasing and of β₂ are recalled from timm's files, not read",
    ),
    "finetune": Preset(
        Recipe(
            epochs=30,
            batch_size=16,
            optimizer="adamw",
            lr=5e-4,
            weight_decay=0.05,
            warmup_epochs=3,
            ema=0.99,
            dropout=0.2,
            crop=(0.35, 1),
            jitter=0.2,
        ),
        "Folders of a few hundred or thousand photos, best with weights to begin with (--init). Nothing is mirrored.",
        "AdamW, 16 images and 3 epochs of warm-up as ultralytics classifies; 20 to 50 epochs and no mixup below 5,000 "
        "images as timm's users do; crops milder than its .08",
    ),
}
"""Every recipe by name."""


def names() -> tuple[str, ...]:
    """The names of all recipes: those built in, and those of installed packages."""
    return references_named("recipes", PRESETS)


def get(reference: str, *, trusted: bool) -> Recipe:
    """The recipe of `reference`, which is a `Recipe` or a class of them. Raises as `references.resolve`."""

    def accepts(value: object) -> bool:
        return isinstance(value, Recipe) or (isinstance(value, type) and issubclass(value, Recipe))

    builtin = {name: preset.recipe for name, preset in PRESETS.items()}
    builtin |= {old: builtin[new] for old, new in ALIASES.items()}
    found: Recipe | type[Recipe] = resolve("recipes", reference, builtin, trusted=trusted, accepts=accepts).value
    return found() if isinstance(found, type) else found


def describe(reference: str) -> dict[str, Any]:
    """What the recipe of `reference` is, for a person or as JSON. Raises as `get`."""
    recipe, preset = get(reference, trusted=True), PRESETS.get(ALIASES.get(reference, reference))
    return {
        "name": reference,
        "line": preset.line if preset else (type(recipe).__doc__ or "").strip().partition("\n")[0],
        "source": preset.source if preset else reference,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "mirror": recipe.mirror,
        "constants": recipe.to_json(),
        "descriptions": {name: field.description or "" for name, field in type(recipe).model_fields.items()},
    }
