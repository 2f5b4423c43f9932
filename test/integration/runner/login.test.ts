/** How a person's own login is found for sessions: by the real binary, and by one that does not know where to look for it. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type Server, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type KnownCaller, knowCaller } from "../../../src/daemon/callers/caller.ts";
import { configDirOf } from "../../../src/runner/profile.ts";
import { hasTranscript } from "../../../src/runner/transcript.ts";
import { prompt } from "../../../src/testing/model/behaviors.ts";
import { bash, quote, say } from "../../../src/testing/model/steps.ts";
import { type Place, openPlace } from "../../../src/testing/runner/place.ts";
import { token, writeLogin } from "../../../src/testing/runner/profile.suite.ts";
import { binary } from "../model/harness.ts";

const timeoutMs = 120_000;
const stopGraceMs = 3_000;

let folder: string;
/** The real binary, without the variable that names a store of logins. */
let forgetful: string;
let place: Place;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "muster-login-test-"));
  forgetful = join(folder, "claude");
  const lines = ["unset CLAUDE_SECURESTORAGE_CONFIG_DIR", `exec ${quote(binary)} "$@"`];
  writeFileSync(forgetful, `#!/bin/sh\n${lines.join("\n")}\n`);
  chmodSync(forgetful, 0o755);
  place = await openPlace({ runner: "claude-cli", binary: forgetful, real: true });
});
afterEach(async () => {
  await place.close();
  rmSync(folder, { recursive: true });
});

interface Asked {
  readonly claude: string;
  readonly isolation?: "none" | "home";
  readonly claudeConfigDir?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const defaultDir = (): string => join(place.dir, "home", ".claude");

/** What muster knows of a person whose configuration says this. */
function know({ claude, isolation = "none", claudeConfigDir, env }: Asked): Promise<KnownCaller> {
  const configHome = join(place.dir, "config");
  mkdirSync(join(configHome, "muster"), { recursive: true });
  const config = { claude, isolation, auth: "login" };
  writeFileSync(join(configHome, "muster", "config.yaml"), JSON.stringify(config));
  return knowCaller({
    env: { ...place.given.env, ...env },
    configHome,
    claudeConfigDir: claudeConfigDir ?? null,
  });
}

describe("a person's own login", { timeout: timeoutMs }, () => {
  test("is reached from the attempt's own config dir where the binary can do that", async () => {
    writeLogin(defaultDir());
    const known = await know({ claude: binary });
    expect(known.credential).toBe("login");
    expect(known.environment.session()).toMatchObject({
      configDir: null,
      env: { CLAUDE_SECURESTORAGE_CONFIG_DIR: "" },
    });
  });

  test("is reached from a home of the attempt's own by its path", async () => {
    writeLogin(defaultDir());
    const known = await know({ claude: binary, isolation: "home" });
    expect(known.environment.session()).toMatchObject({
      configDir: null,
      env: { CLAUDE_SECURESTORAGE_CONFIG_DIR: defaultDir() },
    });
  });

  test("is used in the person's config dir itself where the binary can't", async () => {
    const elsewhere = join(place.dir, "persons-claude");
    for (const dir of [defaultDir(), elsewhere]) writeLogin(dir);
    for (const isolation of ["none", "home"] as const)
      for (const claudeConfigDir of [undefined, elsewhere]) {
        const known = await know({
          claude: forgetful,
          isolation,
          ...(claudeConfigDir === undefined ? {} : { claudeConfigDir }),
        });
        expect(known.credential).toBe("login (in your own config dir)");
        const { configDir, env } = known.environment.session();
        expect(configDir).toBe(claudeConfigDir ?? defaultDir());
        expect(env).not.toHaveProperty("CLAUDE_SECURESTORAGE_CONFIG_DIR");
      }
  });

  test("is not taken to be there because of a key that no session gets", async () => {
    const env = { ANTHROPIC_API_KEY: "sk-ant-dummy" };
    for (const claude of [binary, forgetful])
      await expect(know({ claude, env })).rejects.toMatchObject({
        code: "no_login",
        remedy: expect.stringContaining("claude setup-token"),
      });
  });

  test("lets a session in the person's config dir start, reach the model, and go on", async () => {
    writeLogin(defaultDir());
    const notes = join(folder, "hook");
    const hooks = { SessionStart: [{ hooks: [{ type: "command", command: `touch ${notes}` }] }] };
    for (const dir of [defaultDir(), join(place.repo, ".claude")]) {
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, "settings.json"), JSON.stringify({ hooks }));
    }
    const tokens: (string | undefined)[] = [];
    const door = await openDoor(place.model.url, tokens);
    const env = { ANTHROPIC_BASE_URL: door.url };
    const given = (await know({ claude: forgetful, env })).environment.session();
    const launch = place.launch();
    const first = await place.start(launch, given);
    await first.say(prompt("Remember the heron.", [bash("git status"), say("kept")]));
    expect(await first.next("round_ended")).toMatchObject({ failure: null, text: "kept" });
    await first.live.stop(stopGraceMs);
    expect(hasTranscript(configDirOf(launch.dir, given.configDir), launch.session)).toBe(true);
    const second = await place.start({ ...launch, n: 2, resume: true }, given);
    await second.say(prompt("Which bird?", [say("the heron")]));
    expect(await second.next("round_ended")).toMatchObject({ failure: null, text: "the heron" });
    const { messages = [] } = place.model.requests().at(-1) ?? {};
    expect(JSON.stringify(messages)).toContain("Remember the heron.");
    expect(new Set(tokens)).toEqual(new Set([`Bearer ${token}`]));
    expect(existsSync(notes)).toBe(false);
    door.server.close();
    door.server.closeAllConnections();
  });
});

/** Stands before the model and notes with which token each message came. */
async function openDoor(
  target: string,
  tokens: (string | undefined)[],
): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((incoming, response) => {
    if (incoming.method === "POST") tokens.push(incoming.headers.authorization);
    const { method = "GET", headers, url = "/" } = incoming;
    const onward = request(new URL(url, target), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, server };
}
