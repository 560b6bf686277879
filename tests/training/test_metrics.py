"""Metrics, compared with scikit-learn's."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, log_loss, recall_score, top_k_accuracy_score

from hwnas.training.metrics import metrics_of


def test_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 2, (200, 7)), rng.integers(0, 6, 200)  # no image of the last class
    found = metrics_of(torch.tensor(logits), torch.tensor(labels))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found.confusion == tuple(map(tuple, confusion_matrix(labels, logits.argmax(1), labels=range(7)).tolist()))
    assert found.per_class[:6] == pytest.approx(recall_score(labels, logits.argmax(1), labels=range(6), average=None))
    assert found.per_class[6] is None
    assert found.top5 == pytest.approx(top_k_accuracy_score(labels, logits, k=5, labels=range(7)))
    assert found.top1 == pytest.approx((logits.argmax(1) == labels).mean())
    assert found.loss == pytest.approx(log_loss(labels, shares, labels=range(7)))
    confidence, right = shares.max(1), logits.argmax(1) == labels
    edges, expected = np.linspace(0, 1, 16), 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        expected += abs(confidence[inside].sum() - right[inside].sum()) / 200
    assert found.calibration_error == pytest.approx(expected)


def test_confidences_that_are_true_have_no_calibration_error():
    labels = torch.tensor([0, 0, 0, 1])
    found = metrics_of(torch.tensor([[0.75, 0.25]] * 4).log(), labels)
    assert (found.top1, found.top5) == (0.75, None)
    assert found.calibration_error == pytest.approx(0, abs=1e-6)
