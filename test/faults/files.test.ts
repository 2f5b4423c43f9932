/** Files that are cut off at any byte: a person's are refused with their line or read whole, ours are old or new. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { parseProjectConfig } from "../../src/config/project.ts";
import { Fault } from "../../src/core/fault.ts";
import { parsePlanYaml } from "../../src/plan/plan-yaml.ts";
import { putArtifact } from "../../src/host/handed-over.ts";
import { writeLongMessage } from "../../src/runner/attempt-folder.ts";
import { type Context, tempFolder } from "./folder.ts";

const plan = `version: 1
name: rate limiter
defaults:
  gate: [npm test]
  limits: { turns: 60, minutes: 45, usd: 2 }
tasks:
  - id: api
    prompt: Add a token bucket – with "quotes"
  - id: docs
    needs: [api]
    prompt: |
      Write it down.
    paths: [docs/**]
    permissions: { allow: ["Bash(make *)"] }
`;

const config = `gate: [npm test]
setup: ["npm ci"]
copy: [.env.local]
env: { COLOR: "blau – blue" }
limits: { minutes: 20 }
`;

/** Cuts a text off behind every byte; returns how often it was refused. Throws where anything but a fault with a place came of it. */
function cutOff(text: string, code: string, read: (text: string) => unknown): number {
  const bytes = Buffer.from(text);
  let refused = 0;
  for (let end = 0; end <= bytes.length; end++) {
    try {
      read(bytes.subarray(0, end).toString("utf8"));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      expect(error).toMatchObject({ code, message: expect.stringMatching(/:\d+/) });
      refused += 1;
    }
  }
  return refused;
}

test("a plan that is cut off at any byte is refused with its line, or is a plan (F37)", () => {
  const read = (text: string) => parsePlanYaml(text, "plan.yaml", new Set(), () => undefined);
  expect(read(plan).tasks).toHaveLength(2);
  expect(cutOff(plan, "bad_plan", read)).toBeGreaterThan(100);
});

test("a muster.yaml that is cut off at any byte is refused with its line, or is one (F37)", () => {
  const read = (text: string) => parseProjectConfig(text, "muster.yaml");
  expect(read(config).setup).toEqual(["npm ci"]);
  expect(cutOff(config, "bad_config", read)).toBeGreaterThan(20);
});

test("a file of ours whose writer is killed at any moment is the old one or the new one (F37)", async (context) => {
  const folder = tempFolder(context);
  const path = join(folder, "state.json");
  const module = JSON.stringify(join(import.meta.dirname, "../../src/config/write.ts"));
  const script = `import { replaceFile } from ${module};
    for (let n = 0; ; n++) {
      await replaceFile(${JSON.stringify(path)}, JSON.stringify({ n, filler: String(n % 10).repeat(200_000) }));
      if (n === 0) console.log("begun");
    }`;
  for (let kill = 0; kill < 8; kill++) {
    const writer = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(writer.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 3 + kill * 7));
    writer.kill("SIGKILL");
    await once(writer, "exit");
    const { n, filler } = JSON.parse(readFileSync(path, "utf8")) as { n: number; filler: string };
    expect(filler).toBe(String(n % 10).repeat(200_000));
  }
  expect(readdirSync(folder)).toContain("state.json");
});

/** What a write in place would change as well. */
function linked(context: Context, name: string): { readonly path: string; readonly other: string } {
  const folder = tempFolder(context);
  const [path, other] = [join(folder, name), join(folder, "other")];
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "cut o", { mode: 0o400 });
  linkSync(path, other);
  return { path, other };
}

test("an artifact whose handing over was cut off is replaced, and nothing else is named to the session (F37)", async (context) => {
  const { path, other } = linked(context, "lib/api.md");
  writeFileSync(join(dirname(path), ".muster-0123456789abcdef.tmp"), "cut");
  await putArtifact(path, Buffer.from("cut off no more"));
  expect(readFileSync(path, "utf8")).toBe("cut off no more");
  expect(readFileSync(other, "utf8")).toBe("cut o");
  expect(statSync(path).mode & 0o777).toBe(0o400);
  expect(readdirSync(dirname(path))).toEqual(["api.md"]);
});

test("an artifact is not written through a link that is in its place (F37)", async (context) => {
  const folder = tempFolder(context);
  const [path, aim] = [join(folder, "api.md"), join(folder, "aim")];
  symlinkSync(aim, path);
  await putArtifact(path, Buffer.from("whole"));
  expect(readdirSync(folder)).toEqual(["api.md"]);
  expect(readFileSync(path, "utf8")).toBe("whole");
});

test("a long message that is said again replaces the file that a session may be reading (F37)", (context) => {
  const { path, other } = linked(context, "msg/uuid.md");
  writeLongMessage(dirname(dirname(path)), "uuid", "said again");
  expect(readFileSync(path, "utf8")).toBe("said again");
  expect(readFileSync(other, "utf8")).toBe("cut o");
});
