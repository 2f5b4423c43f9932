/** `muster attach`: Claude Code itself on a task's session, in its worktree; muster takes over again afterwards. */
import { rmSync } from "node:fs";
import type { Command } from "commander";
import type { Attachment, RunDetail, TaskDetail } from "../../api/service.ts";
import { Fault } from "../../core/fault.ts";
import { attachedText } from "../../core/texts.ts";
import type { TaskStateName } from "../../core/view.ts";
import { runAttached } from "../../process/attached.ts";
import { nameProgram } from "../../process/claim.ts";
import type { Identity } from "../../process/identity.ts";
import { ownIdentity } from "../../process/shim.ts";
import { type TaskAddress, findTask } from "../address.ts";
import { type Connection, connect, thisCaller } from "../connect.ts";
import { followRun } from "../follow.ts";
import { examples } from "../help.ts";
import { note } from "../output.ts";
import { isOver } from "../states.ts";

export function attachCommand(root: Command): void {
  const command = root
    .command("attach")
    .description("take over a session in this terminal")
    .argument("<run/task>", "a task with a worktree")
    .option("--former", "ask the session before it, changing nothing")
    .action(async (wanted: string, { former = false }: { former?: boolean }) => {
      const daemon = await connect();
      const address = await findTask(daemon, wanted);
      if (former) requireTerminal(address.text, stateOf(address.detail, address.task));
      process.exitCode = await (former ? open(daemon, address, true) : attach(daemon, address));
    });
  examples(command, [
    ["muster attach api", "leave it to let muster go on"],
    ["muster attach api --former", "questions to the session that handed over"],
  ]);
}

/** States in which nothing of the attempt is under way: what was going on has come to rest under the pause. */
const resting = new Set<TaskStateName>(["paused", "asking", "parked"]);
/** After these a round is needed before anything lands: a person may have changed what was proved. */
const proved = new Set(["verified", "verifying", "queued"]);

async function attach(daemon: Connection, address: TaskAddress): Promise<number> {
  const { run, task, text } = address;
  const now = stateOf(address.detail, task);
  requireSession(text, now);
  requireTerminal(text, now);
  if (isOver(now)) return open(daemon, address);
  const detail = await rest(daemon, address);
  const { phase } = stateOf(detail, task);
  const resume = async (): Promise<void> =>
    daemon.command({ type: "resume", run, task, usd: null, ...(await thisCaller()) });
  let attachment: Attachment;
  try {
    attachment = await attachmentOf(daemon, address, false);
  } catch (error) {
    // Where another terminal has the session it stays paused: the daemon refuses, and leaving that one resumes.
    await resume().catch(() => {});
    throw error;
  }
  try {
    return await inTerminal(text, attachment);
  } finally {
    if (proved.has(phase ?? ""))
      await daemon.command({ type: "tell", run, task, text: attachedText });
    await resume();
    const { paused } = await daemon.run(run);
    if (paused) note(`▲ ${run} is paused\n↳ To go on, run muster resume ${run}`);
    else note(`◎ muster goes on with ${text}`);
  }
}

interface Now {
  readonly state: TaskStateName;
  readonly worktree: string | null;
  readonly session: string | null;
  readonly phase: string | undefined;
  readonly process: TaskDetail["attempts"][number]["process"];
}

function stateOf({ run, tasks }: RunDetail, key: string): Now {
  const index = tasks.findIndex((task) => task.key === key);
  const view = run.tasks[index];
  const attempt = tasks[index]?.attempts.at(-1);
  return {
    state: view?.state ?? "waiting",
    worktree: view?.worktree ?? null,
    session: view?.session ?? null,
    phase: attempt?.phase,
    process: attempt?.process ?? "none",
  };
}

function requireSession(text: string, { worktree, session, state }: Now): void {
  if (session !== null && worktree !== null) return;
  const what = session === null ? "has no session yet" : "has no worktree any more";
  throw new Fault("refused", `${text} is ${state} and ${what}`, {
    remedy: helpOf(text, state, session !== null),
  });
}

/** Without one Claude Code could only fail, with the task paused for it. */
function requireTerminal(text: string, now: Now): void {
  if (process.stdin.isTTY && process.stdout.isTTY) return;
  throw new Fault("usage", "attach needs a terminal, and this is none", {
    remedy: isOver(now)
      ? `To see what it did, run muster logs ${text}`
      : `To say something to the session, run muster tell ${text} "TEXT"`,
  });
}

function helpOf(text: string, state: TaskStateName, hasBegun: boolean): string {
  if (state === "failed" || state === "canceled")
    return `To try it again, run muster retry ${text}`;
  return hasBegun
    ? `To see what it did, run muster logs ${text}`
    : `To see its place in the run, run muster show ${text}`;
}

/** Pauses a task and waits until its process is gone and nothing of it is under way. */
async function rest(daemon: Connection, { run, task, text }: TaskAddress): Promise<RunDetail> {
  const pause = (): Promise<void> => daemon.command({ type: "pause", run, task, interrupt: true });
  await pause();
  note(`◎ ${text} is paused, waiting for its session to end`);
  const isThere = (detail: RunDetail): boolean => {
    const { state, process } = stateOf(detail, task);
    return isOver({ state }) || (process === "none" && resting.has(state));
  };
  const detail = await followRun(
    daemon,
    run,
    (each) => {
      // A session that was on its way up when it was paused.
      if (stateOf(each, task).process === "live") void pause().catch(() => {});
    },
    { until: isThere },
  );
  requireSession(text, stateOf(detail, task));
  return detail;
}

async function open(daemon: Connection, address: TaskAddress, former = false): Promise<number> {
  return inTerminal(address.text, await attachmentOf(daemon, address, former));
}

/** Asks to have the session; from then on it is claimed for this process. */
async function attachmentOf(
  daemon: Connection,
  { run, task }: TaskAddress,
  former: boolean,
): Promise<Attachment> {
  const holder = ownIdentity();
  return daemon.attachment({ run, task, former, holder, ...(await thisCaller()) });
}

/** The claim names the program too: it may outlive this process. */
async function inTerminal(text: string, { argv, cwd, env, claim }: Attachment): Promise<number> {
  note(`◎ claude on ${text}, in ${cwd}; leave it to go on`);
  const onStart = (program: Identity): void => {
    if (claim !== null) nameProgram(claim, ownIdentity(), program);
  };
  const own = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  try {
    return await runAttached({ argv, cwd, env: { ...Object.fromEntries(own), ...env }, onStart });
  } finally {
    if (claim !== null) rmSync(claim, { force: true });
  }
}
