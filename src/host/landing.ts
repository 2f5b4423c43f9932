/** Landing: merge in memory, then move the target by compare-and-swap, with the person's checkout following where it can. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../config/write.ts";
import type { Effect } from "../core/effects.ts";
import type { AttemptId, Sha } from "../core/ids.ts";
import type { Observed } from "../core/inputs.ts";
import type { FollowRecord } from "../git/follow.ts";
import { type Repository, openRepository } from "../git/git.ts";
import { isAncestor } from "../git/inspect.ts";
import { readLandingBase } from "../git/integration.ts";
import { type LandRequest, type Landing, land, recoverFollow } from "../git/land.ts";
import { type CommitRequest, commitTree, mergeTree, person } from "../git/merge.ts";
import { deleteRef, readRef, resolve, updateRef } from "../git/refs.ts";
import { type SignedCommit, commitSigned, readSigning } from "../git/signing.ts";
import { type Host, gitEnvironment, openProject } from "./context.ts";

type Of<K extends Effect["do"]> = Extract<Effect, { do: K }>;

/**
 * Makes the merge that would land: signed where the project asks for it, unless a person said that it may land unsigned. Merges
 * that an attempt starts from or a gate looks at stay unsigned, as what agents commit does.
 */
export async function merge(
  host: Host,
  { attempt, spec, head, unsigned }: Of<"merge">,
): Promise<Observed> {
  const repo = await openProject(host, attempt.run, spec);
  const landing = await readLandingBase(repo, spec);
  if ("why" in landing) return { saw: "target_missing", why: landing.why };
  const { head: target, base } = landing;
  const merged = await mergeTree(repo, base, head.commit);
  if (!merged.clean) return { saw: "merge_conflicts", target, paths: merged.paths };
  const who = await person(repo);
  const gates = attempt.gates
    .filter(({ tree, exit }) => tree === head.tree && exit === 0)
    .map(({ command }) => command);
  const title = spec.prompt.trim().split("\n")[0]?.slice(0, 60) ?? "";
  const message = [
    `Land ${attempt.task}: ${title}`,
    "",
    `Muster-Run: ${attempt.run}`,
    `Muster-Task: ${attempt.task}`,
    ...(gates.length === 0
      ? ["Muster-Gate: none"]
      : gates.map((command) => `Muster-Gate: ${command.replaceAll("\n", " ")}`)),
    "",
  ].join("\n");
  const request = {
    tree: merged.tree,
    parents: [base, head.commit],
    message,
    author: who,
    committer: who,
  };
  const made = unsigned
    ? { commit: await commitTree(repo, request) }
    : await commitAsAsked(repo, request, gitEnvironment(host, attempt.run));
  if ("unsigned" in made) return { saw: "signing_failed", why: made.unsigned };
  await holdMerge(repo, attempt.id, made.commit).catch((error: unknown) =>
    host.log("warn", "A merge is held by no ref", { att: attempt.id, error: String(error) }),
  );
  return { saw: "merged", merge: { target, commit: made.commit, tree: merged.tree } };
}

async function commitAsAsked(
  repo: Repository,
  request: CommitRequest,
  env: Readonly<Record<string, string>>,
): Promise<SignedCommit> {
  const signing = await readSigning(repo);
  if (!signing.asked) return { commit: await commitTree(repo, request) };
  if (signing.signer === null) return { unsigned: signing.why };
  return commitSigned(repo, request, signing.signer, env);
}

/** Where a merge is kept from its making until it has landed or was given up: it may wait for a person longer than gc does. */
function mergeRef(att: AttemptId): string {
  return `refs/muster/landing/${att}`;
}

async function holdMerge(repo: Repository, att: AttemptId, commit: Sha): Promise<void> {
  const old = await readRef(repo, mergeRef(att));
  const reason = "muster: merge that is to land";
  if (old !== commit) await updateRef(repo, mergeRef(att), commit, old, { reason });
}

/** Lets go of an attempt's merge: it has landed, or never will. */
export async function dropMerge(repo: Repository, att: AttemptId): Promise<void> {
  const held = await readRef(repo, mergeRef(att));
  if (held !== null) await deleteRef(repo, mergeRef(att), held);
}

export async function landMerge(
  host: Host,
  { attempt, spec, merge: made }: Of<"land">,
): Promise<Observed> {
  const repo = await openProject(host, attempt.run, spec);
  await finishFollow(host, repo, attempt.id);
  const now = await readRef(repo, `refs/heads/${spec.target}`);
  // Its ref was deleted, and git has collected it: it is made anew.
  if ((await resolve(repo, made.commit)) === undefined)
    return { saw: "target_moved", expected: made.target, now };
  // From before a crash: the swap happened, its record did not; a person may have committed on top since.
  if (now !== null && (await isAncestor(repo, made.commit, now)))
    return { saw: "landed", commit: made.commit, followed: null };
  const journal = followJournal(host, attempt.id);
  const isOurs = (path: string): boolean =>
    path.startsWith(`${host.home}/`) && !host.isRestored(path);
  const request = { target: spec.target, old: made.target, new: made.commit, journal, isOurs };
  const done = await land(repo, request).catch(async (error: unknown) => {
    const landing = await afterFault(repo, request, error);
    await finishFollow(host, repo, attempt.id).catch((cause: unknown) =>
      host.log("warn", "A checkout is finished at the next start", { error: String(cause) }),
    );
    return landing;
  });
  if (done.landed) return { saw: "landed", commit: made.commit, followed: done.followed };
  if (done.why === "moved") return { saw: "target_moved", expected: made.target, now: done.now };
  const named = done.paths.slice(0, 3).join(", ");
  return {
    saw: "checkout_in_the_way",
    detail: named === "" ? done.detail : `${done.detail}: ${named}`,
  };
}

/** After a fault in the middle the target itself says what is true: moved is landed; else the fault stands, and nothing landed. */
async function afterFault(
  repo: Repository,
  { target, new: made }: LandRequest,
  error: unknown,
): Promise<Landing> {
  if ((await readRef(repo, `refs/heads/${target}`)) === made)
    return { landed: true, followed: null };
  throw error;
}

/** Completes or undoes what an earlier try of this landing left half done in a checkout. */
async function finishFollow(host: Host, repo: Repository, att: AttemptId): Promise<void> {
  const path = join(journalDir(host), `${att}.json`);
  if (!existsSync(path)) return;
  await recoverFollow(repo, JSON.parse(readFileSync(path, "utf8")) as FollowRecord);
  rmSync(path);
}

function journalDir(host: Host): string {
  return join(host.home, "follow");
}

/** One file per landing that moves a checkout; it names what a crash in between left half done. */
function followJournal(host: Host, name: string) {
  const path = join(journalDir(host), `${name}.json`);
  return {
    async write(record: FollowRecord): Promise<void> {
      mkdirSync(journalDir(host), { recursive: true, mode: 0o700 });
      await replaceFile(path, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    },
    clear(): void {
      rmSync(path, { force: true });
    },
  };
}

/** Completes or undoes what a crash left half done in a person's checkout. Called once, before anything else runs; returns how many. */
export async function recoverFollows(
  host: Host,
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const dir = journalDir(host);
  if (!existsSync(dir)) return 0;
  const names = readdirSync(dir).filter((name) => name.endsWith(".json"));
  let done = 0;
  for (const name of names) {
    try {
      const record = JSON.parse(readFileSync(join(dir, name), "utf8")) as FollowRecord;
      const repo = await openRepository(record.worktree, env, { scratch: join(host.home, "tmp") });
      await recoverFollow(repo, record);
      rmSync(join(dir, name));
      done += 1;
    } catch (error) {
      // Its landing tries again; the other projects go on.
      host.log("error", "A checkout stays half moved", { name, error: String(error) });
    }
  }
  return done;
}
