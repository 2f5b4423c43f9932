/** What a repair knows before it looks: which attempts are whose business, and which repositories are still there. */
import { existsSync, readdirSync } from "node:fs";
import type { Finding, Looked } from "../../api/repair.ts";
import type { AttemptId, ProjectId, RunId } from "../../core/ids.ts";
import type { Repository } from "../../git/git.ts";
import { openProject } from "../../host/context.ts";
import type { KeepingParts } from "../keeping/parts.ts";
import { readKnown } from "../damage/evidence.ts";
import { readProjects } from "../keeping/old.ts";
import { readNotes } from "../keeping/restored.ts";

/**
 * `open`: the engine's, hands off. `kept`: over, its worktree stays for a person until `clean`. `over`: given back. `unknown`: no run in
 * the ledger has it.
 */
export type Standing = "open" | "kept" | "over" | "unknown";

export interface Project {
  readonly id: ProjectId;
  readonly root: string;
  readonly repo: Repository;
}

export interface Scene {
  readonly parts: KeepingParts;
  /** Real path of MUSTER_HOME. */
  readonly home: string;
  readonly now: number;
  readonly retentionMs: number;
  readonly projects: readonly Project[];
  /** Worktrees that are a person's by `restore`. */
  readonly restored: ReadonlySet<string>;
  /** As it is right now: a run may have begun since the scene was read. */
  standing(att: string): Standing;
  /** When the run of an attempt was settled; undefined where it was not. */
  settledAt(att: string): number | undefined;
  /** True while any open run has a task in the project. */
  isBusy(project: ProjectId): boolean;
  readonly count: { -readonly [K in keyof Looked]: Looked[K] };
}

/** A finding, and how it is mended: looked at once more right before anything is done. */
export interface Flaw {
  readonly finding: Finding;
  readonly mend: (() => Promise<Mended>) | null;
}

export type Mended = { readonly ref: string | null } | { readonly why: string };

export const done: Mended = { ref: null };

const attemptName = /^att_([0-9a-z]+)_([1-9]\d{0,8})$/;

/** True for what muster calls an attempt. */
export function isAttempt(name: string): name is AttemptId {
  return attemptName.test(name);
}

/** The attempt that is named somewhere in a key, as folders of gates have it. */
export function attemptIn(key: string): AttemptId | undefined {
  const [found] = /(?<=^|-)att_[0-9a-z]+_[1-9]\d{0,8}(?=-|$)/.exec(key) ?? [];
  return found as AttemptId | undefined;
}

function runOf(att: string): { readonly run: RunId; readonly n: number } {
  const [, of = "", digits = "0"] = attemptName.exec(att) ?? [];
  return { run: `run_${of}`, n: Number(digits) };
}

/** Reads the ledger once. Repositories that can't be opened are counted and left alone. */
export async function readScene(parts: KeepingParts, retentionMs: number): Promise<Scene> {
  const { host, ledger, state } = parts;
  const { attempts: known } = await readKnown(ledger);
  const kept = new Set<string>();
  const settled = new Map<RunId, number>();
  for await (const event of ledger.read(0, { types: ["attempt.kept", "run.settled"] }))
    if (event.type === "attempt.kept") kept.add(event.att);
    else if (event.type === "run.settled") settled.set(event.run, event.at);
  const projects: Project[] = [];
  let absent = 0;
  for (const [id, [run, spec]] of await readProjects(ledger)) {
    const repo = await openProject(host, run, spec).catch(() => undefined);
    if (repo?.common === id) projects.push({ id, root: spec.root, repo });
    else absent += 1;
  }
  return {
    parts,
    home: host.home,
    now: host.now(),
    retentionMs,
    projects,
    restored: new Set(readNotes(host.home).map(({ worktree }) => worktree)),
    standing(att) {
      const { run, n } = runOf(att);
      if (state().attempts.has(att as AttemptId)) return "open";
      if (n <= (known.get(run) ?? 0)) return kept.has(att) ? "kept" : "over";
      return state().runs.has(run) ? "open" : "unknown";
    },
    settledAt: (att) =>
      state().runs.has(runOf(att).run) ? undefined : settled.get(runOf(att).run),
    isBusy: (project) =>
      [...state().runs.values()].some(({ tasks }) =>
        [...tasks.values()].some(({ spec }) => spec.project === project),
      ),
    count: {
      projects: projects.length,
      absent,
      worktrees: 0,
      folders: 0,
      refs: 0,
      processes: 0,
    },
  };
}

/** Names in a folder; none where it is not there. */
export function names(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
