import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { compareVersions, findBinary, oldestVersion } from "./binary.ts";

const folder = mkdtempSync(join(tmpdir(), "muster binary "));
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder with a `claude` that says this, and its path. */
function program(name: string, said: string, mode = 0o755): { dir: string; path: string } {
  const dir = join(folder, name);
  const path = join(dir, "claude");
  mkdirSync(dir);
  writeFileSync(path, `#!/bin/sh\n${said}\n`);
  chmodSync(path, mode);
  return { dir, path };
}
const env = (...folders: readonly string[]) => ({ PATH: [...folders, "/usr/bin:/bin"].join(":") });

test.each([
  ["2.1.329", "2.1.329", 0],
  ["2.1.329", "2.1.197", 1],
  ["2.1.9", "2.1.10", -1],
  ["2.10.0", "2.9.99", 1],
  ["3.0.0", "2.99.99", 1],
  ["2.1", "2.1.0", 0],
])("%s compared with %s is %i", (a, b, sign) => {
  expect(Math.sign(compareVersions(a, b))).toBe(sign);
  expect(Math.sign(compareVersions(b, a))).toBe(-sign + 0);
});

describe("the binary", () => {
  const good = program("good", "echo '99.0.1 (Claude Code)'");
  const old = program("old", "echo '1.0.0 (Claude Code)'");
  const oldest = program("oldest", `echo '${oldestVersion} (Claude Code)'`);
  const mute = program("mute", "echo 'an error'; exit 1");
  const plain = program("plain", "echo '99.0.0 (Claude Code)'", 0o644);

  test("is the configured one", async () => {
    expect(await findBinary(good.path, env(old.dir))).toEqual({
      path: good.path,
      version: "99.0.1",
      from: "config",
    });
    expect(await findBinary(oldest.path, env())).toMatchObject({ version: oldestVersion });
  });

  test("is else the first good one on PATH: what cannot run, does not answer or is too old is passed over", async () => {
    const path = env("", join(folder, "nowhere"), plain.dir, mute.dir, old.dir, good.dir);
    expect(await findBinary(null, path)).toMatchObject({ path: good.path, from: "PATH" });
  });

  test("is else the one beside the SDK", async () => {
    expect(await findBinary(null, env(old.dir))).toMatchObject({ from: "SDK package" });
  });

  test("is refused where it is configured and missing, too old or something else", async () => {
    await expect(findBinary(join(folder, "nowhere", "claude"), env())).rejects.toMatchObject({
      code: "no_claude",
      message: `no claude binary found at ${join(folder, "nowhere", "claude")}`,
      remedy: expect.stringContaining("npm install"),
    });
    await expect(findBinary(old.path, env())).rejects.toMatchObject({
      code: "no_claude",
      message: expect.stringContaining("1.0.0"),
      remedy: expect.stringMatching(/@latest$/),
    });
    await expect(findBinary(mute.path, env())).rejects.toMatchObject({ code: "no_claude" });
    await expect(findBinary(folder, env())).rejects.toMatchObject({ code: "no_claude" });
  });

  test("is asked again for its version once it was replaced", async () => {
    const { path } = program("replaced", "echo '90.0.0 (Claude Code)'");
    expect(await findBinary(path, env())).toMatchObject({ version: "90.0.0" });
    rmSync(path);
    writeFileSync(path, "#!/bin/sh\necho '91.0.0 (Claude Code)'\n", { mode: 0o755 });
    expect(await findBinary(path, env())).toMatchObject({ version: "91.0.0" });
  });
});
