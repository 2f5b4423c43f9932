/** Effects on repositories in the simulated world, and what must hold the moment something lands. */
import type { Effect } from "../../core/effects.ts";
import type { Sha } from "../../core/ids.ts";
import type { Observed } from "../../core/inputs.ts";
import type { GateEvidence } from "../../core/attempt.ts";
import type { Truth, WorkingTree } from "./truth.ts";

/** How everything that fails for want of space says so. */
export const noSpace = "no space left";

type Of<K extends Effect["do"]> = Extract<Effect, { do: K }>;

/** What the host answers where performing an effect throws (`host/perform.ts`); null where its session tells. */
export function failed(effect: Effect, why: string): Observed | null {
  switch (effect.do) {
    case "provision":
      return { saw: "provision_failed", why, retry: true };
    case "snapshot":
      return { saw: "snapshot_failed", why };
    case "inspect":
    case "commit":
      return { saw: "inspect_failed", why };
    case "gate":
      return { saw: "gate_broken", commit: effect.head.commit, why };
    case "merge":
      return { saw: "target_missing", why };
    case "land":
      return { saw: "checkout_in_the_way", detail: why };
    case "retire":
      return { saw: "kept", why };
    default:
      return null;
  }
}

/** What it answers where there is no space: nothing was done. Whether it has landed before is read, which takes none. */
export function failedForSpace(truth: Truth, effect: Effect): Observed | null {
  if (effect.do === "land" && truth.lane(effect.spec).merges.has(effect.merge.commit))
    return land(truth, effect);
  const seen = failed(effect, noSpace);
  switch (seen?.saw) {
    case "provision_failed":
    case "snapshot_failed":
    case "inspect_failed":
    case "gate_broken":
    case "target_missing":
      return { ...seen, disk: true };
    default:
      return seen;
  }
}

export function provision(truth: Truth, effect: Of<"provision">): Observed {
  const { att, spec, basis } = effect;
  for (const need of spec.needs)
    if (need.merge && !basis.some(({ key }) => key === need.key))
      throw new Error(`${att} starts without the commit of ${need.key}, which it needs`);
  if (truth.retired.has(att)) throw new Error(`${att} is retired while its worktree is being made`);
  const made = truth.worktrees.get(att);
  if (spec.profile === "project" && !effect.trusted.includes(truth.config(spec.project)))
    return { saw: "untrusted", tree: truth.config(spec.project), files: [".mcp.json"] };
  if (truth.fault(0.04))
    return {
      saw: "provision_failed",
      why: "disk full",
      retry: truth.r.chance(0.8),
      worktree: made?.worktree ?? null,
    };
  if (made !== undefined) return setUp(truth, made);
  if (basis.length > 0 && truth.fault(0.1)) return { saw: "provision_conflicts", paths: ["a.ts"] };
  const held = new Set(truth.of(truth.lane(spec).head).changes);
  for (const { head } of basis) for (const change of truth.of(head).changes) held.add(change);
  const base = truth.commit(held);
  const worktree = {
    path: `/worktrees/${att}`,
    gitDir: `/git/${att}`,
    branch: `muster/${effect.attempt.run}/${effect.attempt.task}`,
    base: base.id,
    baseTree: base.tree,
    config: truth.lane(spec).head,
    basis: Object.fromEntries(basis.map(({ key, head }) => [key, head])),
  };
  const fresh = { worktree, isReady: false, head: base.id, dirty: false, writes: 0, saved: 0 };
  truth.worktrees.set(att, fresh);
  return setUp(truth, fresh);
}

function setUp(truth: Truth, tree: WorkingTree): Observed {
  const { worktree } = tree;
  if (truth.fault(0.05))
    return { saw: "provision_failed", why: "setup exited 1", retry: truth.r.chance(0.5), worktree };
  tree.isReady = true;
  return { saw: "provisioned", worktree };
}

export function snapshot(
  { worktrees, fault, commit }: Truth,
  effect: Of<"snapshot">,
): Observed | null {
  const tree = worktrees.get(effect.att);
  if (tree === undefined) return null;
  if (fault(0.02)) return { saw: "snapshot_failed", why: noSpace, disk: true };
  if (fault(0.01)) return { saw: "snapshot_failed", why: "a lock is in the way" };
  tree.saved = tree.writes;
  return { saw: "snapshot", ref: effect.ref, commit: commit([]).id, left: 0 };
}

export function inspect(truth: Truth, { att, spec }: Of<"inspect">): Observed | null {
  const tree = truth.worktrees.get(att);
  if (tree === undefined) return null;
  if (truth.fault(0.02)) return { saw: "inspect_failed", why: "not a repository" };
  if (truth.fault(0.002)) return { saw: "inspect_failed", why: "it was deleted", gone: true };
  const commit = truth.of(tree.head);
  const { missing, related, onTarget } = commit;
  const head = { commit: commit.id, tree: commit.tree };
  const outside = spec.paths === null ? [] : commit.outside;
  return { saw: "inspected", head, dirty: tree.dirty, related, onTarget, outside, missing };
}

/** muster's own commit of what the session left; once is enough. */
export function commitLeftovers(truth: Truth, { att }: Of<"commit">): Observed | null {
  const tree = truth.worktrees.get(att);
  if (tree === undefined) return null;
  const { changes, outside, missing } = truth.of(tree.head);
  if (tree.dirty)
    tree.head = truth.commit([...changes, truth.change(att)], { outside, missing }).id;
  tree.dirty = false;
  return { saw: "committed", head: { commit: tree.head, tree: truth.of(tree.head).tree } };
}

export function retire(truth: Truth, { att }: Of<"retire">): Observed {
  truth.retired.add(att);
  const tree = truth.worktrees.get(att);
  // As the host does: a last snapshot of its own, and without it nothing goes.
  if (tree !== undefined && truth.fault(0.1)) return { saw: "kept", why: "a large file" };
  if (tree !== undefined) tree.saved = tree.writes;
  truth.worktrees.delete(att); // Also one that was made before a crash and never recorded.
  return { saw: "retired", ref: tree === undefined ? null : "refs/muster/rescue/x" };
}

/** Runs the commands in order up to the first red one. What a tree gives is decided once and holds. */
export function gate(truth: Truth, { head, on, commands }: Of<"gate">): Observed {
  if (truth.fault(0.05)) return { saw: "gate_broken", commit: head.commit, why: "setup failed" };
  if (truth.fault(0.02))
    return { saw: "gate_broken", commit: head.commit, why: "no space", disk: true };
  if (truth.fault(0.01))
    return { saw: "gate_broken", commit: head.commit, why: "no memory", memory: true };
  const evidence: GateEvidence[] = [];
  for (const command of commands) {
    const key = `${head.tree} ${command}`;
    const passed = truth.gates.get(key) ?? !truth.fault(0.15);
    truth.gates.set(key, passed);
    evidence.push({
      command,
      exit: passed ? 0 : truth.r.pick([1, null]),
      commit: head.commit,
      tree: head.tree,
      on,
      durationMs: 5,
      log: "/log",
      logSha: "0".repeat(64),
      tail: "…",
      reusedFrom: null,
    });
    if (!passed) break;
  }
  return { saw: "gated", head, evidence, passed: evidence.every(({ exit }) => exit === 0) };
}

export function merge(truth: Truth, { att, spec, head, unsigned }: Of<"merge">): Observed {
  const lane = truth.lane(spec);
  if (!unsigned && truth.fault(0.03)) return { saw: "signing_failed", why: "the key is locked" };
  if (truth.fault(0.02)) return { saw: "target_missing", why: `no branch ${spec.target}` };
  if (truth.fault(0.1)) return { saw: "merge_conflicts", target: lane.head, paths: ["a.ts"] };
  if (truth.landings.some((landing) => landing.att === att))
    throw new Error(`${att} is merged again after it landed`);
  const target = truth.of(lane.head);
  const { id, tree } = truth.commit([...target.changes, ...truth.of(head.commit).changes]);
  return { saw: "merged", merge: { target: target.id, commit: id, tree } };
}

/** Compare-and-swap; the same landing twice is one. */
export function land(truth: Truth, effect: Of<"land">): Observed {
  const { spec, merge: made } = effect;
  const lane = truth.lane(spec);
  if (lane.merges.has(made.commit)) return { saw: "landed", commit: made.commit, followed: null };
  if (truth.fault(0.1)) lane.head = pushed(truth, lane.head);
  if (lane.head !== made.target)
    return { saw: "target_moved", expected: made.target, now: lane.head };
  if (truth.fault(0.1)) return { saw: "checkout_in_the_way", detail: "a.ts is changed" };
  checkLanding(truth, effect);
  lane.head = made.commit;
  lane.merges.add(made.commit);
  const { att, attempt, head } = effect;
  const { run, task } = attempt;
  truth.landings.push({ run, task, att, head: head.commit, merge: made.commit });
  return { saw: "landed", commit: made.commit, followed: truth.r.pick([null, "/project"]) };
}

/** Someone else's commit on the target. */
function pushed(truth: Truth, head: Sha): Sha {
  return truth.commit([...truth.of(head).changes, truth.change("else")]).id;
}

/** What must hold the moment a target moves. Throws what does not. */
function checkLanding(truth: Truth, effect: Of<"land">): void {
  const { att, attempt, spec, head, merge: made } = effect;
  const who = `${attempt.run}/${attempt.task}`;
  if (truth.landings.some(({ run, task }) => run === attempt.run && task === attempt.task))
    throw new Error(`${who} lands twice`);
  const gateless = truth.approvals.get(`${who} ${head.commit}`);
  if (spec.approval && gateless === undefined)
    throw new Error(`${who} lands ${head.commit} without an approval of it`);
  const commands = spec.gateFrom === "said" ? (spec.gate ?? []) : truth.accepted(spec.project);
  if (commands === null && gateless !== true)
    throw new Error(`${who} lands without a gate or an approval`);
  for (const command of commands ?? [])
    if (truth.gates.get(`${made.tree} ${command}`) !== true && gateless !== true)
      throw new Error(`${who} lands a tree that did not pass ${command}`);
  const { outside, missing, onTarget, related } = truth.of(head.commit);
  if (spec.paths !== null && outside.length > 0)
    throw new Error(`${who} lands changes outside of its paths`);
  if (missing.length > 0) throw new Error(`${who} lands without its artifacts`);
  if (onTarget || !related) throw new Error(`${who} lands what was not verified`);
  const authors = new Set(truth.of(made.commit).changes.map((change) => change.split("#")[0]));
  if (!authors.delete(att)) throw new Error(`${who} lands nothing of its own`);
  authors.delete("else");
  for (const { att: landed } of truth.landings) authors.delete(landed);
  if (authors.size > 0) throw new Error(`${who} lands unproved work of ${[...authors].join(", ")}`);
}
