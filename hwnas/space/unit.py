"""One of timm's block strings: what `strings` reads and writes."""

import re
from dataclasses import dataclass, replace

from ..errors import InputError
from .layer import Act

_KINDS = ("cn", "ds", "ir", "er")
_ACTS: dict[str, Act] = {"nre": "relu", "nr6": "relu6", "nhs": "hswish", "nsw": "swish"}
_NUMBER = re.compile(r"(?P<key>[rksc])(?P<whole>[1-9]\d*)|(?P<ratio>e|se)(?P<decimal>(?!0+(\.0+)?$)\d+(\.\d+)?)")


@dataclass(frozen=True)
class Unit:
    """The options of a block string. `expansion` and `se` are as they are written, and empty where they are not;
    `act` is empty for the network's own. `skip` is None where the string says nothing of it."""

    kind: str
    repeats: int
    kernel: int
    stride: int
    expansion: str
    cout: int
    se: str
    act: Act
    skip: bool | None

    @staticmethod
    def read(text: str) -> "Unit":
        """The options of `text`. Raises `InputError` naming the first that is not known, missing, or without effect."""
        kind, *words = text.split("_")
        if kind not in _KINDS:
            message = f"{text}: {kind!r} is not a kind of block that is known: there are {', '.join(_KINDS)}"
            raise InputError(message, code="strings.kind", text=text, word=kind)
        found: dict[str, str] = {}
        for word in words:
            key, value = _option(word, text)
            if key in found:
                raise InputError(f"{text}: there are two of {key}", code="strings.twice", text=text, option=key)
            found[key] = value
        needed = {*"rksc"} | ({"e"} if kind in ("ir", "er") else set())
        for key in sorted(needed - found.keys()):
            raise InputError(f"{text}: {key} is missing", code="strings.missing", text=text, option=key)
        if kind in ("cn", "ds") and float(found.pop("e", 1)) != 1:
            raise InputError(f"{text}: a {kind} does not expand", code="strings.no-effect", text=text, option="e")
        if kind == "cn" and "se" in found:
            raise InputError(f"{text}: a cn does not squeeze", code="strings.no-effect", text=text, option="se")
        repeats, kernel, stride, cout = (int(found[key]) for key in "rksc")
        act, skip = _ACTS.get(found.get("n", ""), ""), None if "skip" not in found else found["skip"] == "skip"
        return Unit(kind, repeats, kernel, stride, found.get("e", ""), cout, found.get("se", ""), act, skip)

    @property
    def text(self) -> str:
        """The string, its options in timm's order."""
        words = [self.kind, f"r{self.repeats}", f"k{self.kernel}", f"s{self.stride}"]
        words += [f"e{self.expansion}"] * bool(self.expansion) + [f"c{self.cout}"] + [f"se{self.se}"] * bool(self.se)
        words += [word for word, act in _ACTS.items() if act == self.act]
        if self.skip is not None and self.skip == (self.kind == "cn"):  # the other case is what no word means
            words.append("skip" if self.skip else "noskip")
        return "_".join(words)

    def repeated(self, other: "Unit") -> "Unit | None":
        """This and then `other` as one string; None where they differ, but for the stride of the first."""
        skip = self.skip if other.skip is None else other.skip
        same = replace(other, repeats=self.repeats, stride=self.stride, skip=self.skip) == self
        if not same or other.stride > 1 or self.skip not in (None, skip):
            return None
        return replace(self, repeats=self.repeats + 1, skip=skip)


def _option(word: str, text: str) -> tuple[str, str]:
    """The key and the value of one option of `text`."""
    if word in _ACTS:
        return "n", word
    if word in ("skip", "noskip"):
        return "skip", word
    match = _NUMBER.fullmatch(word)
    if not match:
        message = f"{text}: {word!r} is not an option that is known"
        raise InputError(message, code="strings.option", text=text, option=word)
    return match["key"] or match["ratio"], match["whole"] or match["decimal"]
