"""One torch thread: the networks here are small, and tests must not depend on how many cores there are."""

import torch

torch.set_num_threads(1)
