import pytest

from ivs_emulator import IvsEmulator


@pytest.fixture(scope="session")
def running_emulator():
    with IvsEmulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator):
    """An emulator whose account is empty."""
    running_emulator.reset()
    return running_emulator


@pytest.fixture
def ivs(emulator):
    return emulator.client("ivs")


@pytest.fixture
def ivs_realtime(emulator):
    return emulator.client("ivs-realtime")
