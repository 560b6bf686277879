"""Strategies compared on published accuracies: regret, fronts, time."""
