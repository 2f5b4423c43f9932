/** Ports: every variable that `muster.yaml` names under `ports` gets a free port of its own per attempt, kept for its life. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { replaceFile } from "../config/write.ts";
import { type Host, attemptDir } from "./context.ts";
import type { AttemptId } from "../core/ids.ts";

/** The attempt's ports by variable. Free when they were chosen; nothing holds them in between. */
export async function portsOf(
  host: Host,
  att: AttemptId,
  names: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  if (names.length === 0) return {};
  mkdirSync(attemptDir(host, att), { recursive: true, mode: 0o700 });
  const path = join(attemptDir(host, att), "ports.json");
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
  const ports: Record<string, string> = {};
  for (const name of names) ports[name] = String(await freePort());
  await replaceFile(path, `${JSON.stringify(ports)}\n`, { mode: 0o600 });
  return ports;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === "object" && address !== null ? address.port : 0),
      );
    });
  });
}
