#!/usr/bin/env node
// Plain JavaScript for any Node ≥ 18: finds a Node that is new enough, then runs the CLI there (src in a clone, dist in the package).
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module, { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const needed = [24, 11];
const [major, minor] = process.versions.node.split(".").map(Number);
const isNewEnough = major > needed[0] || (major === needed[0] && minor >= needed[1]);
const entry = ["../src/cli/main.ts", "../dist/cli/main.js"]
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path));

/** The Node that `scripts/setup.mjs` brings into a clone; the published package has none. */
function besideUs() {
  try {
    const manifest = createRequire(import.meta.url).resolve(
      `node-${process.platform}-${process.arch}/package.json`,
    );
    return manifest.replace(/package\.json$/, "bin/node");
  } catch {
    return undefined;
  }
}

function reexec(node) {
  const cache = cacheFolder();
  const child = spawn(node, [...process.execArgv, entry, ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }) },
  });
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name));
  child.on("error", (error) => {
    process.stderr.write(`✗ cannot run ${node}: ${error.message}\n`);
    process.exit(69);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** Compiled code is kept in muster's own folder once there is one: it halves what a command takes to start. */
function cacheFolder() {
  const { MUSTER_HOME, XDG_STATE_HOME, HOME = "/" } = process.env;
  const home = MUSTER_HOME || join(XDG_STATE_HOME || join(HOME, ".local/state"), "muster");
  return existsSync(home) ? join(home, "cache") : undefined;
}

if (process.platform === "win32") {
  process.stderr.write(
    "✗ muster does not run on native Windows\n↳ To use it there, run wsl --install, and muster inside of it\n",
  );
  process.exit(69);
}
const node = isNewEnough ? undefined : besideUs();
if (isNewEnough) {
  const cache = cacheFolder();
  if (cache !== undefined) module.enableCompileCache?.(cache);
  await import(entry);
} else if (node !== undefined && existsSync(node)) reexec(node);
else {
  process.stderr.write(
    `✗ muster needs Node ${needed.join(".")} or newer, this is ${process.versions.node}\n↳ To install one, run nvm install 24\n`,
  );
  process.exit(69);
}
