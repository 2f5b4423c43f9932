/** The package as a person installs it: packed, installed globally into a prefix of its own, and run from there. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "muster-pack-"));
const prefix = join(folder, "prefix");
const library = join(prefix, "lib", "node_modules");
const sdk = join(root, "node_modules", "@anthropic-ai", "claude-agent-sdk");
const binary = join(dirname(sdk), `claude-agent-sdk-${process.platform}-${process.arch}`, "claude");
const run = promisify(execFile);

beforeAll(() => {
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "");
  const quiet = ["--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=peer"];
  execFileSync("npm", ["install", "--global", "--prefix", prefix, ...quiet, tarball], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  mkdirSync(join(folder, "bin"));
  symlinkSync(binary, join(folder, "bin", "claude"));
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function demo(): Promise<{ stdout: string; stderr: string }> {
  const PATH = [
    join(prefix, "bin"),
    join(folder, "bin"),
    dirname(process.execPath),
    "/usr/bin",
    "/bin",
  ].join(":");
  const env = { PATH, HOME: folder, TMPDIR: folder, TERM: "dumb", NO_COLOR: "1" };
  return run("muster", ["demo", "--json"], {
    env,
    cwd: folder,
    timeout: 150_000,
    maxBuffer: 16 * 1024 * 1024,
  });
}

interface Shown {
  readonly run: {
    readonly state: string;
    readonly tasks: readonly { readonly state: string; readonly runner: string }[];
  };
}

describe("the package", () => {
  it("has no source, no test and no install script in it", () => {
    const inside = readdirSync(join(library, "musterd"));
    expect(inside).toEqual(expect.arrayContaining(["bin", "dist", "package.json"]));
    expect(inside).not.toContain("src");
    const manifest = createRequire(import.meta.url)(join(library, "musterd", "package.json")) as {
      scripts?: Record<string, string>;
    };
    expect(
      Object.keys(manifest.scripts ?? {}).filter((name) => /^(?:pre|post)?install$/.test(name)),
    ).toEqual([]);
  });

  it("runs the demo on claude-cli alone where the SDK is not beside it, and says so", async () => {
    const { stdout, stderr } = await demo();
    const { run: shown } = JSON.parse(stdout) as Shown;
    expect(stderr).toContain("Agent SDK is not installed");
    expect(shown.state).toBe("succeeded");
    expect(new Set(shown.tasks.map(({ runner }) => runner))).toEqual(new Set(["claude-cli"]));
  }, 160_000);

  it("runs the demo half by each runner where the SDK is beside it, and leaves nothing behind", async () => {
    mkdirSync(join(library, "@anthropic-ai"), { recursive: true });
    symlinkSync(sdk, join(library, "@anthropic-ai", "claude-agent-sdk"));
    const before = readdirSync(folder).toSorted();
    const { stdout } = await demo();
    const { run: shown } = JSON.parse(stdout) as Shown;
    expect(shown.state).toBe("succeeded");
    expect(shown.tasks.map(({ state }) => state)).toEqual(
      Array.from({ length: 6 }, () => "landed"),
    );
    expect(shown.tasks.filter(({ runner }) => runner === "claude-sdk")).toHaveLength(3);
    expect(readdirSync(folder).toSorted()).toEqual(before);
  }, 160_000);
});
