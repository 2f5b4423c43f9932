/**
 * `runs/<run>.json`: what a run's terminal gave it, but for secrets, so that the run goes on with it after the daemon was killed. Of a
 * secret there is the name, and a salted digest: with it the next daemon tells whether it was started with the same.
 */
import { type ScryptOptions, createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { withoutSecrets } from "../../config/environment.ts";
import { replaceFile } from "../../config/write.ts";
import type { RunId } from "../../core/ids.ts";
import type { KnownCaller } from "./caller.ts";

const secrets = z.object({
  names: z.array(z.string()),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});
type Secrets = z.infer<typeof secrets>;

const runFile = z.object({
  version: z.literal(1),
  env: z.record(z.string(), z.string()),
  configHome: z.string().nullable(),
  claudeConfigDir: z.string().nullable(),
  kind: z.enum(["api-key", "auth-token", "oauth-token", "cloud", "login"]),
  fingerprint: z.string(),
  /** What sessions and gates had beyond `env`. */
  session: secrets,
  gate: secrets,
});
export type RunFile = z.infer<typeof runFile>;

const folder = "runs";

function pathOf(home: string, run: RunId): string {
  return join(home, folder, `${run}.json`);
}

/** Replaces the file of a run. No secret's value is in it. */
export async function writeRunFile(home: string, run: RunId, known: KnownCaller): Promise<void> {
  const { caller, config, kind, fingerprint } = known;
  const { env, session, gate } = withoutSecrets(caller.env, kind, config);
  const file: RunFile = {
    version: 1,
    env,
    configHome: caller.configHome,
    claudeConfigDir: caller.claudeConfigDir,
    kind,
    fingerprint,
    session: await seal(session, caller.env),
    gate: await seal(gate, caller.env),
  };
  mkdirSync(join(home, folder), { recursive: true, mode: 0o700 });
  await replaceFile(pathOf(home, run), `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
}

export function dropRunFile(home: string, run: RunId): void {
  rmSync(pathOf(home, run), { force: true });
}

/** Runs that have a file, the one written last at the end. */
export function listRunFiles(home: string): RunId[] {
  const dir = join(home, folder);
  if (!existsSync(dir)) return [];
  const runs = readdirSync(dir).flatMap((name): RunId[] => {
    const [, id] = /^run_([0-9a-z]+)\.json$/.exec(name) ?? [];
    return id === undefined ? [] : [`run_${id}`];
  });
  const writtenAt = (run: RunId): number => statSync(pathOf(home, run)).mtimeMs;
  return runs.toSorted((a, b) => writtenAt(a) - writtenAt(b));
}

/** Throws where it can't be read or is not one of ours. */
export function readRunFile(home: string, run: RunId): RunFile {
  return runFile.parse(JSON.parse(readFileSync(pathOf(home, run), "utf8")));
}

/** 4 MiB and some 12 ms for each guess: a variable may hold a short password, and every run begins with one. */
const cost: ScryptOptions = { N: 2 ** 12, r: 8, p: 1 };
const digestBytes = 32;

async function seal(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Secrets> {
  const salt = randomBytes(16);
  return {
    names: [...names],
    salt: salt.toString("hex"),
    digest: (await digestOf(names, env, salt)).toString("hex"),
  };
}

function digestOf(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  salt: Buffer,
): Promise<Buffer> {
  const text = JSON.stringify(names.map((name) => [name, env[name] ?? null]));
  // Nothing is hidden in nothing.
  if (names.length === 0) return Promise.resolve(createHash("sha256").update(salt).digest());
  return new Promise((resolve, reject) =>
    scrypt(text, salt, digestBytes, cost, (error, digest) =>
      error === null ? resolve(digest) : reject(error),
    ),
  );
}

/** The secrets out of `env` where all of them are the ones that were sealed; undefined where any is another or missing. */
export async function unseal(
  { names, salt, digest }: Secrets,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Record<string, string> | undefined> {
  const found = await digestOf(names, env, Buffer.from(salt, "hex"));
  if (!timingSafeEqual(found, Buffer.from(digest, "hex"))) return undefined;
  return Object.fromEntries(names.map((name) => [name, env[name] ?? ""]));
}
