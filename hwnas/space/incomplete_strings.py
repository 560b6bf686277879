"""Networks that timm's functions make of strings and of more, so that the strings alone are another network.

FBNetV3's squeeze takes its part of a block's input, and channels are rounded to within 95 %; in `mobilenetv3_rw` it is
not rounded; the hidden layer of both has no bias. No block here says the last, so they are refused by their strings.
"""

from ..errors import InputError

INCOMPLETE: dict[str, str] = {
    "mobilenetv3_rw": "ds_r1_k3_s1_c16_nre_noskip / ir_r1_k3_s2_e4_c24_nre ir_r1_k3_s1_e3_c24_nre / "
    "ir_r3_k5_s2_e3_c40_se0.25_nre / ir_r1_k3_s2_e6_c80 ir_r1_k3_s1_e2.5_c80 ir_r2_k3_s1_e2.3_c80 / "
    "ir_r2_k3_s1_e6_c112_se0.25 / ir_r3_k5_s2_e6_c160_se0.25 / cn_r1_k1_s1_c960",
    "fbnetv3_b": "ds_r2_k3_s1_c16 / ir_r1_k5_s2_e4_c24 ir_r3_k5_s1_e2_c24 / "
    "ir_r1_k5_s2_e5_c40_se0.25 ir_r4_k5_s1_e3_c40_se0.25 / ir_r1_k5_s2_e5_c72 ir_r4_k3_s1_e3_c72 / "
    "ir_r1_k3_s1_e5_c120_se0.25 ir_r5_k5_s1_e3_c120_se0.25 / "
    "ir_r1_k3_s2_e6_c184_se0.25 ir_r5_k5_s1_e4_c184_se0.25 ir_r1_k5_s1_e6_c224_se0.25 / cn_r1_k1_s1_c1344",
    "fbnetv3_d": "ds_r2_k3_s1_c16 / ir_r1_k3_s2_e5_c24 ir_r5_k3_s1_e2_c24 / "
    "ir_r1_k5_s2_e4_c40_se0.25 ir_r4_k3_s1_e3_c40_se0.25 / ir_r1_k3_s2_e5_c72 ir_r4_k3_s1_e3_c72 / "
    "ir_r1_k3_s1_e5_c128_se0.25 ir_r6_k5_s1_e3_c128_se0.25 / "
    "ir_r1_k3_s2_e6_c208_se0.25 ir_r5_k5_s1_e5_c208_se0.25 ir_r1_k5_s1_e6_c240_se0.25 / cn_r1_k1_s1_c1440",
    "fbnetv3_g": "ds_r3_k3_s1_c24 / ir_r1_k5_s2_e4_c40 ir_r4_k5_s1_e2_c40 / "
    "ir_r1_k5_s2_e4_c56_se0.25 ir_r4_k5_s1_e3_c56_se0.25 / ir_r1_k5_s2_e5_c104 ir_r4_k3_s1_e3_c104 / "
    "ir_r1_k3_s1_e5_c160_se0.25 ir_r8_k5_s1_e3_c160_se0.25 / "
    "ir_r1_k3_s2_e6_c264_se0.25 ir_r6_k5_s1_e5_c264_se0.25 ir_r2_k5_s1_e6_c288_se0.25 / cn_r1_k1_s1_c1728",
}
"""The stages of each, as `Unit` writes them."""


def require_complete(stages: str) -> None:
    """Raise `InputError` ("strings.incomplete") where the `stages`, all on one line, are of such a network."""
    for name, strings in INCOMPLETE.items():
        if stages == strings:
            raise InputError(
                f"these are the strings of timm's {name}, which they do not say whole: its squeezed channels are "
                "rounded otherwise, and its hidden layer has no bias, which no block here can say",
                code="strings.incomplete",
                name=name,
            )
