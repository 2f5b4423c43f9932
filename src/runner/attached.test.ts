/** A person's terminal on a session: started on its transcript, with the project's own configuration off. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Launch, SessionEnvironment } from "../core/runner.ts";
import { attachedArgv, attachedEnvironment, skipOnboarding } from "./attached.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "muster-attached-"));
  mkdirSync(join(dir, "cfg"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const launch = (): Launch => ({
  att: "att_x_1",
  runner: "claude-cli",
  n: 1,
  session: "1b0e7c3a-0000-4000-8000-000000000000",
  resume: false,
  dir,
  cwd: dir,
  model: "sonnet",
  profile: "isolated",
  tools: [],
  permissions: { allow: ["Bash(make)"], ask: [], deny: ["WebFetch"] },
  instructions: "",
  turns: 1,
  usd: 1,
  context: 200_000,
  readable: [],
});

/** A login that the attempt's own config dir reaches. */
const own: SessionEnvironment = { env: {}, apiKey: null, configDir: null };
const path = (): string => join(dir, "cfg", ".claude.json");
const config = (): unknown => JSON.parse(readFileSync(path(), "utf8"));

test("the terminal resumes the session with its rules and nothing of the worktree's configuration", () => {
  const argv = attachedArgv("/bin/claude", launch());
  expect(argv[0]).toBe("/bin/claude");
  expect(argv).toContain("--resume=1b0e7c3a-0000-4000-8000-000000000000");
  expect(argv).toContain("--setting-sources=");
  expect(argv).toContain("--strict-mcp-config");
  const settings = argv.find((word) => word.startsWith("--settings="))?.slice(11) ?? "";
  expect(JSON.parse(settings).permissions).toMatchObject({
    allow: ["Bash(make)"],
    deny: ["WebFetch"],
  });
});

test("with the profile of the project, the terminal loads the trusted copy and not the worktree's", () => {
  const argv = attachedArgv("/bin/claude", { ...launch(), profile: "project" });
  expect(argv).toContain("--setting-sources=project");
  expect(argv).toContain(`--project-config-root=${dir}/project`);
  expect(argv).not.toContain("--strict-mcp-config");
});

test("the terminal gets the attempt's folders and the store of the person's login, and no other secret", () => {
  const given = { CLAUDE_SECURESTORAGE_CONFIG_DIR: "", ANTHROPIC_AUTH_TOKEN: "secret" };
  expect(attachedEnvironment(launch(), { env: given, apiKey: "secret", configDir: null })).toEqual({
    CLAUDE_CONFIG_DIR: join(dir, "cfg"),
    CLAUDE_CODE_TMPDIR: join(dir, "tmp"),
    CLAUDE_CODE_PROJECT_DIR_NAME: "att_x_1",
    CLAUDE_SECURESTORAGE_CONFIG_DIR: "",
    DISABLE_AUTOUPDATER: "1",
  });
});

test("on a session in the person's config dir the terminal names it, unless it is the default one", () => {
  const env = { HOME: "/home/pat" };
  const given = { env, apiKey: null, configDir: "/home/pat/claude" };
  expect(attachedEnvironment(launch(), given)).toMatchObject({
    CLAUDE_CONFIG_DIR: "/home/pat/claude",
  });
  expect(
    attachedEnvironment(launch(), { ...given, configDir: "/home/pat/.claude" }),
  ).not.toHaveProperty("CLAUDE_CONFIG_DIR");
});

test("the person's own config dir is left as it is", () => {
  skipOnboarding(launch(), { ...own, configDir: join(dir, "cfg") });
  expect(readdirSync(join(dir, "cfg"))).toEqual([]);
});

test("the first-run screens are skipped, and what the file says besides is kept", () => {
  writeFileSync(path(), '{"userID":"u"}');
  skipOnboarding(launch(), own);
  expect(config()).toEqual({ userID: "u", hasCompletedOnboarding: true });
  const { ino } = statSync(path());
  skipOnboarding(launch(), own);
  expect(statSync(path()).ino).toBe(ino);
  expect(readdirSync(join(dir, "cfg"))).toEqual([".claude.json"]);
});

test("a file that is missing is made, one that is not understood is left", () => {
  skipOnboarding(launch(), own);
  expect(config()).toEqual({ hasCompletedOnboarding: true });
  for (const text of ["{", "[]", "1"]) {
    writeFileSync(path(), text);
    skipOnboarding(launch(), own);
    expect(readFileSync(path(), "utf8")).toBe(text);
  }
});
