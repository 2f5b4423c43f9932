import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import type { Effect } from "../core/effects.ts";
import { drive, runId, startOf, taskSpec } from "../testing/core.ts";
import { walk } from "../testing/walk.ts";
import { noteAnew } from "./anew.ts";
import { type Host, attemptDir } from "./context.ts";
import { speaker } from "./message.ts";
import { defaultStall } from "./stall.ts";

type Send = Extract<Effect, { do: "send" }>;

const homes: string[] = [];
afterEach(() => {
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
});

/** A host that knows its home only, and nothing of any worktree. */
function hostIn(home: string): Host {
  const unasked = (): never => {
    throw new Error("it was not to be asked");
  };
  const runner = { outlivesDaemon: true, start: unasked };
  return {
    home,
    runners: {
      "claude-cli": { name: "claude-cli", ...runner },
      "claude-sdk": { name: "claude-sdk", ...runner },
    },
    stall: defaultStall,
    environment: () => undefined,
    report: unasked,
    log: () => {},
    now: unasked,
    isLastOf: unasked,
    killedSince: unasked,
    isRestored: unasked,
  };
}

/** An attempt whose second start knows nothing of its first one, with two words that wait for it. */
async function begunAnew(): Promise<{ host: Host; sends: Send[] }> {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a")]));
  w.work("a");
  w.endRound("a", { is: "agent", detail: "lost" });
  w.exit("a", "killed");
  d.tick(60_000);
  w.save("a");
  w.start("a");
  d.command({ type: "tell", run: runId, task: "a", text: "and the docs" });
  w.save("a");
  const home = mkdtempSync(join(tmpdir(), "muster-message-"));
  homes.push(home);
  const host = hostIn(home);
  const { id } = d.attempt("a");
  mkdirSync(attemptDir(host, id), { recursive: true });
  await noteAnew(host, id, 2);
  const sends = d.due().filter((effect) => effect.do === "send");
  expect(sends.map(({ message }) => message.kind)).toEqual(["continue", "tell"]);
  return { host, sends };
}

it("tells a session without a past of its task once, in the first of the messages that wait, which is heard first", async () => {
  const { host, sends } = await begunAnew();
  const speak = speaker(host);
  const heard: string[] = [];
  await Promise.all(sends.map((send) => speak(send, async (text) => void heard.push(text))));
  expect(heard).toHaveLength(2);
  expect(heard[0]).toContain("was lost with its transcript");
  expect(heard[0]).toContain("do a");
  expect(heard[1]).toBe("and the docs");
});

it("says what comes next where a message could not be said", async () => {
  const { host, sends } = await begunAnew();
  const speak = speaker(host);
  const [first, second] = sends as [Send, Send];
  const heard: string[] = [];
  const failed = speak(first, () => Promise.reject(new Error("gone")));
  const said = speak(second, async (text) => void heard.push(text));
  await expect(failed).rejects.toThrow("gone");
  await said;
  expect(heard).toEqual(["and the docs"]);
});

it("says behind the last word that is said again how the process ended that may have heard it", async () => {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a")]));
  w.work("a");
  d.command({ type: "tell", run: runId, task: "a", text: "and the docs" });
  w.save("a");
  w.exit("a", "exited 137, in the middle of npm run migrate");
  d.tick(60_000);
  w.start("a");
  const home = mkdtempSync(join(tmpdir(), "muster-message-"));
  homes.push(home);
  const speak = speaker(hostIn(home));
  const heard: string[] = [];
  for (const effect of d.due())
    if (effect.do === "send") await speak(effect, async (text) => void heard.push(text));
  expect(heard).toEqual([
    d.attempt("a").mail[0]?.text,
    expect.stringMatching(
      /^and the docs\n\n.*\(exited 137, in the middle of npm run migrate\).*\n\nLook at `git status`/s,
    ),
  ]);
});
