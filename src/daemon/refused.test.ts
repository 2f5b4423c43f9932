import { expect, it } from "vitest";
import type { RunId } from "../core/ids.ts";
import { drive, runId, startOf, taskSpec } from "../testing/core.ts";
import { walk, worktree } from "../testing/walk.ts";
import { refusedCredentials } from "./refused.ts";

it("names a credential once, with the tasks of all runs that wait for it", () => {
  const d = drive();
  const w = walk(d);
  const other = taskSpec("z");
  d.command(
    startOf(
      ["a", "b", "c"].map((key) => taskSpec(key)),
      { parallel: 1 },
    ),
  );
  d.command(startOf([other], { run: "run_b", credential: "another" }));
  d.command(startOf([other], { run: "run_c" }));
  expect(refusedCredentials(d.state, d.now)).toEqual([]);
  w.work("a");
  w.endRound("a", { is: "credentials", detail: "401 refused" });
  d.see("z", { saw: "provisioned", worktree: worktree("z") }, undefined, "run_c");
  const snapshot = { saw: "snapshot", commit: "x", left: 0 } as const;
  d.see("z", { ...snapshot, ref: "refs/muster/attempts/att_c_1/1" }, undefined, "run_c");
  const all = { why: "401 refused", tasks: 4, runs: [runId, "run_c"] };
  expect(refusedCredentials(d.state, d.now)).toEqual([all]);
  d.command({ type: "resume", run: runId, task: null, usd: null });
  expect(refusedCredentials(d.state, d.now)).toEqual([]);
});

it("names also one that a session could not be started with, which no breaker tells of", () => {
  const d = drive();
  const w = walk(d);
  d.command(startOf([taskSpec("a")]));
  w.provision("a");
  d.see("a", { saw: "session_failed_to_start", n: 1, why: "no login", credentials: true });
  expect(refusedCredentials(d.state, d.now)).toEqual([
    { why: "no login", tasks: 1, runs: [runId] },
  ]);
});

it("names an environment that went with the daemon once for each run: a resume brings that of its own only", () => {
  const d = drive();
  d.command(startOf([taskSpec("a")]));
  d.command(startOf([taskSpec("z")], { run: "run_b" }));
  const lose = (key: string, run: RunId, n: number): void => {
    const why = `KEY of ${run} went with the daemon`;
    d.see(key, { saw: "session_failed_to_start", n, why, credentials: true }, undefined, run);
  };
  walk(d).provision("a");
  d.see("z", { saw: "provisioned", worktree: worktree("z") }, undefined, "run_b");
  lose("a", runId, 1);
  lose("z", "run_b", 1);
  const ofOther = { why: "KEY of run_b went with the daemon", tasks: 1, runs: ["run_b"] };
  expect(refusedCredentials(d.state, d.now)).toEqual([
    { why: `KEY of ${runId} went with the daemon`, tasks: 1, runs: [runId] },
    ofOther,
  ]);
  d.command({ type: "resume", run: runId, task: null, usd: null });
  const snapshot = { saw: "snapshot", commit: "x", left: 0 } as const;
  d.see("z", { ...snapshot, ref: "refs/muster/attempts/att_b_1/1" }, undefined, "run_b");
  lose("z", "run_b", 2);
  expect(refusedCredentials(d.state, d.now)).toEqual([ofOther]);
});
