"""Every test starts with the same logging, whatever ran before it in the same process."""

import logging

import pytest

from inspector.cli.logs import setup_logging

LOGGER = logging.getLogger("inspector.training")


@pytest.fixture(scope="module")
def loud_module():
    """As a module's fixture that calls the command line: it is set up before any fixture of a function."""
    setup_logging("error", as_json=False)
    logging.disable(logging.CRITICAL)


@pytest.mark.usefixtures("loud_module")
def test_a_module_fixture_that_ran_the_command_line_silences_no_test(caplog):
    LOGGER.warning("heard")
    assert "heard" in caplog.text
    assert logging.getLogger().level == logging.WARNING
    assert not [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]
    assert logging.getLogger("kafka").level == logging.NOTSET


def test_the_command_line_sets_up_logging():
    setup_logging("error", as_json=True)
    assert logging.getLogger().level == logging.ERROR


def test_the_next_test_does_not_notice(caplog):
    LOGGER.warning("heard again")
    assert "heard again" in caplog.text
