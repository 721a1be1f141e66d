"""The code that is tested: a service that gives each of its customers a channel to broadcast on, and a stage to
meet on. Nothing in it knows of the emulator."""


class Broadcasts:
    def __init__(self, ivs, ivs_realtime):
        self.ivs = ivs
        self.ivs_realtime = ivs_realtime

    def sign_up(self, customer):
        """The address and the stream key for the encoder of a new customer."""
        made = self.ivs.create_channel(
            name=f"customer-{customer}", latencyMode="LOW", type="STANDARD", tags={"customer": customer}
        )
        channel, key = made["channel"], made["streamKey"]
        return {
            "arn": channel["arn"],
            "server": f"rtmps://{channel['ingestEndpoint']}:443/app/",
            "streamKey": key["value"],
            "playbackUrl": channel["playbackUrl"],
        }

    def channels(self):
        """The ARN of each customer's channel."""
        pages = self.ivs.get_paginator("list_channels").paginate(PaginationConfig={"PageSize": 50})
        return {it["tags"]["customer"]: it["arn"] for page in pages for it in page["channels"]}

    def viewers(self, channel):
        """How many people watch, or `None` where nobody broadcasts."""
        try:
            return self.ivs.get_stream(channelArn=channel)["stream"]["viewerCount"]
        except self.ivs.exceptions.ChannelNotBroadcasting:
            return None

    def close(self, channel):
        """Deletes the channel of a customer who has left; it is refused while the customer broadcasts."""
        self.ivs.delete_channel(arn=channel)

    def invite(self, stage, user):
        """A token with which a user may join a stage and publish, for an hour."""
        made = self.ivs_realtime.create_participant_token(
            stageArn=stage, userId=user, duration=60, capabilities=["PUBLISH", "SUBSCRIBE"]
        )
        return made["participantToken"]
