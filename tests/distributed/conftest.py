import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def torchrun():
    """A function that starts so many ranks of `words`, a program of this folder or `-m` and a module, by torchrun."""

    def start(ranks, *words, **options):
        program = [HERE / words[0]] if words[0] != "-m" else ["-m", words[1]]
        rest = words[1:] if words[0] != "-m" else words[2:]
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", ranks]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(list(map(str, [*command, *program, *rest])), env=environment, text=True, **options)

    return start


@pytest.fixture(scope="session")
def done(torchrun):
    """The same, waited for, which must succeed."""

    def run(ranks, *words):
        assert torchrun(ranks, *words).wait() == 0

    return run
