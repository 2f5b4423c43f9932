/**
 * The daemon's respawning shim: a detached `sh` that starts it again when it dies, at most five times in ten minutes. An end for
 * want of space is not counted: it is tried again after a pause that grows to a minute, for as long as it takes.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

/** What a command ends with that found no space on a disk: EX_IOERR of sysexits(3). */
export const noSpaceCode = 74;

/**
 * $1 = file for a note when it gives up; the command follows. Exit 0 is an end that was asked for; 75 means that another daemon
 * has the lock. A death by signal is above 128. A signal while it pauses ends it.
 */
const script = `
n=$1; shift
trap 's=1' TERM INT HUP
i=0; first=$(date +%s); w=1
while :; do
  "$@"; e=$?
  case $e in
    0|75|69) exit $e;;
    ${noSpaceCode})
      s=; sleep $w & wait $!
      if [ -n "$s" ]; then kill $!; exit 0; fi
      w=$((w * 2)); if [ $w -gt 60 ]; then w=60; fi
      continue;;
  esac
  w=1
  now=$(date +%s)
  if [ $((now - first)) -gt 600 ]; then first=$now; i=0; fi
  i=$((i + 1))
  if [ $i -gt 5 ]; then
    printf 'the daemon ended %s times within 10 minutes, last with code %s\\n' "$i" "$e" >> "$n"
    exit $e
  fi
done
`;

export interface Respawn {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Receives stdout and stderr. */
  readonly log: string;
  /** Written when it gives up. */
  readonly note: string;
}

/** Starts a command that is kept alive after this process is gone. */
export function startRespawning({ argv, env, cwd, log, note }: Respawn): void {
  const out = openSync(log, "a", 0o600);
  const child = spawn("/bin/sh", ["-c", script, "muster-respawn", note, ...argv], {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", out, out],
  });
  child.unref();
  closeSync(out);
}
