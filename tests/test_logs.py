"""The library is silent until a program asks it to speak."""

import logging
import subprocess
import sys

from hwnas.logs import log_to_stderr


def test_messages_are_lines_while_asked_for_and_the_logger_is_left_as_it_was(capsys):
    logger = logging.getLogger("hwnas.somewhere")
    before = (logging.getLogger("hwnas").level, list(logging.getLogger("hwnas").handlers))
    with log_to_stderr():
        logger.debug("a detail")
        logger.info("search: the most accurate network")
        logger.warning("few images")
    logger.info("later")
    assert capsys.readouterr() == ("", "search: the most accurate network\nwarning: few images\n")
    assert (logging.getLogger("hwnas").level, logging.getLogger("hwnas").handlers) == before


def test_a_program_that_sets_up_no_logging_reads_nothing():
    code = "import logging, hwnas; logging.getLogger('hwnas.search').warning('few images')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
