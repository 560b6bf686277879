"""The suites of `hwnas.testing` notice parts that break their contracts: a suite that cannot fail holds nothing."""

from pathlib import Path

import broken_parts
import pytest

from hwnas.testing import (
    LearnerContract,
    LossContract,
    RewardContract,
    RuntimeContract,
    SamplerContract,
    SpaceContract,
)

FILE = Path(__file__).with_name("broken_parts.py")

BROKEN = {
    (SamplerContract, "IgnoresItsLimit"): "test_proposals_are_within_the_limit_and_so_is_its_choice",
    (SamplerContract, "Stuck"): "test_proposals_are_within_the_limit_and_so_is_its_choice",
    (SamplerContract, "SharesItsDice"): "test_nothing_global_is_drawn_from_or_kept",
    (SamplerContract, "ForgetsItsSeed"): "test_a_run_that_is_saved_and_loaded_goes_on_as_it_would_have",
    (SamplerContract, "HasOneSeed"): "test_the_seed_decides_the_run",
    (SamplerContract, "ChoosesTheWorst"): "test_finalists_are_different_and_within_the_limit_that_is_given",
    (SamplerContract, "KeepsFailures"): "test_what_failed_is_never_chosen",
    (SamplerContract, "TakesAnyScore"): "test_a_score_that_is_no_number_is_refused",
    (LearnerContract, "NeverLearns"): "test_it_learns_what_is_better",
    (LearnerContract, "LearnsTheOpposite"): "test_it_learns_what_is_better",
    (LearnerContract, "ChoosesBeyondItsLimit"): "test_what_it_chooses_is_valid_and_within_the_limit",
    (LearnerContract, "ForgetsItsBaseline"): "test_a_run_that_is_saved_and_loaded_goes_on_as_it_would_have",
    (LearnerContract, "MovesBeyondNarrowSlots"): "test_its_distribution_is_one_over_the_options_that_there_are",
    (RewardContract, "IsAlwaysOne"): "test_it_is_a_number_that_grows_with_the_accuracy",
    (RewardContract, "LikesSlowness"): "test_a_slower_network_is_never_better_above_the_target",
    (RewardContract, "CountsWhatItSaysItDoesNot"): "test_what_says_that_latency_does_not_count_for_it_ignores_it",
    (RewardContract, "TakesAnyTarget"): "test_constants_and_targets_that_cannot_be_are_refused",
    (LossContract, "IgnoresTheImages"): "test_it_is_a_finite_number_that_falls_with_the_cross_entropy",
    (LossContract, "IsBottomless"): "test_it_is_a_finite_number_that_falls_with_the_cross_entropy",
    (LossContract, "ForgetsItsMultiplier"): "test_a_loss_that_is_saved_and_loaded_goes_on_as_it_would_have",
    (SpaceContract, "biased"): "test_samples_are_uniform_in_every_decision",
    (SpaceContract, "namesnoneighbours"): "test_neighbours_differ_in_one_decision",
    (SpaceContract, "encodesthelast"): "test_encoding_round_trips",
    (SpaceContract, "another_every_time"): "test_the_reference_makes_the_same_space_every_time",
    (RuntimeContract, "AnotherArtifactEveryTime"): "test_an_artifact_is_one_file_the_same_every_time",
    (RuntimeContract, "ChangesTheModel"): "test_an_artifact_is_one_file_the_same_every_time",
}
"""Suite and part, and the test that must fail."""


def suite_of(contract, part):
    """The suite, holding `part` to its contract."""
    if contract is RuntimeContract:
        return type("Suite", (contract,), {"runtime": getattr(broken_parts, part)()})()
    return type("Suite", (contract,), {"reference": f"{FILE}:{part}"})()


def outcome(suite, test, folder):
    """Run one test of a suite, with a folder of its own where it asks for one."""
    method = getattr(suite, test)
    return method(folder) if "tmp_path" in method.__code__.co_varnames else method()


@pytest.mark.parametrize(("contract", "part"), BROKEN)
def test_a_part_that_breaks_its_contract_is_noticed(contract, part, tmp_path):
    with pytest.raises(AssertionError):
        outcome(suite_of(contract, part), BROKEN[contract, part], tmp_path)


@pytest.mark.parametrize("test", [name for name in dir(LearnerContract) if name.startswith("test_")])
def test_a_relaxation_that_breaks_nothing_is_not(test, tmp_path):
    """What is wrong with the broken ones is what they say, as the one that they are made of is sound."""
    outcome(suite_of(LearnerContract, "Descends"), test, tmp_path)
