/** What can go wrong on one machine, and what has to come of it. Tests carry the ids in their names, as `… (F3)` or `… (F1, F2)`. */
export interface Fault {
  readonly id: string;
  readonly fault: string;
  readonly expected: string;
  /** What the tests of this fault do not show. */
  readonly open?: string;
}

const fault = (id: string, what: string, expected: string, open?: string): Fault => ({
  id,
  fault: what,
  expected,
  ...(open === undefined ? {} : { open }),
});

/** F43 to F45 are about several hosts, of which there is only one yet. */
export const faults: readonly Fault[] = [
  fault(
    "F1",
    "the daemon is killed at any step of its work",
    "the next one takes everything over, starts nothing twice and loses no event",
  ),
  fault("F2", "the daemon is killed at random, again and again", "everything lands, once"),
  fault(
    "F3",
    "a session is killed in the middle of a round",
    "it is noticed, its work is kept, and the same session goes on",
  ),
  fault(
    "F4",
    "only the shim around a session is killed",
    "the session is still known and talked to; an end without a record is no success",
  ),
  fault(
    "F5",
    "the wrapper of a sandbox is killed",
    "what ran in it is found and ended",
    "a sandbox of a vendor's: the wrapper is the test's own, with a process namespace",
  ),
  fault(
    "F6",
    "the daemon is stopped, or replaced by a newer one",
    "sessions go on untouched, and the next daemon takes them over",
  ),
  fault(
    "F7",
    "the machine is restarted",
    "what ran before counts as interrupted and is resumed; nothing that runs now is taken for it",
    "files that a power cut leaves half written to the disk",
  ),
  fault(
    "F8",
    "the machine sleeps for hours",
    "nobody has stalled or timed out meanwhile",
    "a machine that really sleeps",
  ),
  fault(
    "F9",
    "the wall clock jumps by an hour, either way",
    "durations and waits are as long as they were",
  ),
  fault(
    "F10",
    "no space left for the ledger",
    "nothing is written or lost, what is there can be read, and all goes on once there is space",
  ),
  fault(
    "F11",
    "no space left for a session's stream",
    "the task waits for space and goes on; what was written stays readable",
  ),
  fault(
    "F12",
    "no space left in a repository",
    "what can't be written is refused whole: no broken object, no lock left, and it works again later",
  ),
  fault(
    "F13",
    "a lock of git is left behind",
    "whoever needs it waits or works beside it, and other worktrees do not notice",
  ),
  fault("F14", "muster looks at worktrees all the time", "it never takes a lock of git to do so"),
  fault("F15", "twenty worktrees are made at once", "all of them are made"),
  fault(
    "F16",
    "the ledger is damaged",
    "it is noticed before anything is written, said, put aside, and made again from what is left",
  ),
  fault(
    "F17",
    "two copies of SQLite, or a second descriptor, on one database",
    "can't happen: one door, and locks that hold whatever is looked at",
  ),
  fault(
    "F18",
    "the API answers 429 and says when to come back",
    "the task waits and goes on, others with the same key and model wait with it; nothing fails",
  ),
  fault(
    "F19",
    "a rate limit is used up",
    "the task is parked until the limit is reset, and has not failed",
  ),
  fault(
    "F20",
    "the model is overloaded for an hour",
    "nothing fails, it is asked ever less often, by one task at a time, and everything goes on afterwards",
  ),
  fault(
    "F21",
    "there is no network for an hour",
    "nothing fails, and everything goes on afterwards",
  ),
  fault(
    "F22",
    "a connection breaks in the middle of an answer",
    "the round goes on, and no tool runs twice",
  ),
  fault(
    "F23",
    "a session goes silent",
    "it is noticed by what it was doing, ended and resumed; a person is asked in the end",
  ),
  fault(
    "F24",
    "a session goes round in circles and spends",
    "turns, minutes and money end it, and its work is kept",
  ),
  fault(
    "F25",
    "processes of a session outlive it",
    "they are ended with it",
    "processes that clear their environment",
  ),
  fault(
    "F26",
    "many runs, one daemon",
    "no zombie, and no more open files than before",
    "a thousand attempts: npm run soak (docs/evidence/soak.md)",
  ),
  fault(
    "F27",
    "a process id is used again",
    "the other process is never signalled, and the one that was meant counts as gone",
  ),
  fault(
    "F28",
    "the kernel kills for want of memory",
    "the cause is named, and less runs at once",
    "a machine that is out of memory as a whole; what another program than the kernel ends",
  ),
  fault(
    "F29",
    "two daemons for one home, or two homes for one repository",
    "one daemon for a home; two homes lose none of each other's work",
  ),
  fault(
    "F30",
    "a daemon ends while its successor starts",
    "it takes nothing of its successor away",
  ),
  fault(
    "F31",
    "a person edits files in a worktree",
    "the edit is kept, and lands with the task's work where the session commits it",
  ),
  fault(
    "F32",
    "a person deletes a worktree",
    "the task says so, and its branch and what was kept before stay",
    "making the worktree again",
  ),
  fault(
    "F33",
    "`git worktree prune` and `git gc` run beside it",
    "worktrees and work stay, and everything lands",
  ),
  fault(
    "F34",
    "a worktree with uncommitted, unpushed or detached work is cleaned up",
    "a ref holds every byte of it first, or it stays",
  ),
  fault(
    "F35",
    "the target moves, is deleted or is pushed over",
    "the task is proved again on what is there, or asks; neither side loses a commit",
  ),
  fault(
    "F36",
    "two tasks conflict",
    "the second one's session settles it, or a person; the queue goes on",
  ),
  fault(
    "F37",
    "a file is cut off at any byte, or edited into nonsense",
    "it is refused with its line, or read whole; our own files are old or new, never half",
  ),
  fault("F38", "a plan is edited while it runs", "the run goes on with what it was started with"),
  fault(
    "F39",
    "a transcript or a stream ends in the middle of a line",
    "the session is resumed, and the stream is read up to there",
  ),
  fault(
    "F40",
    "a session writes a hundred megabytes, and nobody reads",
    "the session is not held up, and nothing is cut off",
  ),
  fault("F41", "one session is resumed twice", "the second one is refused"),
  fault(
    "F42",
    "Claude Code changes its events",
    "what is unknown is counted and passed over",
    "other versions than the three of `npm run contract`",
  ),
  fault(
    "F46",
    "the credentials expire while tasks run",
    "they wait for a person, whose one word brings all of them back",
  ),
  fault(
    "F47",
    "the daemon's environment is not that of the terminal",
    "sessions and gates have the environment of the command that started their run",
  ),
  fault(
    "F48",
    "a person stops a run, and then something crashes",
    "what was stopped stays stopped",
  ),
];
