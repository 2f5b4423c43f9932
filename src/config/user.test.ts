import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run } from "../process/run.ts";
import { parseUserConfig, readUserConfig } from "./user.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "muster-config-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function write(content: string | Uint8Array): void {
  mkdirSync(join(home, "muster"), { recursive: true });
  writeFileSync(join(home, "muster/config.yaml"), content);
}
const read = (): ReturnType<typeof readUserConfig> => readUserConfig({ XDG_CONFIG_HOME: home });

test("without a file it is the defaults", () => {
  expect(read()).toEqual({
    auth: "auto",
    isolation: "none",
    claude: null,
    ceiling: null,
    notify: [],
    env: [],
    limits: {},
    ssh: false,
    retention: 30,
    resume: "auto",
    size: 5 * 1024 ** 3,
    places: {},
  });
});

test("every key is read", () => {
  write(
    'auth: api-key\nisolation: home\nclaude: /opt/claude\nceiling: {deny: ["Bash(sudo *)"]}\nnotify: [notify-send, muster]\nenv: [DATABASE_URL]\nlimits: {parallel: 8, usd: 20, turns: 90, minutes: 30}\nssh: true\nretention: 7\nresume: ask\nsize: 1.5 GB\n',
  );
  expect(read()).toMatchObject({
    auth: "api-key",
    isolation: "home",
    claude: "/opt/claude",
    ceiling: { deny: ["Bash(sudo *)"] },
    notify: ["notify-send", "muster"],
    env: ["DATABASE_URL"],
    limits: { parallel: 8, usd: 20, turns: 90, minutes: 30 },
    ssh: true,
    retention: 7,
    resume: "ask",
    size: 1.5 * 1024 ** 3,
    places: { auth: { file: join(home, "muster/config.yaml"), line: 1 } },
  });
});

test.each([
  ["resume: never\n", 'c:1: "resume" is "never", expected auto or ask'],
  ["size: 5\n", 'c:1: "size" is the number 5, expected a size such as 5GB or 500MB'],
  ["size: 5gb\n", 'c:1: "size" is "5gb", expected a size such as 5GB or 500MB'],
  ["retention: 30d\n", 'c:1: "retention" is "30d", expected a whole number of days over 0'],
  ["auht: auto\n", 'c:1: unknown key "auht", did you mean "auth"'],
  [
    "auth: apikey\n",
    'c:1: "auth" is "apikey", expected auto, api-key, oauth, cloud or login, did you mean "api-key"',
  ],
  ["claude: bin/claude\n", 'c:1: "claude" is "bin/claude", expected an absolute path'],
  [
    "notify: notify-send\n",
    'c:1: "notify" is "notify-send", expected a command as a list of words',
  ],
  ["env: ['A B']\n", 'c:1: "env.0" is "A B", expected the name of an environment variable'],
  [
    "limits: {fixes: 1}\n",
    'c:1: unknown key "fixes" in "limits", expected one of parallel, usd, turns, minutes',
  ],
  ["limits: {usd: 1e99}\n", 'c:1: "limits.usd" is the number 1e+99, expected at most 1000000'],
])("%j is refused", (text, expected) => {
  expect(() => parseUserConfig(text, "c")).toThrow(
    expect.objectContaining({ code: "bad_config", message: expected }),
  );
});

test("a file that is not UTF-8 is refused at its line", () => {
  write(
    Buffer.concat([
      Buffer.from("auth: auto\n# caf"),
      Buffer.from([0xe9]),
      Buffer.from("\nssh: true\n"),
    ]),
  );
  expect(read).toThrow(/config\.yaml:2: bytes that are not UTF-8, expected UTF-8$/);
  write(Buffer.from("\ufeffauth: auto\n", "utf16le"));
  expect(read).toThrow(/config\.yaml:1: UTF-16 text, expected UTF-8$/);
});

test("a folder and a pipe in the file's place are refused without waiting", async () => {
  mkdirSync(join(home, "muster/config.yaml"), { recursive: true });
  expect(read).toThrow(/config\.yaml is a folder, expected a text file/);
  rmSync(join(home, "muster/config.yaml"), { recursive: true });
  const argv = ["mkfifo", join(home, "muster/config.yaml")] as const;
  const made = await run({
    argv: [...argv],
    cwd: home,
    env: { PATH: process.env["PATH"] ?? "" },
    timeoutMs: 10_000,
  });
  expect(made.code).toBe(0);
  expect(read).toThrow(/config\.yaml is a pipe or a device, expected a text file/);
});
