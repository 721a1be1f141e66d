// The code that is tested: a service that gives each of its customers a channel to broadcast on, and a stage to meet on.
// Nothing in it knows of the emulator.

import {
  ChannelNotBroadcasting,
  CreateChannelCommand,
  DeleteChannelCommand,
  GetStreamCommand,
  paginateListChannels,
  type IvsClient,
} from "@aws-sdk/client-ivs";
import { CreateParticipantTokenCommand, type IVSRealTimeClient } from "@aws-sdk/client-ivs-realtime";

export class Broadcasts {
  constructor(
    private readonly ivs: IvsClient,
    private readonly realTime: IVSRealTimeClient,
  ) {}

  /** The address and the stream key for the encoder of a new customer. */
  async signUp(customer: string) {
    const { channel, streamKey } = await this.ivs.send(
      new CreateChannelCommand({
        name: `customer-${customer}`,
        latencyMode: "LOW",
        type: "STANDARD",
        tags: { customer },
      }),
    );
    if (!channel?.arn || !streamKey?.value) throw new Error("the service made no channel");
    return {
      arn: channel.arn,
      server: `rtmps://${channel.ingestEndpoint}:443/app/`,
      streamKey: streamKey.value,
      playbackUrl: channel.playbackUrl,
    };
  }

  /** The ARN of each customer's channel. */
  async channels(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for await (const page of paginateListChannels({ client: this.ivs, pageSize: 50 }, {})) {
      for (const { arn, tags } of page.channels ?? []) {
        if (arn && tags?.customer) found.set(tags.customer, arn);
      }
    }
    return found;
  }

  /** How many people watch, or nothing where nobody broadcasts. */
  async viewers(channelArn: string): Promise<number | undefined> {
    try {
      const { stream } = await this.ivs.send(new GetStreamCommand({ channelArn }));
      return stream?.viewerCount;
    } catch (error) {
      if (error instanceof ChannelNotBroadcasting) return undefined;
      throw error;
    }
  }

  /** Deletes the channel of a customer who has left; it is refused while the customer broadcasts. */
  async close(arn: string): Promise<void> {
    await this.ivs.send(new DeleteChannelCommand({ arn }));
  }

  /** A token with which a user may join a stage and publish, for an hour. */
  async invite(stageArn: string, userId: string) {
    const { participantToken } = await this.realTime.send(
      new CreateParticipantTokenCommand({
        stageArn,
        userId,
        duration: 60,
        capabilities: ["PUBLISH", "SUBSCRIBE"],
      }),
    );
    return participantToken;
  }
}
