/**
 * A place in which a version is installed: the sources, copied, and the modules of the repository, linked, but for those of
 * Claude Code. So the same test files find the other version as they find the pinned one, also in processes that they start.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type Finished, run } from "../../src/process/run.ts";
import { type Counts, type Outcome, type Report, countReport } from "./page.ts";
import type { Subject, Suite } from "./versions.ts";

export const root = join(import.meta.dirname, "../..");
const scope = "@anthropic-ai";
const platform = `${process.platform}-${process.arch}`;
export const sdkPackage = `${scope}/claude-agent-sdk`;
export const claudePackage = `${scope}/claude-code-${platform}`;

/** Two binaries of a quarter of a gigabyte over a slow line. */
const installMs = 10 * 60_000;
/** The suite takes a minute on two idle cores; every case that fails waits up to 20 s. */
const suiteMs = 20 * 60_000;
/** A look-up of a list. */
const viewMs = 60_000;

/** npm needs the person's own environment: their registry, their cache, their proxy. */
const inherited = Object.fromEntries(
  Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
);

function npm(args: readonly string[], cwd: string, timeoutMs: number): Promise<Finished> {
  return run({ argv: ["npm", ...args], cwd, env: inherited, timeoutMs });
}

/** Why an npm command failed, by its code: its prose names hosts and paths. */
function whyOf({ ended, code, stderr }: Finished): string {
  const said = /^npm (?:error|ERR!) code (\w+)/m.exec(stderr.toString())?.[1];
  return ended ?? said ?? `npm exited ${code ?? "by a signal"}`;
}

/** The versions of a package that the registry has. Throws where it does not say. */
export async function readVersions(name: string): Promise<readonly string[]> {
  const done = await npm(["view", name, "versions", "--json"], root, viewMs);
  if (done.code !== 0) throw new Error(`npm view ${name} failed: ${whyOf(done)}`);
  const said: unknown = JSON.parse(done.stdout.toString());
  return [said].flat().filter((each): each is string => typeof each === "string");
}

/** Installs the version below `dir` and runs its suites there. */
export async function runSubject(subject: Subject, isPinned: boolean, dir: string) {
  const modules = isPinned ? join(root, "node_modules") : join(dir, "installed", "node_modules");
  const reason = isPinned ? null : await install(subject, join(dir, "installed"));
  if (reason !== null) return notRun(reason);
  const place = join(dir, "place");
  compose(subject, modules, place);
  const said = await run({
    argv: [join(place, "node_modules", names.binary, "claude"), "--version"],
    cwd: dir,
    env: { PATH: inherited["PATH"] ?? "", HOME: dir },
    timeoutMs: viewMs,
  }).catch(() => undefined);
  const version = said?.stdout.toString().split(" ")[0];
  if (version !== subject.claude)
    return notRun(`its binary says ${version === undefined ? "nothing" : `it is ${version}`}`);
  return runSuites(subject, dir, place);
}

const names = { sdk: sdkPackage, binary: `${sdkPackage}-${platform}` } as const;

function notRun(reason: string): Outcome {
  return { is: "not_run", reason };
}

/** Null where it is installed, else why not. */
async function install({ sdk, claude }: Subject, prefix: string): Promise<string | null> {
  mkdirSync(prefix, { recursive: true });
  const spec = sdk === null ? `${claudePackage}@${claude}` : `${sdkPackage}@${sdk}`;
  const quiet = ["--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const done = await npm(["install", "--prefix", prefix, ...quiet, spec], prefix, installMs);
  if (done.code !== 0) return `${spec} can't be installed: ${whyOf(done)}`;
  const brought = join(prefix, "node_modules", sdk === null ? claudePackage : names.binary);
  return existsSync(join(brought, "claude")) ? null : `${spec} brings no binary for ${platform}`;
}

/** Makes the place. A package of Claude Code that the version does not bring is the repository's. */
function compose({ sdk }: Subject, modules: string, place: string): void {
  for (const name of ["src", "test", "package.json", "tsconfig.json"])
    cpSync(join(root, name), join(place, name), { recursive: true });
  const from = join(root, "node_modules");
  mkdirSync(join(place, "node_modules", scope), { recursive: true });
  for (const name of readdirSync(from))
    if (name !== scope) symlinkSync(join(from, name), join(place, "node_modules", name));
  const own = sdk === null ? from : modules;
  symlinkSync(join(own, names.sdk), join(place, "node_modules", names.sdk));
  const binary = join(modules, sdk === null ? claudePackage : names.binary);
  symlinkSync(binary, join(place, "node_modules", names.binary));
}

async function runSuites(subject: Subject, dir: string, place: string): Promise<Outcome> {
  const out = join(dir, "report.json");
  const vitest = join(place, "node_modules", "vitest", "vitest.mjs");
  const files = subject.suites.map((suite) => `test/integration/runner/${suite}.test.ts`);
  const config = join(place, "test", "contract", "vitest.config.ts");
  const options = ["--root", place, "--config", config, "--reporter=json", `--outputFile=${out}`];
  const done = await run({
    argv: [process.execPath, vitest, "run", ...options, ...files],
    cwd: place,
    env: { ...inherited, HOME: dir },
    timeoutMs: suiteMs,
  });
  if (!existsSync(out)) return notRun(`the suite left no report: ${done.ended ?? done.code}`);
  const counts: ReadonlyMap<Suite, Counts> = countReport(
    JSON.parse(readFileSync(out, "utf8")) as Report,
  );
  return { is: "ran", counts };
}
