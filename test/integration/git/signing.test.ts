/** Signatures by the real programs, with keys that are made here; whoever asks a person for anything is caught by a canary. */
import { existsSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { commitTree, person } from "../../../src/git/merge.ts";
import {
  commitSigned,
  readSigning,
  type SignedCommit,
  type Signing,
} from "../../../src/git/signing.ts";
import { run } from "../../../src/process/run.ts";
import { makeScene } from "./attack.ts";
import { makeWorld, put, type World } from "./world.ts";

/** Below the time-out of a signature: a refusal comes by itself, it is not waited out. */
const promptlyMs = 20_000;
// Agents start and keys are made, on a machine that does something else as well.
vi.setConfig({ testTimeout: 120_000 });

function has(program: string): boolean {
  const dirs = (process.env["PATH"] ?? "").split(delimiter);
  return dirs.some((dir) => existsSync(join(dir, program)));
}

async function program(
  world: World,
  argv: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const done = await run({
    argv,
    cwd: world.dir,
    env: { ...world.env, ...env },
    timeoutMs: 20_000,
    input: "x\n",
  });
  if (done.code !== 0) throw new Error(`${argv[0]}: ${done.stderr.toString()}`);
  return done.stdout.toString();
}

async function script(path: string, ...lines: readonly string[]): Promise<string> {
  await put(path, `#!/bin/sh\n${lines.join("\n")}\n`);
  await chmod(path, 0o755);
  return path;
}

async function settings(world: World, entries: Readonly<Record<string, string>>, scope = "global") {
  for (const [key, value] of Object.entries(entries))
    await world.git(["config", `--${scope}`, key, value]);
}

async function request(world: World) {
  const who = await person(world.repo);
  return {
    tree: await world.git(["rev-parse", "HEAD^{tree}"]),
    parents: [await world.git(["rev-parse", "HEAD"])],
    message: "Land it\n\nMuster-Run: run_1\n",
    author: who,
    committer: who,
  };
}

function signerOf(signing: Signing) {
  if (!signing.asked || signing.signer === null) throw new Error(JSON.stringify(signing));
  return signing.signer;
}

async function sign(
  world: World,
  env: Readonly<Record<string, string>> = {},
  timeoutMs?: number,
): Promise<SignedCommit> {
  const signer = signerOf(await readSigning(world.repo));
  return commitSigned(world.repo, await request(world), signer, env, timeoutMs);
}

function commitOf(made: SignedCommit): string {
  if ("unsigned" in made) throw new Error(made.unsigned);
  return made.commit;
}

async function unsignedIn(limitMs: number, made: Promise<SignedCommit>): Promise<string> {
  const startedAt = performance.now();
  const done = await made;
  expect(performance.now() - startedAt).toBeLessThan(limitMs);
  if ("commit" in done) throw new Error("it was signed");
  expect(done.unsigned).not.toContain("\n");
  return done.unsigned;
}

async function isSigned(world: World, commit: string): Promise<boolean> {
  return /^gpgsig/m.test(await world.git(["cat-file", "commit", commit]));
}

async function sshKey(world: World, name: string, passphrase = ""): Promise<string> {
  const path = join(world.dir, name);
  await program(world, ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path]);
  return path;
}

/** An agent without keys; what it is found by. */
async function sshAgent(world: World): Promise<Record<string, string>> {
  const socket = join(world.dir, "agent");
  const said = await program(world, ["ssh-agent", "-s", "-a", socket]);
  const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(said)?.[1]);
  onTestFinished(() => void process.kill(pid));
  return { SSH_AUTH_SOCK: socket };
}

/** A person who signs everything by ssh, and believes what their key signs. */
async function signsBySsh(world: World, key: string): Promise<void> {
  await settings(world, {
    "commit.gpgsign": "true",
    "gpg.format": "ssh",
    "user.signingkey": key,
    "gpg.ssh.allowedSignersFile": join(world.dir, "signers"),
  });
  const keys = await program(world, ["sh", "-c", 'for k in *.pub; do cat "$k"; done']);
  await put(
    join(world.dir, "signers"),
    keys.replaceAll(/^(?=ssh)/gm, 'pat@example.org namespaces="git" '),
  );
}

describe("whether signatures are asked for", () => {
  test("not without the setting, and a commit is made unsigned as ever", async () => {
    const world = await makeWorld();
    expect(await readSigning(world.repo)).toEqual({ asked: false });
    await settings(world, { "commit.gpgsign": "off", "user.signingkey": "x" });
    await settings(world, { "commit.gpgsign": "0" }, "local");
    expect(await readSigning(world.repo)).toEqual({ asked: false });
    const commit = await commitTree(world.repo, await request(world));
    expect(await isSigned(world, commit)).toBe(false);
  });

  test("by the repository, with what the person signs with", async () => {
    const world = await makeWorld();
    await settings(world, { "user.signingkey": "mine", "gpg.ssh.program": "sign-by-hand" });
    await settings(world, { "gpg.format": "ssh" });
    await put(join(world.root, ".git/more"), "[commit]\n\tgpgsign\n");
    await settings(world, { "include.path": "more" }, "local");
    expect(await readSigning(world.repo)).toEqual({
      asked: true,
      signer: { format: "ssh", program: "sign-by-hand", key: "mine", keyCommand: null },
    });
  });

  test("the repository does not switch off what the person switched on; they do it themselves by a condition", async () => {
    const world = await makeWorld();
    await settings(world, { "commit.gpgsign": "true", "gpg.program": "gpg2" });
    await settings(world, { "commit.gpgsign": "false" }, "local");
    await settings(world, { "gpg.program": "/tmp/evil" }, "local");
    expect(signerOf(await readSigning(world.repo))).toEqual({
      format: "openpgp",
      program: "gpg2",
      key: null,
      keyCommand: null,
    });
    await put(join(world.dir, "here"), "[commit]\n\tgpgsign = false\n");
    const condition = `includeIf.gitdir:${world.root}/.path`;
    await settings(world, { [condition]: join(world.dir, "here") });
    expect(await readSigning(world.repo)).toEqual({ asked: false });
  });

  test.each([
    ["user.signingkey", "theirs"],
    ["user.signingkey", ""],
    ["gpg.format", "openpgp"],
  ])("nothing signs where the repository has a %s of %j of its own", async (key, value) => {
    const world = await makeWorld();
    await settings(world, {
      "commit.gpgsign": "true",
      "gpg.format": "ssh",
      "user.signingkey": "mine",
    });
    await settings(world, { [key]: value }, "local");
    const signing = await readSigning(world.repo);
    expect(signing).toMatchObject({ asked: true, signer: null });
    expect(JSON.stringify(signing)).toContain(`${key} of the repository's own configuration`);
  });

  test("config.worktree of the person's own checkout is the repository's too", async () => {
    const world = await makeWorld();
    await settings(world, { "commit.gpgsign": "true", "user.signingkey": "mine" });
    await settings(world, { "extensions.worktreeConfig": "true" }, "local");
    await settings(world, { "user.signingkey": "theirs" }, "worktree");
    expect(await readSigning(world.repo)).toMatchObject({ asked: true, signer: null });
  });

  test("a format that git does not know signs nothing", async () => {
    const world = await makeWorld();
    await settings(world, { "commit.gpgsign": "true", "gpg.format": "wax" });
    expect(await readSigning(world.repo)).toEqual({
      asked: true,
      signer: null,
      why: 'gpg.format is "wax"',
    });
  });
});

describe.skipIf(!has("ssh-keygen") || !has("ssh-agent"))(
  "signing by ssh (needs ssh-keygen and ssh-agent)",
  () => {
    test("a commit is signed with the person's key, and git believes it", async () => {
      const world = await makeWorld();
      await sshKey(world, "key");
      await signsBySsh(world, "~/key.pub");
      const asked = await request(world);
      const signer = signerOf(await readSigning(world.repo));
      const commit = commitOf(await commitSigned(world.repo, asked, signer, {}));
      const { stderr, code } = await world.tryGit(["verify-commit", commit]);
      expect(stderr).toMatch(/^Good "git" signature for pat@example.org /);
      expect(code).toBe(0);
      expect(await world.git(["log", "-1", "--format=%T %P %an %ce %(trailers)", commit])).toBe(
        `${asked.tree} ${asked.parents[0]} Pat pat@example.org Muster-Run: run_1`,
      );
    });

    test("a key with a passphrase signs with an agent, and without one is refused at once", async () => {
      const world = await makeWorld();
      const key = await sshKey(world, "key", "secret");
      await signsBySsh(world, `${key}.pub`);
      const canary = join(world.dir, "asked");
      const ask = await script(join(world.dir, "ask"), `touch ${canary}`, "echo secret");
      const asking = { DISPLAY: ":9", SSH_ASKPASS: ask, SSH_ASKPASS_REQUIRE: "force" };
      expect(await unsignedIn(promptlyMs, sign(world, asking))).toMatch(
        /^the key needs a passphrase, and no agent has it \(Load key "[^"]*key": incorrect passphrase/,
      );
      expect(existsSync(canary)).toBe(false);
      await world.git(["commit", "-q", "--allow-empty", "-S", "-m", "x"], { env: asking });
      expect(existsSync(canary), "the control asks").toBe(true);

      const agent = await sshAgent(world);
      expect(await unsignedIn(promptlyMs, sign(world, agent))).toContain("passphrase");
      await program(world, ["ssh-add", "-q", key], { ...agent, ...asking });
      const commit = commitOf(await sign(world, agent));
      expect((await world.tryGit(["verify-commit", commit])).code).toBe(0);
    });

    test("without a key, or with one that is nowhere, the reason says so", async () => {
      const world = await makeWorld();
      await settings(world, { "commit.gpgsign": "true", "gpg.format": "ssh" });
      expect(await unsignedIn(promptlyMs, sign(world))).toMatch(/user\.signing[kK]ey/);
      await settings(world, { "user.signingkey": "~/gone.pub" });
      expect(await unsignedIn(promptlyMs, sign(world))).toContain("gone.pub");
      await settings(world, { "user.signingkey": "-Y\u001b[31m" });
      expect(await unsignedIn(promptlyMs, sign(world))).not.toContain("\u001b");
    });

    test("the person's command names the key", async () => {
      const world = await makeWorld();
      const key = await sshKey(world, "key");
      await signsBySsh(world, "");
      const agent = await sshAgent(world);
      await program(world, ["ssh-add", "-q", key], agent);
      const names = await script(join(world.dir, "names"), `echo "key::$(cat ${key}.pub)"`);
      await settings(world, { "gpg.ssh.defaultKeyCommand": names });
      const commit = commitOf(await sign(world, agent));
      expect((await world.tryGit(["verify-commit", commit])).code).toBe(0);
    });

    test("a program that never ends is ended, and the reason says so", async () => {
      const world = await makeWorld();
      await signsBySsh(world, await sshKey(world, "key"));
      const slow = await script(join(world.dir, "slow"), "exec sleep 600");
      await settings(world, { "gpg.ssh.program": slow });
      expect(await unsignedIn(promptlyMs, sign(world, {}, 500))).toContain("took too long");
    });

    test("what can't be committed at all is a fault and no missing signature", async () => {
      const world = await makeWorld();
      await signsBySsh(world, await sshKey(world, "key"));
      const signer = signerOf(await readSigning(world.repo));
      const tree = "1234567890123456789012345678901234567890";
      const broken = { ...(await request(world)), tree };
      await expect(commitSigned(world.repo, broken, signer, {})).rejects.toMatchObject({
        code: "git_failed",
      });
    });
  },
);

describe("programs that a session writes into the repository's configuration", () => {
  const commit = ["commit", "-q", "--allow-empty", "-S", "-m", "x"];

  test.skipIf(!has("ssh-keygen"))(
    "do not run where the person signs by ssh (needs ssh-keygen)",
    async () => {
      const scene = await makeScene();
      const { world } = scene;
      await signsBySsh(world, await sshKey(world, "key"));
      await settings(world, { "gpg.ssh.program": scene.command }, "local");
      await scene.control(commit);
      await settings(world, { "gpg.program": scene.command }, "local");
      await settings(world, { "gpg.x509.program": scene.command }, "local");
      const made = commitOf(await sign(world));
      await world.git(["config", "--unset", "gpg.ssh.program"]);
      expect((await world.tryGit(["verify-commit", made])).code).toBe(0);

      await world.git(["config", "--global", "--unset", "user.signingkey"]);
      await settings(world, { "gpg.ssh.defaultKeyCommand": scene.command }, "local");
      await scene.control(commit);
      await unsignedIn(promptlyMs, sign(world));
      expect(scene.hasFired()).toBe(false);
    },
  );

  test("do not run where the person signs by gpg, or has said nothing", async () => {
    const scene = await makeScene();
    const { world } = scene;
    await settings(world, { "commit.gpgsign": "true" }, "local");
    for (const format of ["gpg", "gpg.openpgp"]) {
      await settings(world, { [`${format}.program`]: scene.command }, "local");
      await scene.control(commit);
      const env = { GNUPGHOME: join(world.dir, "none") };
      await unsignedIn(promptlyMs, sign(world, env));
      await world.git(["config", "--unset", `${format}.program`]);
    }
    await settings(world, { "gpg.format": "x509", "gpg.x509.program": scene.command }, "local");
    await scene.control(commit);
    expect(await readSigning(world.repo)).toMatchObject({ asked: true, signer: null });
    expect(scene.hasFired()).toBe(false);
  });
});

describe.skipIf(!has("gpg") || !has("gpgconf"))("signing by gpg (needs gpg and gpgconf)", () => {
  /** A home of gpg with one key of the person's, and a pinentry that leaves a canary. */
  async function gpgHome(world: World, passphrase: string) {
    const dir = join(world.dir, "g");
    await mkdir(dir, { mode: 0o700 });
    const env = { GNUPGHOME: dir };
    const canary = join(world.dir, "pinentry-ran");
    const pinentry = await script(join(world.dir, "pinentry"), `touch ${canary}`, "exit 1");
    await put(join(dir, "gpg-agent.conf"), `pinentry-program ${pinentry}\ns2k-count 65536\n`);
    onTestFinished(async () => void (await program(world, ["gpgconf", "--kill", "all"], env)));
    const quiet = ["--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase] as const;
    const make = ["--quick-gen-key", "Pat <pat@example.org>", "ed25519", "sign", "never"];
    await program(world, ["gpg", ...quiet, ...make], env);
    // The agent forgets the passphrase that it has just been given.
    await program(world, ["gpgconf", "--kill", "gpg-agent"], env);
    await settings(world, { "commit.gpgsign": "true" });
    const unlock = () => program(world, ["gpg", ...quiet, "-bsau", "<pat@example.org>"], env);
    return { env, asked: () => existsSync(canary), unlock };
  }

  test("a commit is signed with the committer's key, and git believes it", async () => {
    const world = await makeWorld();
    const { env, asked } = await gpgHome(world, "");
    const commit = commitOf(await sign(world, env));
    const { stderr, code } = await world.tryGit(["verify-commit", commit], { env });
    expect(stderr).toContain('Good signature from "Pat <pat@example.org>"');
    expect(code).toBe(0);
    expect(asked()).toBe(false);

    await settings(world, { "user.signingkey": "nobody@example.org" });
    expect(await unsignedIn(promptlyMs, sign(world, env))).toContain("No secret key");
    await settings(world, { "gpg.program": "~/no such/gpg" });
    expect(await unsignedIn(promptlyMs, sign(world, env))).toContain("no such/gpg is not there");
  });

  test("a passphrase is used where the agent has it, and never asked for", async () => {
    const world = await makeWorld();
    const { env, asked, unlock } = await gpgHome(world, "secret");
    expect(await unsignedIn(promptlyMs, sign(world, env))).toMatch(
      /^the key needs a passphrase, and no agent has it \(gpg: /,
    );
    expect(asked()).toBe(false);
    await world.tryGit(["commit", "-q", "--allow-empty", "-S", "-m", "x"], { env });
    expect(asked(), "the control asks, without a terminal and a display").toBe(true);

    await unlock();
    const commit = commitOf(await sign(world, env));
    expect((await world.tryGit(["verify-commit", commit], { env })).code).toBe(0);
  });

  test("a program of another name is called as git calls it", async () => {
    const world = await makeWorld();
    const { env, unlock } = await gpgHome(world, "secret");
    await unlock();
    const args = join(world.dir, "args");
    const mine = await script(join(world.dir, "my-gpg"), `echo "$*" > ${args}`, 'exec gpg "$@"');
    await settings(world, { "gpg.program": mine });
    const commit = commitOf(await sign(world, env));
    expect(await isSigned(world, commit)).toBe(true);
    expect(await program(world, ["cat", args])).toBe("--status-fd=2 -bsau <pat@example.org>\n");
  });
});

test("the programs that signatures are proved with", () => {
  const names = ["ssh-keygen", "ssh-agent", "gpg", "gpgconf"];
  const absent = names.filter((name) => !has(name));
  console.log(
    `signing: ${names.length - absent.length} of ${names.length} programs, without ${absent.join(", ") || "none"}`,
  );
  expect(has("git")).toBe(true);
});
