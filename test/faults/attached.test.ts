/** A terminal that takes a session over while somebody resumes its task: one of the two has it. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { attachmentOf, claimPath } from "../../src/daemon/attach.ts";
import { findRun } from "../../src/daemon/projection.ts";
import type { Host } from "../../src/host/context.ts";
import { ownIdentity } from "../../src/process/shim.ts";
import { writeAgentProgram } from "../../src/testing/agent/program.ts";
import { runId } from "../../src/testing/core.ts";
import { memoryLedger } from "../../src/testing/memory-ledger.ts";
import { driven } from "./engine.ts";
import { tempFolder } from "./folder.ts";

test("a resume that is being recorded while a terminal claims the session has it, and no claim stays (F41)", async (context) => {
  const home = tempFolder(context);
  await writeAgentProgram(home);
  const inner = memoryLedger();
  let recorded = Promise.resolve();
  const append: typeof inner.append = (...events) => recorded.then(() => inner.append(...events));
  const { engine, ...d } = driven({ ...inner, append }, Date.now);
  await engine.start();
  context.onTestFinished(() => engine.stop());
  await d.work(home);
  await engine.command({ type: "pause", run: runId, task: "a", interrupt: true });
  await d.see({ saw: "session_exited", n: 1, code: 143, signal: null, why: "exited 143" });

  const host = { home } as Host;
  const { id: att, session } = d.attempt();
  const claim = claimPath(host, att);
  const dir = dirname(claim);
  mkdirSync(join(dir, "cfg"), { recursive: true });
  const permissions = { allow: [], ask: [], deny: [] };
  const profile = { profile: "isolated", model: "sonnet", tools: [], readable: [], permissions };
  writeFileSync(
    join(dir, "launch.json"),
    JSON.stringify({ ...profile, att, session, dir, cwd: home }),
  );
  const { promise, resolve } = Promise.withResolvers<void>();
  recorded = promise;
  const resumed = engine.command({ type: "resume", run: runId, task: "a", usd: null });
  const find = () => findRun(engine.state, inner, runId);
  const attached = attachmentOf(host, find, engine.tick, {
    run: runId,
    task: "a",
    former: false,
    holder: ownIdentity(),
    env: { PATH: `${home}:/usr/bin:/bin`, HOME: home, ANTHROPIC_API_KEY: "dummy" },
    configHome: null,
    claudeConfigDir: null,
  });
  attached.catch(() => {}); // It is looked at below.
  await vi.waitUntil(() => existsSync(claim), { timeout: 10_000 });
  resolve();
  await resumed;
  await expect(attached).rejects.toThrow(`${runId}/a was resumed meanwhile`);
  expect(existsSync(claim)).toBe(false);
});
