// Amazon IVS for tests: starts the emulator of ivs-apply on a free port, waits until it answers, and stops it.
//
// Where the emulator comes from is said by the first of these variables that is set:
//
// IVS_ENDPOINT_URL   one that runs already, such as the service `ivs` of compose.yaml; it is not stopped
// IVS_APPLY          the program; without any of them, `ivs-apply` in the path

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { IvsClient } from "@aws-sdk/client-ivs";
import { IVSRealTimeClient } from "@aws-sdk/client-ivs-realtime";

type Options = { maxAttempts?: number };

/** A running emulator. One for all tests of a file is enough: `reset` empties it in a millisecond. */
export class IvsEmulator {
  private readonly clients: { destroy(): void }[] = [];

  private constructor(
    readonly url: string,
    private readonly process?: ChildProcess,
  ) {}

  static async start(): Promise<IvsEmulator> {
    const running = process.env.IVS_ENDPOINT_URL;
    if (running) return new IvsEmulator(running);
    const program = process.env.IVS_APPLY ?? "ivs-apply";
    const child = spawn(program, ["emulator", "--listen", "127.0.0.1:0"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    // The only line that it writes, once it answers: `listening on http://127.0.0.1:49152`.
    const lines = createInterface({ input: child.stdout });
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`${program} ended with exit code ${code}`);
    });
    // A program that is not there is an "error", with which `once` rejects.
    const [line] = await Promise.race([once(lines, "line"), ended]);
    ended.catch(() => undefined);
    return new IvsEmulator(String(line).split(" ").at(-1) ?? "", child);
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.destroy();
    if (this.process && this.process.exitCode === null) {
      const ended = once(this.process, "exit");
      // SIGTERM: it answers what has begun, and ends with exit code 0.
      this.process.kill();
      await ended;
    }
  }

  /** A client of the low-latency API, with any keys. */
  ivs(options: Options = {}): IvsClient {
    return this.kept(new IvsClient({ ...this.settings(), ...options }));
  }

  /** A client of the real-time API, with any keys. */
  realTime(options: Options = {}): IVSRealTimeClient {
    return this.kept(new IVSRealTimeClient({ ...this.settings(), ...options }));
  }

  /** A control request, such as `control("POST", "streams", { channelArn, viewerCount: 7 })`. */
  async control(method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<any> {
    const answer = await fetch(`${this.url}/_emulator/${path}`, {
      method,
      body: body && JSON.stringify(body),
    });
    const told = (await answer.json()) as { message?: string };
    if (!answer.ok) throw new Error(`${method} ${path}: ${told.message}`);
    return told;
  }

  /** Empties the account, and takes back faults, counts, switches, quotas, rates and the clock. */
  async reset(): Promise<void> {
    await this.control("POST", "reset", { settings: true });
  }

  private settings() {
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    return { endpoint: this.url, region: "us-west-2", credentials };
  }

  private kept<T extends { destroy(): void }>(client: T): T {
    this.clients.push(client);
    return client;
  }
}
