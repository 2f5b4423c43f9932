/** The launch profile at work: what a session is told, what it must not hear of, how it is logged in. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { SessionEnvironment } from "../../core/runner.ts";
import { run } from "../../process/run.ts";
import { configDirOf, environmentOf, projectRoot } from "../../runner/profile.ts";
import { hasTranscript } from "../../runner/transcript.ts";
import type { Case } from "./case.ts";
import { prompt } from "../model/behaviors.ts";
import { bash, calls, say } from "../model/steps.ts";
import { type Place, apiKey, writeScript } from "./place.ts";

/** Texts on their way in. */
export function describeTexts(test: Case): void {
  test("hands its instructions and a long message over whole", async ({ place }) => {
    const instructions = "Mind the gap.\n# Always\n'\"$(exit)";
    const launch = place.launch({ instructions });
    const session = await place.start(launch);
    const uuid = crypto.randomUUID();
    const path = join(launch.dir, "msg", `${uuid}.md`);
    const read = calls({ name: "Read", input: { file_path: path } });
    await session.say(
      prompt("Wait.", [say("ready")], [{ match: path, steps: [read, say("read")] }]),
    );
    await session.next("round_ended");
    const long = `${"All of this is of importance.\n".repeat(2_000)}THE END ${prompt("", [say("inline")])}`;
    await session.say(long, uuid);
    const ended = await session.next("round_ended");
    expect(ended.failure).toBe(null);
    expect(session.all("asked")).toEqual([]);
    expect(["read", "inline"]).toContain(ended.text);
    if (ended.text === "read") expect(readFileSync(path, "utf8")).toBe(long);
    const request = place.model.requests().at(-1);
    if (!place.setup.real) return;
    expect(JSON.stringify(request?.messages)).toContain("THE END");
    expect(request?.system).toContain(instructions);
    // The preset is still there.
    expect(request?.system.length).toBeGreaterThan(2_000);
    expect(request?.tools).toEqual(
      expect.arrayContaining(["AskUserQuestion", "Bash", "Edit", "Read", "Write"]),
    );
  });
}

interface Login {
  readonly name: string;
  /** What the binary says of it offline, where that is worth a look. */
  readonly status: Readonly<Record<string, unknown>> | null;
  environment(place: Place): SessionEnvironment;
}

const withVariable = (name: string, value: string): Login["environment"] => {
  return ({ given }) => ({ env: { ...given.env, [name]: value }, apiKey: null, configDir: null });
};

const logins: readonly Login[] = [
  { name: "an API key", status: null, environment: ({ given }) => given },
  {
    name: "an OAuth token",
    status: null,
    environment: withVariable("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-dummy"),
  },
  {
    name: "a bearer token",
    status: null,
    environment: withVariable("ANTHROPIC_AUTH_TOKEN", "dummy-bearer"),
  },
  {
    name: "the person's own login",
    status: { loggedIn: true, authMethod: "claude.ai" },
    environment(place) {
      const store = join(place.dir, "persons-claude");
      writeLogin(store);
      const env = { ...place.given.env, CLAUDE_SECURESTORAGE_CONFIG_DIR: store };
      return { env, apiKey: null, configDir: null };
    },
  },
];

/** For a binary that finds no login from a config dir of the attempt's own: the person's. */
const personsConfigDirs = [
  { name: "the default config dir", path: ["home", ".claude"], profile: "isolated" },
  { name: "a config dir elsewhere", path: ["persons-claude"], profile: "project" },
] as const;

/** What such a login says to a model. */
export const token = "sk-ant-oat01-dummy-of-a-person";

/** A login as Claude Code stores it on Linux, in a config dir; nobody ever checks these tokens. */
export function writeLogin(configDir: string): void {
  const claudeAiOauth = {
    accessToken: token,
    refreshToken: "sk-ant-ort01-dummy-of-a-person",
    expiresAt: 4_000_000_000_000,
    scopes: ["user:inference"],
    subscriptionType: "max",
  };
  mkdirSync(configDir, { recursive: true });
  writeFileSync(join(configDir, ".credentials.json"), JSON.stringify({ claudeAiOauth }), {
    mode: 0o600,
  });
}

/** Every way to log in. */
export function describeLogins(test: Case): void {
  test.for(logins)("is logged in by $name, and no tool sees a key", async (login, { place }) => {
    const parents = "for p in $PPID $CLAUDE_PID; do tr '\\0' '\\n' < /proc/$p/environ; done";
    writeScript(place, "env.sh", `(env; ${parents}) > env.txt`);
    const given = login.environment(place);
    const launch = place.launch();
    const session = await place.start(launch, given);
    await session.say(prompt("Go.", [bash("sh env.sh"), say("end")]));
    expect(await session.next("round_ended")).toMatchObject({ failure: null, text: "end" });
    const seen = readFileSync(join(place.repo, "env.txt"), "utf8");
    expect(seen).toContain(`MUSTER_ATTEMPT=${launch.att}`);
    expect(seen).not.toContain(apiKey);
    expect(seen).not.toContain("ANTHROPIC_API_KEY=");
    if (login.status === null) return;
    const status = await run({
      argv: [place.setup.binary, "auth", "status", "--json"],
      cwd: place.repo,
      env: environmentOf(launch, given),
      timeoutMs: 20_000,
    });
    expect(JSON.parse(status.stdout.toString())).toMatchObject(login.status);
  });

  test.for(personsConfigDirs)(
    "is logged in by $name itself, hears nothing of its settings, and goes on there",
    async ({ path, profile }, { place }) => {
      const configDir = join(place.dir, ...path);
      writeLogin(configDir);
      plantPersonal(place, configDir);
      const given: SessionEnvironment = { env: place.given.env, apiKey: null, configDir };
      const launch = place.launch({ profile });
      mkdirSync(projectRoot(launch), { recursive: true });
      const first = await place.start(launch, given);
      await first.say(prompt("Remember the heron.", [bash("git status"), say("kept")]));
      expect(await first.next("round_ended")).toMatchObject({ failure: null, text: "kept" });
      await first.live.stop(3_000);
      const { session } = launch;
      expect(hasTranscript(configDirOf(launch.dir, null), session)).toBe(false);
      expect(hasTranscript(configDirOf(launch.dir, configDir), session)).toBe(true);
      const second = await place.start({ ...launch, n: 2, resume: true }, given);
      await second.say(prompt("Which bird?", [say("the heron")]));
      expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "the heron" });
      expect(existsSync(join(place.dir, "canary"))).toBe(false);
      if (!place.setup.real) return;
      const request = place.model.requests().at(-1);
      expect(JSON.stringify(request?.messages)).toContain("Remember the heron.");
      expect(`${request?.system}${JSON.stringify(request?.messages)}`).not.toContain("of a person");
    },
  );
}

/** What a person keeps for themselves, in a config dir and beside it. */
function plantPersonal({ dir, repo }: Place, configDir: string): void {
  const command = `echo x > '${join(dir, "canary")}'`;
  const hooks = { SessionStart: [{ hooks: [{ type: "command", command }] }] };
  const server = { command: "sh", args: ["-c", command] };
  const known = {
    hasCompletedOnboarding: true,
    mcpServers: { mine: server },
    projects: { [repo]: { hasTrustDialogAccepted: true, mcpServers: { local: server } } },
  };
  const env = { ANTHROPIC_BASE_URL: "http://127.0.0.1:9" };
  writeFileSync(
    join(configDir, "settings.json"),
    JSON.stringify({ hooks, apiKeyHelper: command, env }),
  );
  writeFileSync(join(configDir, "CLAUDE.md"), "The notes of a person.");
  for (const folder of [configDir, join(dir, "home")])
    writeFileSync(join(folder, ".claude.json"), JSON.stringify(known));
}
