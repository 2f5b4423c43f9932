/** Finding the `claude` binary: the configured one, `claude` on PATH, the SDK's platform package (design §9). */
import { accessSync, constants, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { Fault } from "../core/fault.ts";
import { run } from "../process/run.ts";

/**
 * The oldest version that passes the runner suite (`npm run contract`). Older ones bill a resumed session's past again (before
 * 2.1.309), have no `--project-config-root` (before 2.1.275), or do not read a key from a descriptor (2.1.242 and before).
 */
export const oldestVersion = "2.1.309";
/** The version that every release of muster is tested with. */
export const testedVersion = "2.1.329";

export interface Binary {
  readonly path: string;
  readonly version: string;
  readonly from: "config" | "PATH" | "SDK package";
}

const installHint = "npm install --global @anthropic-ai/claude-code";
const versionTimeoutMs = 20_000;
const known = new Map<string, Binary>();

/** The binary to use. Throws Fault `no_claude` where none is found, or only ones that are too old. */
export async function findBinary(
  configured: string | null,
  env: Readonly<Record<string, string>>,
): Promise<Binary> {
  const tooOld: Binary[] = [];
  for (const [path, from] of candidates(configured, env)) {
    const binary = await probe(path, from, env);
    if (binary === undefined) continue;
    if (compareVersions(binary.version, oldestVersion) >= 0) return binary;
    tooOld.push(binary);
  }
  const [old] = tooOld;
  if (old !== undefined)
    throw new Fault(
      "no_claude",
      `claude ${old.version} at ${old.path} is too old, ${oldestVersion} or newer is needed`,
      { remedy: `${installHint}@latest` },
    );
  const where = configured === null ? "on PATH or beside muster" : `at ${configured}`;
  throw new Fault("no_claude", `no claude binary found ${where}`, { remedy: installHint });
}

function* candidates(
  configured: string | null,
  env: Readonly<Record<string, string>>,
): Iterable<[string, Binary["from"]]> {
  if (configured !== null) {
    yield [configured, "config"];
    return;
  }
  for (const folder of (env["PATH"] ?? "").split(delimiter))
    if (folder !== "") yield [join(folder, "claude"), "PATH"];
  for (const name of ["claude-agent-sdk", "claude-code"]) {
    const path = packaged(`@anthropic-ai/${name}-${process.platform}-${process.arch}/package.json`);
    if (path !== undefined) yield [path, "SDK package"];
  }
}

function packaged(manifest: string): string | undefined {
  try {
    return createRequire(import.meta.url)
      .resolve(manifest)
      .replace(/package\.json$/, "claude");
  } catch {
    return undefined; // Not installed: it is optional.
  }
}

async function probe(
  path: string,
  from: Binary["from"],
  env: Readonly<Record<string, string>>,
): Promise<Binary | undefined> {
  if (!isExecutable(path)) return undefined;
  const key = `${path}\0${statSync(path).mtimeMs}`;
  const seen = known.get(key);
  if (seen !== undefined) return { ...seen, from };
  const told = await run({
    argv: [path, "--version"],
    cwd: "/",
    env: { PATH: env["PATH"] ?? "", HOME: env["HOME"] ?? "/" },
    timeoutMs: versionTimeoutMs,
  });
  const version = /^(\d+\.\d+\.\d+)/.exec(told.stdout.toString())?.[1];
  if (told.code !== 0 || version === undefined) return undefined;
  const binary: Binary = { path, version, from };
  known.set(key, binary);
  return binary;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Negative, zero or positive, as for a sort. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
