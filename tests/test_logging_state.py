"""Every test starts with the same logging, whatever ran before it in the same process."""

import logging
import threading
from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def forgotten_client() -> Iterator[threading.Event]:
    """As a Kafka client that an earlier test did not close: it warns whenever the event is set."""
    speak, end = threading.Event(), threading.Event()

    def run() -> None:
        while not end.is_set():
            if speak.wait(0.01):
                logging.getLogger("kafka.cluster").warning("no node available")
                speak.clear()

    thread = threading.Thread(target=run)
    thread.start()
    yield speak
    end.set()
    thread.join()


def test_a_client_of_an_earlier_test_is_not_heard(forgotten_client, caplog):
    forgotten_client.set()
    while forgotten_client.is_set():
        pass
    logging.getLogger("kafka.cluster").warning("this test's own")
    assert caplog.messages == ["this test's own"]
