import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import {
  ConflictException,
  GetStreamKeyCommand,
  ListStreamKeysCommand,
  ValidationException,
  type IvsClient,
} from "@aws-sdk/client-ivs";
import {
  CreateStageCommand,
  GetCompositionCommand,
  GetParticipantCommand,
  StartCompositionCommand,
  type IVSRealTimeClient,
} from "@aws-sdk/client-ivs-realtime";
import { Broadcasts } from "./broadcasts.js";
import { IvsEmulator } from "./ivs-emulator.js";

let emulator: IvsEmulator;
let ivs: IvsClient;
let realTime: IVSRealTimeClient;
let broadcasts: Broadcasts;

before(async () => {
  emulator = await IvsEmulator.start();
  ivs = emulator.ivs();
  realTime = emulator.realTime();
  broadcasts = new Broadcasts(ivs, realTime);
});
after(() => emulator?.stop());
beforeEach(() => emulator.reset());

test("a new customer gets a channel and its stream key", async () => {
  const encoder = await broadcasts.signUp("ada");
  assert.match(encoder.server, /^rtmps:/);
  const { streamKeys } = await ivs.send(new ListStreamKeysCommand({ channelArn: encoder.arn }));
  assert.equal(streamKeys?.length, 1);
  const { streamKey } = await ivs.send(new GetStreamKeyCommand({ arn: streamKeys?.[0]?.arn }));
  assert.equal(streamKey?.value, encoder.streamKey);
});

test("a name that the service refuses makes no channel", async () => {
  await assert.rejects(broadcasts.signUp("Ada Lovelace"), ValidationException);
  assert.equal((await broadcasts.channels()).size, 0);
});

test("the number of viewers goes up, and the broadcast ends", async () => {
  const { arn: channelArn } = await broadcasts.signUp("ada");
  assert.equal(await broadcasts.viewers(channelArn), undefined);
  await emulator.control("POST", "streams", { channelArn, viewerCount: 7 });
  assert.equal(await broadcasts.viewers(channelArn), 7);
  await emulator.control("POST", "streams", { channelArn, viewerCount: 1204 });
  assert.equal(await broadcasts.viewers(channelArn), 1204);
  await emulator.control("DELETE", "streams", { channelArn });
  assert.equal(await broadcasts.viewers(channelArn), undefined);
});

test("a channel that is live is not deleted", async () => {
  const { arn: channelArn } = await broadcasts.signUp("ada");
  await emulator.control("POST", "streams", { channelArn });
  await assert.rejects(broadcasts.close(channelArn), ConflictException);
  await emulator.control("DELETE", "streams", { channelArn });
  await broadcasts.close(channelArn);
  assert.equal((await broadcasts.channels()).size, 0);
});

test("a throttled call is repeated", async () => {
  await emulator.control("POST", "faults", { operation: "CreateChannel", kind: "throttle", nth: 1 });
  await new Broadcasts(emulator.ivs({ maxAttempts: 3 }), realTime).signUp("ada");
  assert.equal((await emulator.control("GET", "calls")).CreateChannel, 2);
  assert.equal((await broadcasts.channels()).size, 1);
});

test("all pages of a list are read", async () => {
  const customers = Array.from({ length: 120 }, (_, number) => `c${number}`);
  for (const customer of customers) await broadcasts.signUp(customer);
  assert.deepEqual([...(await broadcasts.channels()).keys()].sort(), customers.sort());
  assert.equal((await emulator.control("GET", "calls")).ListChannels, 3);
});

test("a guest joins a stage with a token", async () => {
  const { stage } = await realTime.send(new CreateStageCommand({ name: "studio" }));
  const stageArn = stage?.arn ?? "";
  const token = await broadcasts.invite(stageArn, "grace");
  assert.ok(token?.token);
  const participantId = token.participantId;
  // What the web page of the guest does with the token.
  const { sessionId } = await emulator.control("POST", "participants", { stageArn, participantId });
  const { participant } = await realTime.send(
    new GetParticipantCommand({ stageArn, sessionId, participantId }),
  );
  assert.equal(participant?.userId, "grace");
  assert.equal(participant?.state, "CONNECTED");
});

test("a composition without a publisher ends after a minute", async () => {
  const { arn: channelArn } = await broadcasts.signUp("ada");
  const { stage } = await realTime.send(new CreateStageCommand({}));
  const { composition } = await realTime.send(
    new StartCompositionCommand({
      stageArn: stage?.arn,
      destinations: [{ channel: { channelArn } }],
    }),
  );
  // No test waits: the clock is moved.
  await emulator.control("POST", "clock", { advanceSeconds: 70 });
  const later = await realTime.send(new GetCompositionCommand({ arn: composition?.arn }));
  assert.equal(later.composition?.state, "STOPPED");
});
