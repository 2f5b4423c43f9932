/** A program that keeps a session, says what it sees, and kills itself at the first event of a kind: a daemon that crashes. */
import { mkdirSync, readFileSync, writeSync } from "node:fs";
import type { AgentEvent, Launch, SessionEnvironment } from "../../core/runner.ts";
import { type RunnerSetup, makeRunner } from "./place.ts";

interface Held {
  readonly setup: RunnerSetup;
  readonly launch: Launch;
  readonly given: SessionEnvironment;
  readonly text: string;
  readonly until: AgentEvent["is"];
}

const { setup, launch, given, text, until }: Held = JSON.parse(readFileSync(0, "utf8"));
mkdirSync(launch.dir, { recursive: true });
const live = await makeRunner(setup).start(
  launch,
  () => given,
  (event) => {
    writeSync(1, `${JSON.stringify(event)}\n`);
    if (event.is === until) process.kill(process.pid, "SIGKILL");
  },
);
await live.send({ uuid: crypto.randomUUID(), text });
