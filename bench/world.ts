/** A world for benchmarks: a sample repository, a scripted model, an environment from scratch, and the real binary. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { client } from "../src/api/client.ts";
import { type Model, startModel } from "../src/testing/model/model.ts";

const root = join(import.meta.dirname, "..");
/** The package as it is published: built, not type-stripped at start. */
function build(folder: string): string {
  const pkg = join(folder, "pkg");
  mkdirSync(pkg);
  execFileSync(
    join(root, "node_modules", ".bin", "tsc"),
    ["-p", "tsconfig.build.json", "--outDir", join(pkg, "dist")],
    { cwd: root, stdio: "inherit" },
  );
  cpSync(join(root, "bin"), join(pkg, "bin"), { recursive: true });
  cpSync(join(root, "package.json"), join(pkg, "package.json"));
  symlinkSync(join(root, "node_modules"), join(pkg, "node_modules"));
  return join(pkg, "bin", "muster.js");
}

export const claude = join(
  root,
  "node_modules",
  "@anthropic-ai",
  `claude-agent-sdk-${process.platform}-${process.arch}`,
  "claude",
);

export interface World {
  readonly folder: string;
  readonly repo: string;
  readonly env: Readonly<Record<string, string>>;
  readonly model: Model;
  /** `bin/muster.js` of the built package. */
  readonly bin: string;
  /** Runs the CLI to its end; throws where it exits other than 0. */
  muster(...args: string[]): string;
  readonly api: ReturnType<typeof client>;
  close(): Promise<void>;
}

export async function openWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "mb-"));
  const repo = join(folder, "repo");
  const bin = build(folder);
  const model = await startModel();
  const env = {
    PATH: [dirname(claude), dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter),
    HOME: folder,
    MUSTER_HOME: join(folder, "m"),
    ANTHROPIC_API_KEY: "dummy-key-of-the-bench",
    ANTHROPIC_BASE_URL: model.url,
    TERM: "dumb",
  };
  mkdirSync(repo);
  writeFileSync(join(folder, ".gitconfig"), "[user]\n\tname = Bench\n\temail = bench@localhost\n");
  writeFileSync(join(repo, "muster.yaml"), "gate: none\n");
  const git = (...args: string[]): void => void execFileSync("git", args, { cwd: repo, env });
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("commit", "-q", "-m", "Start");
  const muster = (...args: string[]): string =>
    execFileSync(process.execPath, [bin, ...args], {
      cwd: repo,
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  muster("ls");
  const api = client(join(folder, "m", "muster.sock"));
  return {
    folder,
    repo,
    env,
    bin,
    model,
    muster,
    api,
    async close() {
      await api.stopHost(true).catch(() => {});
      await model.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** `median (min–max)`. */
export function spread(values: readonly number[], digits = 0): string {
  const show = (value: number): string => value.toFixed(digits);
  return `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`;
}
