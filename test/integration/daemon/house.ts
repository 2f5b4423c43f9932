/** A ledger, a home and a repository with attempts of every standing, without a daemon: for what looks at all three. */
import { randomUUID } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Worktree } from "../../../src/core/attempt.ts";
import type { EventBody } from "../../../src/core/events.ts";
import type { AttemptId, RunId } from "../../../src/core/ids.ts";
import { fold } from "../../../src/core/evolve/evolve.ts";
import { type State, emptyState } from "../../../src/core/state.ts";
import type { KeepingParts } from "../../../src/daemon/keeping/parts.ts";
import { type Host, projectFolder, worktreeReason } from "../../../src/host/context.ts";
import { defaultStall } from "../../../src/host/stall.ts";
import { openLedger } from "../../../src/ledger/sqlite.ts";
import { addWorktree, openPlace, type Place } from "../../../src/git/worktree.ts";
import { taskSpec } from "../../../src/testing/core.ts";
import { type World, makeWorld } from "../git/world.ts";

export const dayMs = 24 * 3_600_000;

/** `started`: open, with a session that was started once. */
type End = "open" | "started" | "kept" | "retired";

export interface House {
  readonly world: World;
  readonly home: string;
  readonly parts: KeepingParts;
  /** Folder of the project's worktrees. */
  readonly folder: string;
  /** ms that `host.now()` is ahead of the clock. */
  aheadMs: number;
  /**
   * A run of one task with attempts that end so, in order: `run` is settled unless one is open. Those whose worktree was made before
   * have it.
   */
  attempts(run: RunId, ends: readonly End[]): Promise<readonly AttemptId[]>;
  /** A worktree as provisioning makes it. */
  worktree(att: string, run: string): Promise<Place>;
  /** Everything in the home and in the repository, with content. */
  listing(): readonly string[];
}

/** Opens the home below the world's folder. */
export async function openHome(): Promise<House> {
  const world = await makeWorld();
  const home = join(world.dir, "m");
  for (const name of ["attempts", "gates", "worktrees", "tmp", "trash", "follow"])
    mkdirSync(join(home, name), { recursive: true });
  const ledger = openLedger(join(home, "ledger.db"));
  onTestFinished(() => ledger.close());
  let state: State = emptyState;
  const worktrees = new Map<string, Worktree>();
  const spec = taskSpec("api", { project: world.repo.common, root: world.root });
  const append = async (bodies: readonly EventBody[]): Promise<void> => {
    state = fold(state, await ledger.append(state.seq, bodies, Date.now()));
  };
  const base = { base: world.env, gate: world.env, lost: [], isolation: "none" } as const;
  const house: House = {
    world,
    home,
    folder: "",
    aheadMs: 0,
    parts: { host: hostOf(), ledger, state: () => state },
    async attempts(run, ends) {
      await append([started(run), { type: "task.added", run, task: "api", spec }]);
      const made: AttemptId[] = [];
      for (const [i, end] of ends.entries()) {
        const att: AttemptId = `att_${run.slice(4)}_${i + 1}`;
        made.push(att);
        await append(lifeOf(run, att, end, worktrees.get(att)));
      }
      if (ends.every((end) => end === "kept" || end === "retired"))
        await append([{ type: "run.settled", run, state: "failed" }]);
      return made;
    },
    async worktree(att, run) {
      const branch = `muster/${run}/${att.replaceAll("_", "-")}`;
      const commit = await world.git(["rev-parse", "HEAD"]);
      const record = await addWorktree(world.repo, {
        path: join(house.folder, att),
        branch,
        commit,
        reason: worktreeReason(run as RunId, "api"),
      });
      const baseTree = await world.git(["rev-parse", "HEAD^{tree}"]);
      worktrees.set(att, { ...record, branch, base: commit, baseTree, config: commit, basis: {} });
      return openPlace(world.repo, record);
    },
    listing: () => [...everything(home), ...everything(world.root)],
  };
  function hostOf(): Host {
    return {
      home,
      runners: {} as Host["runners"],
      stall: defaultStall,
      environment: () => ({ ...base, session: () => never(), instructions: "" }),
      report: () => {},
      log: () => {},
      now: () => Date.now() + house.aheadMs,
      isLastOf: () => true,
      killedSince: () => false,
      isRestored: () => false,
    };
  }
  return Object.assign(house, { folder: projectFolder(house.parts.host, spec.project, spec.root) });
}

function never(): never {
  throw new Error("no session is started here");
}

function started(run: RunId): EventBody {
  const one = {
    name: "a run",
    parallel: 1,
    usd: 1,
    plans: [{ id: "plan", parallel: null, usd: null }],
  };
  return { type: "run.started", run, ...one, waitMs: 0, attended: false, credential: "key" };
}

function lifeOf(run: RunId, att: AttemptId, end: End, worktree?: Worktree): EventBody[] {
  const of = { run, task: "api", att };
  const session = randomUUID();
  const bodies: EventBody[] = [
    { type: "attempt.admitted", ...of, session, seed: session, runner: "claude-cli", basis: {} },
  ];
  if (worktree !== undefined) bodies.push({ type: "attempt.provisioned", ...of, worktree });
  if (end === "started")
    bodies.push({ type: "session.planned", ...of, n: 1, resume: false, credential: "key" });
  if (end === "open" || end === "started") return bodies;
  const outcome = { is: "failed", reason: "crashed", detail: "" } as const;
  bodies.push(
    { type: "attempt.ending", ...of, outcome },
    { type: "attempt.ended", ...of, outcome },
  );
  bodies.push(
    end === "kept"
      ? { type: "attempt.kept", ...of, why: "failed" }
      : { type: "attempt.retired", ...of, ref: null },
  );
  return bodies;
}

/** Path, kind and content of all below a folder; the ledger's own files are as alive as it is. */
function everything(dir: string): string[] {
  const paths = readdirSync(dir, { recursive: true }).map((name) => join(dir, String(name)));
  return paths
    .filter((path) => !/\/ledger\./.test(path) && existsSync(path))
    .toSorted()
    .map((path) => {
      const stat = lstatSync(path);
      return stat.isFile() ? `${path} ${readFileSync(path, "latin1")}` : path;
    });
}

/** Makes a file or folder an hour old. */
export function age(path: string, ms = 3_600_000): void {
  const then = (Date.now() - ms) / 1_000;
  utimesSync(path, then, then);
}
