/** The first start after a restart of the machine. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { type Callers, openCallers } from "../../../src/daemon/callers/callers.ts";
import { type Engine, engine } from "../../../src/daemon/engine.ts";
import { startEngine } from "../../../src/daemon/reboot.ts";
import { openLedger } from "../../../src/ledger/sqlite.ts";
import { roomy, runId, startOf, taskSpec } from "../../../src/testing/core.ts";

interface Opened {
  readonly home: string;
  readonly log: () => void;
  readonly callers: Callers;
  open(): Engine;
}

/** A home whose person's configuration is `config`, and whose open run has no caller any more. */
async function opened(config: string): Promise<Opened> {
  const home = mkdtempSync(join(tmpdir(), "muster-reboot-"));
  mkdirSync(join(home, "config/muster"), { recursive: true });
  writeFileSync(join(home, "config/muster/config.yaml"), config);
  vi.stubEnv("XDG_CONFIG_HOME", join(home, "config"));
  const ledger = openLedger(join(home, "ledger.db"));
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    await ledger.close();
    rmSync(home, { recursive: true, force: true });
  });
  const nothing = (): void => {};
  const options = { ledger, capacity: () => roomy, perform: nothing, forget: nothing };
  const open = (): Engine =>
    engine({ ...options, now: Date.now, boundary: nothing, log: nothing, fail: nothing });
  const callers = await openCallers({ home, env: {}, own: undefined, log: nothing });
  return { home, log: nothing, callers, open };
}

test.each([
  ["resume: ask\n", "the machine was restarted"],
  ["resume: auto\n", null],
  ["resume: sometimes\n", "the machine was restarted"],
])(
  "with a configuration of %j leaves a run without a caller paused for %j",
  async (config, why) => {
    const { home, log, callers, open } = await opened(config);
    const before = open();
    await startEngine(before, home, callers, log);
    await before.command(startOf([taskSpec("a")]));
    await before.stop();
    writeFileSync(join(home, "boot"), "another boot\n");
    const after = open();
    await startEngine(after, home, callers, log);
    expect(after.state.runs.get(runId)).toMatchObject({ paused: why !== null, pausedFor: why });
    await after.stop();
  },
);
