import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { awaitGone, endProcess, sweep, sweepSession, tagged } from "../../../src/process/end.ts";
import { awaitFile, follow } from "../../../src/process/files.ts";
import { isAlive, readIdentity, signal } from "../../../src/process/identity.ts";
import { run } from "../../../src/process/run.ts";
import { sessionIn } from "../../../src/process/tagged.ts";
import {
  claimStart,
  maxLineBytes,
  readShim,
  startShim,
  writeLine,
} from "../../../src/process/shim.ts";

const folder = mkdtempSync(join(tmpdir(), "muster process ")); // A space, on purpose.
afterAll(() => rmSync(folder, { recursive: true }));
let n = 0;
const dir = (): string => join(folder, String(n++));
const env = { PATH: process.env["PATH"] ?? "", HOME: folder };
const base = { cwd: folder, env } as const;

describe("run", () => {
  it("gives code, output and nothing of our environment", async () => {
    const done = await run({
      ...base,
      argv: ["sh", "-c", "echo out; echo err >&2; env | grep -c '^MUSTER'; exit 3"],
      timeoutMs: 5_000,
    });
    expect([done.code, done.stdout.toString(), done.stderr.toString()]).toEqual([
      3,
      "out\n0\n",
      "err\n",
    ]);
  });

  it("ends a whole tree that ignores TERM when time is up", async () => {
    const done = await run({
      ...base,
      argv: [
        "sh",
        "-c",
        "trap '' TERM; sh -c \"trap '' TERM; while :; do sleep 1; done\" & while :; do sleep 1; done",
      ],
      timeoutMs: 200,
    });
    expect([done.ended, done.signal]).toEqual(["timed_out", "SIGKILL"]);
  });

  it("names a program that does not exist", async () => {
    await expect(
      run({ ...base, argv: ["no-such-program"], timeoutMs: 1_000 }),
    ).rejects.toMatchObject({ code: "not_found" });
  });

  it("ends a command that prints without end", async () => {
    const done = await run({ ...base, argv: ["yes"], timeoutMs: 20_000, maxBytes: 100_000 });
    expect(done.ended).toBe("too_large");
    expect(done.stdout.length).toBeLessThanOrEqual(100_000);
  });
});

describe("identity", () => {
  it("knows a live process and forgets a dead one", async () => {
    const child = spawn("sleep", ["60"]);
    const identity = readIdentity(child.pid as number);
    expect(identity && isAlive(identity)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(identity && isAlive(identity)).toBe(false);
    expect(identity && signal(identity, "SIGTERM")).toBe(false);
  });

  it("takes another start time or another boot for another process (F7, F27)", () => {
    const own = readIdentity(process.pid);
    expect(own).toBeDefined();
    if (own === undefined) return;
    expect(isAlive({ ...own, startedAt: "1" })).toBe(false);
    expect(isAlive({ ...own, boot: "another" })).toBe(false);
  });
});

describe("the shim", () => {
  it("runs a command, records who it is and how it ended, and never runs it twice", async () => {
    const at = dir();
    const state = await startShim({
      ...base,
      dir: at,
      argv: ["sh", "-c", "echo hello; exit 7"],
      stdin: "none",
    });
    expect(state.claimed).toBe(true);
    expect(await awaitFile(at, ["exit"], 5_000)).toBe("exit");
    expect(readShim(at).exit).toBe(7);
    expect(readFileSync(join(at, "out.jsonl"), "utf8")).toBe("hello\n");
    await expect(
      startShim({ ...base, dir: at, argv: ["true"], stdin: "none" }),
    ).rejects.toMatchObject({ code: "refused" });
    expect(claimStart(at)).toBe(false);
  });

  it("cannot start what was claimed as never run", async () => {
    const at = dir();
    expect(claimStart(at)).toBe(true);
    await expect(
      startShim({ ...base, dir: at, argv: ["true"], stdin: "none" }),
    ).rejects.toMatchObject({ code: "refused" });
  });

  it("outlives the process that started it, and takes lines from another one", async () => {
    const at = dir();
    const shimFile = join(import.meta.dirname, "../../../src/process/shim.ts");
    const script = `import { startShim } from ${JSON.stringify(shimFile)}; await startShim({ dir: ${JSON.stringify(at)}, argv: ["sh", "-c", "while read -r l; do echo got $l; [ $l = end ] && exit 0; done"], cwd: "/", env: { PATH: process.env.PATH }, stdin: "fifo" }); console.log("up"); setInterval(() => {}, 1000)`;
    const starter = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(starter.stdout, "data");
    starter.kill("SIGKILL");
    await once(starter, "exit");
    await writeLine(at, "one");
    await writeLine(at, "end");
    expect(await awaitFile(at, ["exit"], 5_000)).toBe("exit");
    expect(readFileSync(join(at, "out.jsonl"), "utf8")).toBe("got one\ngot end\n");
  });

  it("survives TERM to its group with an exit record, and its command can be interrupted", async () => {
    const at = dir();
    const state = await startShim({ ...base, dir: at, argv: ["sleep", "60"], stdin: "fifo" });
    const { shim, child } = state.id ?? {};
    expect(shim && child && signal(child, "SIGINT")).toBe(true);
    expect(await awaitFile(at, ["exit"], 5_000)).toBe("exit");
    expect(readShim(at).exit).toBe(130);
  });

  it("hands a secret over on fd 3 and leaves it out of the environment and the folder", async () => {
    const at = dir();
    await startShim({
      ...base,
      dir: at,
      argv: ["sh", "-c", "cat <&3; env"],
      stdin: "none",
      secret: "s3cret-value",
    });
    await awaitFile(at, ["exit"], 5_000);
    const out = readFileSync(join(at, "out.jsonl"), "utf8");
    expect(out.startsWith("s3cret-value")).toBe(true);
    expect(out.match(/s3cret-value/g)).toHaveLength(1);
  });

  it("refuses a line that would not fit one write", async () => {
    await expect(writeLine(dir(), "x".repeat(maxLineBytes))).rejects.toMatchObject({
      code: "refused",
    });
  });

  it("says so when no session reads", async () => {
    const at = dir();
    await startShim({ ...base, dir: at, argv: ["true"], stdin: "fifo" });
    await awaitFile(at, ["exit"], 5_000);
    await expect(writeLine(at, "late")).rejects.toMatchObject({ code: "not_found" });
  });

  it("weighs under 2 MB", async () => {
    const at = dir();
    const state = await startShim({ ...base, dir: at, argv: ["sleep", "60"], stdin: "fifo" });
    const pid = state.id?.shim.pid ?? 0;
    const rss = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    expect(rss).toBeGreaterThan(0);
    expect(rss).toBeLessThan(2_048);
    if (state.id) await endProcess(state.id.child, 1_000);
  });
});

describe("ending", () => {
  it("kills what ignores TERM", async () => {
    const child = spawn("sh", ["-c", "trap '' TERM; while :; do sleep 1; done"], {
      stdio: "ignore",
    });
    const identity = readIdentity(child.pid as number);
    expect(identity).toBeDefined();
    if (identity === undefined) return;
    expect(await endProcess(identity, 100)).toBe(true);
    expect(await awaitGone(identity, 100)).toBe(true);
  });

  it("sweeps children in sessions of their own by their tag, and spares others (F25)", async () => {
    const tag = `MUSTER_ATTEMPT=att_sweep_${process.pid}`;
    const [name, value] = tag.split("=") as [string, string];
    execFileSync(
      "sh",
      ["-c", "setsid sleep 61 >/dev/null 2>&1 & setsid sleep 62 >/dev/null 2>&1 &"],
      { env: { ...env, [name]: value } },
    );
    const other = spawn("sleep", ["63"], { env: { ...env, [name]: `${value}x` } });
    expect(tagged(tag)).toHaveLength(2);
    expect(await sweep(tag)).toBe(2);
    expect(tagged(tag)).toHaveLength(0);
    expect(other.exitCode).toBeNull();
    other.kill("SIGKILL");
  });
});

describe("the sweep of a session", () => {
  const att = "att_same_1";
  const [home, copy] = [join(folder, "m"), join(folder, "m copy")];
  const works = join(home, "worktrees", "p", att);
  mkdirSync(works, { recursive: true });
  symlinkSync(home, join(folder, "link"));
  for (const each of [home, copy]) mkdirSync(join(each, "attempts", att), { recursive: true });
  const folderOf = (of: string): string => join(of, "attempts", att, "tmp");
  const sleeps = (cwd: string, more: Readonly<Record<string, string>>): ChildProcess =>
    spawn("sleep", ["64"], { cwd, env: { ...env, MUSTER_ATTEMPT: att, ...more } });

  it("ends what is of this home, and nothing of another one with the same attempt (F25, F29)", async () => {
    const own = [
      sleeps("/", { CLAUDE_CODE_TMPDIR: folderOf(home) }),
      sleeps("/", { CLAUDE_CODE_TMPDIR: folderOf(join(folder, "link")) }),
      sleeps("/", { CLAUDE_CONFIG_DIR: folderOf(home), CLAUDE_CODE_TMPDIR: "/tmp" }),
      sleeps(works, {}),
    ];
    const others = [
      // The copy of a home works in the same worktrees.
      sleeps(works, { CLAUDE_CODE_TMPDIR: folderOf(copy) }),
      sleeps(works, { CLAUDE_CODE_TMPDIR: folderOf(home), MUSTER_ATTEMPT: "att_same_11" }),
      sleeps("/", {}),
    ];
    try {
      const gone = own.map((each) => once(each, "exit"));
      expect(await sweepSession(sessionIn(home, att))).toBe(own.length);
      await Promise.all(gone);
      expect(others.map(({ signalCode }) => signalCode)).toEqual(others.map(() => null));
      // Whoever is to go last goes too, and only where it is of the session.
      const [of, , not] = others.map(({ pid }) => readIdentity(pid ?? 0));
      expect(await sweepSession(sessionIn(copy, att), not)).toBe(1);
      expect(of !== undefined && isAlive(of)).toBe(false);
      expect(not !== undefined && isAlive(not)).toBe(true);
    } finally {
      for (const each of [...own, ...others]) each.kill("SIGKILL");
    }
  });
});

describe("follow", () => {
  it("gives whole lines with their ends, torn ones once they are whole, and U+2028 inside (F39)", async () => {
    const path = join(folder, "lines");
    writeFileSync(path, "one\ntw");
    const seen: [string, number][] = [];
    const following = follow(path, 0, (line, end) => seen.push([line.toString(), end]));
    await following.drain();
    appendFileSync(path, "o\n\u2028three\n");
    await following.drain();
    following.stop();
    expect(seen).toEqual([
      ["one", 4],
      ["two", 8],
      ["\u2028three", 17],
    ]);
  });

  it("gives nothing more to a listener that stops it in the middle of a chunk", async () => {
    const path = join(folder, "stopped");
    writeFileSync(path, "");
    const seen: string[] = [];
    const following = follow(path, 0, (line) => {
      seen.push(line.toString());
      following.stop();
    });
    appendFileSync(path, "one\ntwo\n");
    await following.drain();
    await following.drain();
    expect(seen).toEqual(["one"]);
  });

  it("has no memory of its own for a file that it follows", async () => {
    const path = join(folder, "many");
    writeFileSync(path, "one\n");
    follow(path, 0, () => {}).stop(); // What all of them read with is there from here on.
    const before = process.memoryUsage().arrayBuffers;
    const all = Array.from({ length: 40 }, () => follow(path, 0, () => {}));
    const more = process.memoryUsage().arrayBuffers - before;
    for (const each of all) each.stop();
    expect(more).toBeLessThan(256 * 1024);
  });

  it("gives a listener its own lines whatever is read inside of it", async () => {
    const [outer, inner] = [join(folder, "outer"), join(folder, "inner")];
    writeFileSync(outer, "one\ntwo\n");
    writeFileSync(inner, "x".repeat(64));
    const seen: string[] = [];
    const following = follow(outer, 0, (line) => {
      follow(inner, 0, () => {}).stop();
      seen.push(line.toString());
    });
    following.stop();
    expect(seen).toEqual(["one", "two"]);
  });

  it("goes on from an offset", async () => {
    const path = join(folder, "offset");
    writeFileSync(path, "one\ntwo\n");
    const seen: string[] = [];
    const following = follow(path, 4, (line) => seen.push(line.toString()));
    await following.drain();
    following.stop();
    expect(seen).toEqual(["two"]);
  });
});
