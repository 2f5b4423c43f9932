import { describe, expect, test } from "vitest";
import { parseProjectConfig } from "./project.ts";

const full = `setup: npm ci
teardown: [docker compose down]
copy: [.env, fixtures/**]
gate:
  - npm test
  - npm run lint
target: main
limits: { minutes: 30 }
permissions:
  ask: ["Bash(git push *)"]
  deny: [WebFetch]
ports: [PORT, API_PORT]
env: { NODE_ENV: test, RETRIES: 3 }
hooks: off
follow: integration
`;

test("every key is read, single commands as lists, with the places", () => {
  const { places, ...config } = parseProjectConfig(full, "muster.yaml");
  expect(config).toEqual({
    setup: ["npm ci"],
    teardown: ["docker compose down"],
    copy: [".env", "fixtures/**"],
    gate: ["npm test", "npm run lint"],
    target: "main",
    limits: { minutes: 30 },
    permissions: { ask: ["Bash(git push *)"], deny: ["WebFetch"] },
    ports: ["PORT", "API_PORT"],
    env: { NODE_ENV: "test", RETRIES: "3" },
    hooks: "off",
    follow: "integration",
  });
  expect(places).toMatchObject({
    gate: { file: "muster.yaml", line: 4 },
    "permissions.deny": { file: "muster.yaml", line: 11 },
    "env.NODE_ENV": { file: "muster.yaml", line: 13 },
  });
});

test("an alias to a value of this file works", () => {
  const config = parseProjectConfig("setup: &s [make deps]\nteardown: *s\n", "muster.yaml");
  expect(config.teardown).toEqual(["make deps"]);
});

test("gate none is an empty list, no gate is null", () => {
  expect(parseProjectConfig("gate: none\n", "m").gate).toEqual([]);
  expect(parseProjectConfig("hooks: on\n", "m").gate).toBeNull();
});

describe("refused", () => {
  test.each([
    ["gates: x\n", 'm:1: unknown key "gates", did you mean "gate"'],
    [
      "hooks: on\nlimits:\n  minute: 3\n",
      'm:3: unknown key "minute" in "limits", did you mean "minutes"',
    ],
    [
      "permissions: {allow: [Bash]}\n",
      'm:1: key "allow" in "permissions", expected only ask and deny: a repository may only narrow (a plan may allow)',
    ],
    [
      "permissions: {alow: [Bash]}\n",
      'm:1: unknown key "alow" in "permissions", expected one of ask, deny',
    ],
    ["hooks: true\n", 'm:1: "hooks" is true, expected on or off'],
    [
      "follow: checkot\n",
      'm:1: "follow" is "checkot", expected checkout or integration, did you mean "checkout"',
    ],
    [
      "copy: [.env, ../secret]\n",
      'm:1: "copy.1" is "../secret", expected a path inside the project, relative, without .. and .git',
    ],
    [
      "copy: [.git/hooks]\n",
      'm:1: "copy.0" is ".git/hooks", expected a path inside the project, relative, without .. and .git',
    ],
    ["gate: []\n", 'm:1: "gate" is a list, expected a shell command, a list of them, or none'],
    ["setup: ''\n", 'm:1: "setup" is empty text, expected a shell command'],
    ["target: -x\n", 'm:1: "target" is "-x", expected a branch name such as main'],
    ["limits: {usd: 0}\n", 'm:1: "limits.usd" is the number 0, expected a number over 0'],
    ["env: [A]\n", 'm:1: "env" is a list, expected variables and their values'],
    ["gate:\n", 'm:1: "gate" is empty, expected a shell command, a list of them, or none'],
  ])("%j", (text, expected) => {
    expect(() => parseProjectConfig(text, "m")).toThrow(
      expect.objectContaining({ code: "bad_config", message: expected }),
    );
  });

  test("a repository sets no variable that turns commands or credentials elsewhere", () => {
    const names = [
      "PATH",
      "HOME",
      "LD_PRELOAD",
      "GIT_DIR",
      "ANTHROPIC_BASE_URL",
      "CLAUDE_CODE_USE_BEDROCK",
      "AWS_PROFILE",
      "NODE_OPTIONS",
      "MUSTER_HOME",
      "https_proxy",
      "BASH_ENV",
      "SSH_AUTH_SOCK",
    ];
    for (const name of names) {
      expect(() => parseProjectConfig(`env: {${name}: x}\n`, "m"), name).toThrow(
        /m:1: "env\.\w+" is "x", expected a variable that is the project's own/,
      );
      expect(() => parseProjectConfig(`ports: [${name}]\n`, "m"), name).toThrow(
        /expected a variable that is the project's own/,
      );
    }
    expect(() => parseProjectConfig("env: {'A B': x}\n", "m")).toThrow(
      /expected the name of an environment variable/,
    );
  });
});
