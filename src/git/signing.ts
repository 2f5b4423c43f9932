/**
 * Signed commits: whether the project asks for them, with what, and a signature that asks nobody for anything.
 *
 * Any session can write the repository's own configuration, so that configuration can ask for signatures and nothing else. Which
 * program, format and key sign is read from the person's global and system configuration, and pinned; the commit is written in a
 * sealed git directory, where no other configuration is seen. What the person wants for this project only has its place behind an
 * `includeIf "gitdir:…"` of their global configuration, which git counts as theirs.
 */
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Sha } from "../core/ids.ts";
import { readSmall } from "./files.ts";
import { git, lineOf, type GitOutput, type Repository } from "./git.ts";
import { type CommitRequest, writeCommit } from "./merge.ts";
import { type PrivateDir, withPrivateDir } from "./private.ts";
import { rootEnv } from "./refs.ts";

const formats = ["openpgp", "x509", "ssh"] as const;
type Format = (typeof formats)[number];

/** What signs, all of it the person's own. */
export interface Signer {
  readonly format: Format;
  /** null: git's own choice, `gpg`, `gpgsm` or `ssh-keygen`. */
  readonly program: string | null;
  /** null: the committer's mail (openpgp, x509), or the first key that `keyCommand` prints (ssh). */
  readonly key: string | null;
  readonly keyCommand: string | null;
}

export type Signing =
  | { readonly asked: false }
  | { readonly asked: true; readonly signer: Signer }
  /** Signatures are asked for, and whose is not the person's own say. */
  | { readonly asked: true; readonly signer: null; readonly why: string };

export type SignedCommit = { readonly commit: Sha } | { readonly unsigned: string };

/** Thirty seconds: a signature takes milliseconds; what takes longer waits for somebody to touch, type or confirm something. */
const signingMs = 30_000;
/** A reason is one line for a person; a path in it can be long. */
const maxWhy = 300;

/** What a signer finds its agent and its keys by: the person's, beside what every git process gets. */
const passedOn = ["SSH_AUTH_SOCK", "GNUPGHOME"] as const;

interface Setting {
  readonly own: boolean;
  readonly key: string;
  readonly value: string;
}

/**
 * Whether `commit.gpgsign` is on, and what signs. It is on where the person's configuration or the repository's says so: git lets
 * the repository's `false` win, but a session could write that, so only the person's own configuration switches off what it
 * switched on. A key or a format that the repository names otherwise than the person does is not used and not passed over: either
 * would sign with a key that somebody did not mean, so there is no signer then. Throws Fault `git_failed` for a configuration that
 * git can't read.
 */
export async function readSigning(repo: Repository): Promise<Signing> {
  const settings = await readSettings(repo);
  const last = (own: boolean, ...keys: readonly string[]): string | null =>
    settings.findLast((one) => one.own === own && keys.includes(one.key))?.value ?? null;
  if (!isOn(last(true, "commit.gpgsign")) && !isOn(last(false, "commit.gpgsign")))
    return { asked: false };

  const said = last(true, "gpg.format") ?? "openpgp";
  const format = formats.find((one) => one === said);
  const key = last(true, "user.signingkey") || null;
  if (format === undefined) return unclear(`gpg.format is ${JSON.stringify(said)}`);
  if ((last(false, "gpg.format") ?? format) !== format) return foreign("gpg.format");
  if ((last(false, "user.signingkey") ?? key) !== key) return foreign("user.signingkey");
  const programs = format === "openpgp" ? ["gpg.program"] : [];
  return {
    asked: true,
    signer: {
      format,
      program: last(true, `gpg.${format}.program`, ...programs) || null,
      key,
      keyCommand: last(true, "gpg.ssh.defaultkeycommand") || null,
    },
  };
}

function unclear(why: string): Signing {
  return { asked: true, signer: null, why };
}

function foreign(key: string): Signing {
  return unclear(
    `${key} of the repository's own configuration, which sessions can write, is not that of your global one`,
  );
}

async function readSettings(repo: Repository): Promise<readonly Setting[]> {
  const pattern = "^(commit\\.gpgsign|user\\.signingkey|gpg\\..*)$";
  const args = ["config", "-z", "--show-scope", "--get-regexp", pattern];
  const call = { env: rootEnv(repo), cwd: repo.root, okCodes: [0, 1] };
  // `scope NUL key LF value NUL`, and so on; a key without `=` has no LF and is true.
  const parts = (await git(repo, args, call)).stdout.toString("utf8").split("\0");
  const settings: Setting[] = [];
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const [scope, entry = ""] = [parts[i], parts[i + 1]];
    const end = entry.indexOf("\n");
    const key = end < 0 ? entry : entry.slice(0, end);
    const value = end < 0 ? "true" : entry.slice(end + 1);
    // Scope `command` is our own guards.
    if (scope === "global" || scope === "system") settings.push({ own: true, key, value });
    if (scope === "local" || scope === "worktree") settings.push({ own: false, key, value });
  }
  return settings;
}

/** As git reads a boolean; what git would refuse to read counts as on. */
function isOn(value: string | null): boolean {
  return value !== null && !/^(?:|false|no|off|[-+]?0[0x]*[kmg]?)$/i.test(value);
}

/**
 * Writes a signed commit, or says in one line why it can't be signed. It never asks: there is no terminal and no display, gpg is
 * told to fail where it would ask for a passphrase, and after `timeoutMs` it is over. `env` is the person's; of it, the addresses
 * of their agents and keys are used. Throws what writing the same commit without a signature throws.
 */
export async function commitSigned(
  repo: Repository,
  request: CommitRequest,
  signer: Signer,
  env: Readonly<Record<string, string>>,
  timeoutMs: number = signingMs,
): Promise<SignedCommit> {
  return withPrivateDir(repo, { sight: "sealed" }, async (own) => {
    const call = {
      // Git leaves the file of a literal key behind where that key does not sign; an agent that gpg starts would keep the variable.
      env: {
        ...passed(env),
        SSH_ASKPASS_REQUIRE: "never",
        ...(signer.format === "ssh" ? { TMPDIR: own.dir } : {}),
      },
      timeoutMs,
      okCodes: [0, 1, 128],
    };
    const pinned = pin(own, signer, request.committer.email, repo.env["HOME"] ?? "/");
    const done = await writeCommit(own, request, { pinned, call }).catch(overTime);
    if ("code" in done && done.code === 0) return { commit: lineOf(done) };
    const why = "code" in done ? await reason(own, done) : done.why;
    // Where the commit itself can't be written this says so.
    await writeCommit(own, request);
    return { unsigned: why };
  });
}

function passed(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    passedOn.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** The signer as settings for one git command; the sealed directory has none besides. */
function pin(own: PrivateDir, signer: Signer, email: string, home: string): readonly string[] {
  const { format, keyCommand } = signer;
  // In angle brackets gpg takes it for a whole address, and for nothing else.
  const key = signer.key ?? (format === "ssh" ? null : `<${email}>`);
  const program = format === "ssh" ? signer.program : quiet(own, signer, home);
  return [
    `gpg.format=${format}`,
    ...(program === null ? [] : [`gpg.${format}.program=${program}`]),
    ...(key === null ? [] : [`user.signingkey=${key}`]),
    ...(format !== "ssh" || keyCommand === null ? [] : [`gpg.ssh.defaultKeyCommand=${keyCommand}`]),
  ].flatMap((setting) => ["-c", setting]);
}

/**
 * The program to sign with, as one that never starts pinentry: an agent from a desktop session would start it there, whatever our
 * own environment lacks (measured, gpg 2.2). Git has no setting for a program's arguments, so a script of ours adds them. What gpg
 * says to people goes to a file, since not every git passes it on. A program of another name gets no arguments: it may not know them,
 * or bring a passphrase of its own.
 */
function quiet(own: PrivateDir, { format, program }: Signer, home: string): string {
  const path = (program ?? (format === "x509" ? "gpgsm" : "gpg")).replace(/^~(?=\/)/, home);
  if (!/^gpg(?:2|sm)?$/.test(basename(path))) return path;
  const script = join(own.dir, "sign");
  const lines = [
    "#!/bin/sh",
    `exec 3>${quoted(saidFile(own))}`,
    `command -v ${quoted(path)} >/dev/null || echo ${quoted(`${path} is not there`)} >&3`,
    `exec ${quoted(path)} --batch --no-tty --pinentry-mode error --logger-fd 3 "$@"`,
  ];
  // Synchronous: a process that we start meanwhile would hold the open file, and the kernel runs no file that is open for writing.
  writeFileSync(script, `${lines.join("\n")}\n`, { mode: 0o700 });
  return script;
}

function saidFile(own: PrivateDir): string {
  return join(own.dir, "said");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function overTime(error: unknown): { readonly why: string } {
  if (!(error instanceof Fault) || error.code !== "timed_out") throw error;
  return { why: "the signature took too long: it may wait for a person" };
}

async function reason(own: PrivateDir, { code, stderr }: GitOutput): Promise<string> {
  const lines = [(await readSmall(saidFile(own))) ?? "", stderr]
    .flatMap((text) => text.split("\n"))
    .map((line) => line.replace(/\p{Cc}/gu, "").trim())
    .filter((line) => line !== "" && !line.startsWith("[GNUPG:]"));
  // The prompt that nobody saw, and a line end that git shows as a question mark.
  const first = (lines[0] ?? `git commit-tree ended with ${code}`)
    .replace(/^(?:error: )?(?:Enter passphrase: )?/, "")
    .replace(/[.?]$/, "")
    .slice(0, maxWhy);
  return /passphrase|no pinentry/i.test(first)
    ? `the key needs a passphrase, and no agent has it (${first})`
    : first;
}
