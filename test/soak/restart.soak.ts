/** Fifty live sessions, and eight of the real binary, over kills of their daemon. */
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { type World, openWorld } from "../e2e/harness.ts";
import { startOwnDaemon } from "../e2e/own-daemon.ts";
import { adoptsAll } from "../faults/adopts.ts";
import { writePart } from "./page.ts";

/** As often as the daemon is started again within ten minutes. */
const kills = 5;
const aimMs = 2_000;
const wide = fileURLToPath(new URL("wide-daemon.ts", import.meta.url));

const lines: string[] = [];
afterAll(() => {
  if (lines.length === 2) writePart("Restart", lines);
});

async function restarts(world: World, count: number, what: string): Promise<void> {
  try {
    await startOwnDaemon(world, wide, { env: { SOAK_SESSIONS: String(count) } });
    const { tookMs, unread, lines: compared } = await adoptsAll(world, count, kills);
    const sorted = tookMs.toSorted((a, b) => a - b).map((ms) => Math.round(ms));
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
    const line = `- ${count} ${what}, ${kills} kills: all adopted ${median} ms after the new daemon's start (median; ${sorted[0]} to ${sorted.at(-1)}), 0 started again, ${unread} bytes written over the first kill, ${compared} lines of ${count} streams each in the ledger once`;
    console.log(line);
    lines.push(line);
    expect(median).toBeLessThan(aimMs);
  } finally {
    await world.close();
  }
}

const options = { timeout: 20 * 60_000 };

test("fifty sessions are taken over within two seconds", options, async () => {
  await restarts(await openWorld(), 50, "sessions of the stand-in");
});

test("eight real sessions are taken over within two seconds", options, async () => {
  await restarts(await openWorld({ real: true }), 8, "sessions of the real binary");
});
