/** Arguments of `run` and `plan` as a request: files read here, parsed by the daemon. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { RunRequest } from "../api/schema.ts";
import { Fault } from "../core/fault.ts";
import { classifyArguments } from "../plan/prompts.ts";
import { parseDuration } from "../plan/fields.ts";
import { caller } from "./caller.ts";
import type { RunFlags } from "./flags.ts";
import { shellWord } from "../core/words.ts";

const maxPlanBytes = 16 * 1024 * 1024;

/** Throws Fault `usage` for a file that is not there, `bad_plan` for one that is not text. */
export function readRequest(
  what: readonly string[],
  flags: RunFlags,
  attended: boolean,
): RunRequest {
  const { files, prompts } = classifyArguments(what, {
    file: flags.file ?? [],
    prompt: flags.prompt ?? [],
  });
  const { runner, model, target, gate, parallel, usd, turns, minutes } = flags;
  if (runner !== undefined && runner !== "claude-cli" && runner !== "claude-sdk")
    throw new Fault("usage", `no runner ${runner}, expected claude-cli or claude-sdk`, {
      remedy: "muster run --help",
    });
  if (flags.continue === true && prompts.length > 0)
    throw new Fault("usage", "--continue takes plan files, not prompts", {
      remedy: "muster run plan.yaml --continue",
    });
  if (flags.continue === true && parallel !== undefined)
    throw new Fault("usage", "--parallel can't be changed for a run that is there", {
      remedy: "muster run plan.yaml --continue",
    });
  const options = { runner, model, target, parallel, usd, turns, minutes };
  return {
    cwd: process.cwd(),
    sources: files.map(readSource),
    prompts: [...prompts],
    options: {
      ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
      ...(gate === undefined ? {} : { gate: gate.length === 1 && gate[0] === "none" ? [] : gate }),
      ...(flags.wait === undefined ? {} : { waitMs: readWait(flags.wait) }),
    },
    attended,
    acceptGates: flags.yes === true,
    ...(flags.continue === true ? { continue: true } : {}),
    ...caller(),
  };
}

function readWait(text: string): number | null {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new Fault(
    "usage",
    `--wait is ${JSON.stringify(text)}, expected a time such as 15m, 0 or forever`,
    { remedy: "muster run --help" },
  );
}

function readSource(path: string): { path: string; text: string } {
  const name = path === "-" ? "stdin.yaml" : path;
  try {
    if (path !== "-" && statSync(path).size > maxPlanBytes)
      throw new Fault("bad_plan", `${path} is over ${maxPlanBytes / 1024 / 1024} MB`, {
        remedy: `ls -la ${shellWord(path)}`,
      });
    return {
      path: name,
      text: new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path === "-" ? 0 : path)),
    };
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (cause instanceof TypeError)
      throw new Fault("bad_plan", `${shellWord(path)} is not UTF-8 text`, {
        remedy: `file ${shellWord(path)}`,
        cause,
      });
    if (code === "ENOENT")
      throw new Fault("usage", `no file ${path}`, {
        remedy: `ls ${shellWord(resolve(path, ".."))}, or for a prompt: muster run --prompt ${shellWord(path)}`,
        cause,
      });
    throw new Fault("usage", `cannot read ${path}: ${code ?? String(cause)}`, {
      remedy: `ls -la ${shellWord(path)}`,
      cause,
    });
  }
}
