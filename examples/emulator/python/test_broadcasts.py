import pytest
from botocore.config import Config

from broadcasts import Broadcasts


@pytest.fixture
def broadcasts(ivs, ivs_realtime):
    return Broadcasts(ivs, ivs_realtime)


def test_a_new_customer_gets_a_channel_and_its_stream_key(broadcasts, ivs):
    encoder = broadcasts.sign_up("ada")
    assert encoder["server"].startswith("rtmps://")
    [key] = ivs.list_stream_keys(channelArn=encoder["arn"])["streamKeys"]
    assert ivs.get_stream_key(arn=key["arn"])["streamKey"]["value"] == encoder["streamKey"]
    assert ivs.get_channel(arn=encoder["arn"])["channel"]["tags"] == {"customer": "ada"}


def test_a_name_that_the_service_refuses_makes_no_channel(broadcasts, ivs):
    with pytest.raises(ivs.exceptions.ValidationException, match="name"):
        broadcasts.sign_up("Ada Lovelace")
    assert broadcasts.channels() == {}


def test_the_number_of_viewers_goes_up_and_the_broadcast_ends(broadcasts, emulator):
    channel = broadcasts.sign_up("ada")["arn"]
    assert broadcasts.viewers(channel) is None
    emulator.control("POST", "streams", channelArn=channel, viewerCount=7)
    assert broadcasts.viewers(channel) == 7
    emulator.control("POST", "streams", channelArn=channel, viewerCount=1204)
    assert broadcasts.viewers(channel) == 1204
    emulator.control("DELETE", "streams", channelArn=channel)
    assert broadcasts.viewers(channel) is None


def test_a_channel_that_is_live_is_not_deleted(broadcasts, ivs, emulator):
    channel = broadcasts.sign_up("ada")["arn"]
    emulator.control("POST", "streams", channelArn=channel)
    with pytest.raises(ivs.exceptions.ConflictException):
        broadcasts.close(channel)
    emulator.control("DELETE", "streams", channelArn=channel)
    broadcasts.close(channel)
    assert broadcasts.channels() == {}


def test_a_throttled_call_is_repeated(emulator, ivs_realtime):
    patient = emulator.client("ivs", config=Config(retries={"mode": "standard", "max_attempts": 3}))
    emulator.control("POST", "faults", operation="CreateChannel", kind="throttle", nth=1)
    Broadcasts(patient, ivs_realtime).sign_up("ada")
    assert emulator.control("GET", "calls")["CreateChannel"] == 2
    assert len(Broadcasts(patient, ivs_realtime).channels()) == 1


def test_a_lost_answer_leaves_a_second_channel_behind(emulator, ivs_realtime):
    """What happens where a create call without a client token is repeated: the service should look before it does."""
    patient = emulator.client("ivs", config=Config(retries={"mode": "standard", "max_attempts": 3}))
    emulator.control("POST", "faults", operation="CreateChannel", kind="loseReply", nth=1)
    Broadcasts(patient, ivs_realtime).sign_up("ada")
    assert len(patient.list_channels()["channels"]) == 2


def test_all_pages_of_a_list_are_read(broadcasts, emulator):
    customers = [f"c{number}" for number in range(120)]
    for customer in customers:
        broadcasts.sign_up(customer)
    assert sorted(broadcasts.channels()) == sorted(customers)
    assert emulator.control("GET", "calls")["ListChannels"] == 3


def test_a_guest_joins_a_stage_with_a_token(broadcasts, emulator, ivs_realtime):
    stage = ivs_realtime.create_stage(name="studio")["stage"]["arn"]
    token = broadcasts.invite(stage, "grace")
    assert token["token"] and token["userId"] == "grace"
    # What the web page of the guest does with the token.
    joined = emulator.control("POST", "participants", stageArn=stage, participantId=token["participantId"])
    there = ivs_realtime.get_participant(
        stageArn=stage, sessionId=joined["sessionId"], participantId=token["participantId"]
    )["participant"]
    assert (there["userId"], there["state"], there["published"]) == ("grace", "CONNECTED", True)


def test_a_composition_without_a_publisher_ends_after_a_minute(broadcasts, emulator, ivs_realtime):
    channel = broadcasts.sign_up("ada")["arn"]
    stage = ivs_realtime.create_stage()["stage"]["arn"]
    made = ivs_realtime.start_composition(stageArn=stage, destinations=[{"channel": {"channelArn": channel}}])
    composition = made["composition"]["arn"]
    # No test waits: the clock is moved.
    emulator.control("POST", "clock", advanceSeconds=70)
    assert ivs_realtime.get_composition(arn=composition)["composition"]["state"] == "STOPPED"
