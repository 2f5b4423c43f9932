/** `npm run contract`: the runner suite against the pinned version, the newest and the oldest supported ones. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { oldestVersion } from "../../src/runner/binary.ts";
import { type Row, isPassed, pagePath, problemsOf, renderPage, renderTable } from "./page.ts";
import { claudePackage, readVersions, root, runSubject, sdkPackage } from "./place.ts";
import { type Subject, chooseSubjects } from "./versions.ts";

interface Manifest {
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
const pinned = manifest.devDependencies[sdkPackage] ?? "";

async function runOne(subject: Subject): Promise<Row> {
  process.stderr.write(`◎ claude ${subject.claude} (${subject.why.join(", ")})\n`);
  const dir = mkdtempSync(join(tmpdir(), "muster-contract-"));
  try {
    return { ...subject, outcome: await runSubject(subject, subject.sdk === pinned, dir) };
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

const subjects = chooseSubjects({
  sdks: await readVersions(sdkPackage),
  claudes: await readVersions(claudePackage),
  pinned,
  peers: manifest.peerDependencies[sdkPackage] ?? "",
  oldest: oldestVersion,
});
const rows: Row[] = [];
for (const subject of subjects) rows.push(await runOne(subject));

const path = join(root, pagePath);
mkdirSync(dirname(path), { recursive: true });
writeFileSync(path, renderPage(rows));
console.log(renderTable(rows));
for (const problem of problemsOf(rows)) console.log(`✗ ${problem}`);
console.log(`${pagePath} was written`);
const failed = rows.filter((row) => row.outcome.is === "ran" && !isPassed(row));
const pinnedRow = rows.find(({ sdk }) => sdk === pinned);
process.exitCode = failed.length > 0 || pinnedRow?.outcome.is !== "ran" ? 1 : 0;
