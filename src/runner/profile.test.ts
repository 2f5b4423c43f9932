import { expect, test } from "vitest";
import type { Launch } from "../core/runner.ts";
import { argvOf, defaultRules, environmentOf, settingsOf, toolsOf } from "./profile.ts";

const launch: Launch = {
  att: "att_r_1",
  runner: "claude-cli",
  n: 1,
  session: "00000000-0000-4000-8000-000000000000",
  resume: false,
  dir: "/m/attempts/att_r_1",
  cwd: "/w",
  model: "claude-opus-5-5",
  profile: "isolated",
  tools: ["Bash", "Read", "Bash"],
  permissions: { allow: ["Bash(make)"], ask: ["Bash(git *--output*)"], deny: ["WebFetch"] },
  instructions: "",
  turns: 7,
  usd: 1.5,
  context: 150_000,
  readable: ["/m/attempts/att_r_1/msg"],
};

test("the command line turns the repository's own configuration off and names every limit", () => {
  const settings = JSON.stringify(settingsOf(launch));
  expect(argvOf("/bin/claude", launch)).toEqual([
    "/bin/claude",
    "-p",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--permission-prompt-tool=stdio",
    "--permission-mode=acceptEdits",
    "--setting-sources=",
    "--strict-mcp-config",
    "--tools=Bash,Read,AskUserQuestion",
    `--settings=${settings}`,
    "--model=claude-opus-5-5",
    "--max-turns=7",
    "--max-budget-usd=1.5",
    "--session-id=00000000-0000-4000-8000-000000000000",
  ]);
});

test("the profile of the project loads the trusted copy in the attempt's folder, and no flag stops its servers", () => {
  const argv = argvOf("/bin/claude", { ...launch, profile: "project" });
  expect(argv).toContain("--setting-sources=project");
  expect(argv).toContain("--project-config-root=/m/attempts/att_r_1/project");
  expect(argv).not.toContain("--setting-sources=");
  expect(argv).not.toContain("--strict-mcp-config");
});

test("a later start resumes its session, and a limit that is used up is still one", () => {
  const argv = argvOf("claude", { ...launch, resume: true, turns: -3, usd: 0 });
  expect(argv).toContain("--resume=00000000-0000-4000-8000-000000000000");
  expect(argv.filter((word) => word.startsWith("--session-id"))).toEqual([]);
  expect(argv).toContain("--max-turns=1");
  expect(argv).toContain("--max-budget-usd=0.01");
});

test("hostile values stay values: each follows the equals sign of its own flag", () => {
  const hostile = { ...launch, model: "--dangerously-skip-permissions", instructions: "-p\n--x=y" };
  const argv = argvOf("claude", hostile);
  expect(argv).toContain("--model=--dangerously-skip-permissions");
  expect(argv.at(-1)).toBe("--append-system-prompt=-p\n--x=y");
  expect(argv.slice(2).every((word) => /^--[a-z-]+(=|$)/.test(word))).toBe(true);
});

test("settings carry the rules, open what may be read by its absolute path, and keep transcripts", () => {
  expect(settingsOf(launch)).toMatchObject({
    crossSessionInbound: "refuse",
    attribution: { commit: "", pr: "" },
    cleanupPeriodDays: 36_500,
    permissions: {
      allow: ["Bash(make)", "Read(//m/attempts/att_r_1/msg/**)"],
      ask: ["Bash(git *--output*)"],
      deny: ["WebFetch"],
    },
  });
});

test("a person can always be asked", () => {
  expect(toolsOf({ ...launch, tools: [] })).toEqual(["AskUserQuestion"]);
  expect(toolsOf({ ...launch, tools: ["AskUserQuestion", "Read"] })).toEqual([
    "AskUserQuestion",
    "Read",
  ]);
});

test("default rules name subcommands of git one by one, and the project's commands exactly", () => {
  const { allow, ask } = defaultRules(["npm test && npm run build"]);
  expect(allow).toContain("Bash(git commit *)");
  expect(allow).toContain("Bash(npm test && npm run build)");
  expect(allow.filter((rule) => rule.startsWith("Bash(git *"))).toEqual([]);
  expect(ask).toContain("Bash(git *--output*)");
});

test("the environment is what was given, then our own folders, tag and switches, which nobody overrides", () => {
  const given = { PATH: "/bin", CLAUDE_CONFIG_DIR: "/evil", MUSTER_ATTEMPT: "att_other_1" };
  const env = environmentOf(launch, {
    env: { ...given, CLAUDE_CODE_DISABLE_CRON: "0" },
    apiKey: null,
    configDir: null,
  });
  expect(env).toMatchObject({
    PATH: "/bin",
    CLAUDE_CONFIG_DIR: "/m/attempts/att_r_1/cfg",
    CLAUDE_CODE_TMPDIR: "/m/attempts/att_r_1/tmp",
    CLAUDE_CODE_PROJECT_DIR_NAME: "att_r_1",
    MUSTER_ATTEMPT: "att_r_1",
    CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1",
    CLAUDE_CODE_DISABLE_CRON: "1",
    CLAUDE_CODE_AUTO_COMPACT_WINDOW: "150000",
  });
  expect(env).not.toHaveProperty("CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR");
});

test("an API key is announced on fd 3 and is itself nowhere in the environment or the command line", () => {
  const env = environmentOf(launch, { env: {}, apiKey: "sk-secret", configDir: null });
  expect(env["CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR"]).toBe("3");
  expect(JSON.stringify([env, argvOf("claude", launch)])).not.toContain("sk-secret");
});

test("a login in the person's config dir is used there: by name, or without one where it is the default", () => {
  const env = { HOME: "/home/pat", CLAUDE_CONFIG_DIR: "/evil" };
  const elsewhere = environmentOf(launch, { env, apiKey: null, configDir: "/persons" });
  expect(elsewhere["CLAUDE_CONFIG_DIR"]).toBe("/persons");
  const byDefault = { env, apiKey: null, configDir: "/home/pat/.claude" };
  expect(environmentOf(launch, byDefault)).not.toHaveProperty("CLAUDE_CONFIG_DIR");
  const otherHome = { ...byDefault, env: { HOME: "/m/attempts/att_r_1/home" } };
  expect(environmentOf(launch, otherHome)["CLAUDE_CONFIG_DIR"]).toBe("/home/pat/.claude");
  expect(environmentOf(launch, byDefault)["CLAUDE_CODE_TMPDIR"]).toBe("/m/attempts/att_r_1/tmp");
});
