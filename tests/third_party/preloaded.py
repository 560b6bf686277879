"""Commands of hwnas, each in a process of its own that has imported already what takes seconds to import.

A line in is JSON of the folder to be in and the words of a command, a line out that of its exit code, standard output
and standard error.
"""

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

import onnx  # noqa: F401
import onnxruntime  # noqa: F401
import scipy.stats  # noqa: F401
import timm  # noqa: F401
import torch  # noqa: F401
import torchvision  # noqa: F401

from hwnas.cli import main


def run(folder: str, words: list[str], out: Path, err: Path) -> None:
    """Be the process of a command whose outputs are files; never returns."""
    code: object = 1
    try:
        for number, path in ((0, Path(os.devnull)), (1, out), (2, err)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        os.chdir(folder)
        sys.argv = ["hwnas", *words]
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


for line in sys.stdin:
    folder, *words = json.loads(line)
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place) / name for name in ("out", "err")]
        child = os.fork()
        if not child:
            run(folder, words, *files)
        _, status = os.waitpid(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), *(file.read_text() for file in files)]), flush=True)
