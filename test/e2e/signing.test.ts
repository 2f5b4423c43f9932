/** Signed landings: where the person's git asks for signatures and they work without a prompt; else the entry asks. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../src/process/run.ts";
import { writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { type World, openWorld, taskOf } from "./harness.ts";

let world: World;
/** Openssh is no part of git everywhere. */
const hasKeygen = ["/usr/bin/ssh-keygen", "/bin/ssh-keygen"].some((path) => existsSync(path));

beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

/** Makes a key that git signs with, and says that signatures are wanted. */
async function signWith(passphrase: string): Promise<void> {
  const key = join(world.home, "key");
  const argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", key] as const;
  const made = await run({ argv: [...argv], cwd: world.home, env: world.env, timeoutMs: 20_000 });
  expect(made.code, made.stderr.toString()).toBe(0);
  const signers = join(world.home, "signers");
  const pub = await run({
    argv: ["cat", `${key}.pub`],
    cwd: world.home,
    env: world.env,
    timeoutMs: 5_000,
  });
  writeFileSync(signers, `pat@x ${pub.stdout.toString()}`);
  for (const [name, value] of [
    ["commit.gpgsign", "true"],
    ["gpg.format", "ssh"],
    ["user.signingkey", key],
    ["gpg.ssh.allowedSignersFile", signers],
  ] as const)
    await world.git("config", "--global", name, value);
}

const plan = (): string =>
  world.plan([{ id: "a", prompt: writeAndCommit({ "a.txt": "good\n" }, "Add a") }]);

describe.skipIf(!hasKeygen)("signed landings (need ssh-keygen)", () => {
  test("a landing is signed with the person's key, what the session commits is not", async () => {
    await signWith("");
    const { code } = await world.muster(["run", "--json", plan()]);
    expect(code).toBe(0);
    await world.git("verify-commit", "main");
    await expect(world.git("verify-commit", "main^2")).rejects.toThrow();
  });

  test("a key that needs a passphrase makes the entry ask; approve lands it unsigned", async () => {
    await signWith("a passphrase that nobody types");
    const { code, stdout } = await world.muster(["run", "--json", plan()]);
    const { run: shown } = JSON.parse(stdout);
    expect(code).toBe(3);
    expect(taskOf({ run: shown }, "a").asking).toMatchObject({ kind: "approval" });
    expect(taskOf({ run: shown }, "a").asking?.text).toContain("can't be signed");
    // Tried again, it asks again; a yes lands it as it is.
    await world.muster(["resume", shown.id]);
    const asks = await world.until(shown.id, (d) => taskOf(d, "a").asking?.kind === "approval");
    expect(taskOf(asks, "a").landed).toBeNull();
    expect((await world.muster(["approve"])).code).toBe(0);
    expect(taskOf(await world.settled(shown.id), "a").state).toBe("landed");
    await expect(world.git("verify-commit", "main")).rejects.toThrow();
  });
});
