/** The random kills of `npm run chaos`, four times as many. */
import { afterAll } from "vitest";
import { killsBySeed } from "../chaos/kills.suite.ts";
import { writePart } from "./page.ts";

/** `CHAOS_SEEDS=10 npm run soak -- kills` for a try, of which no page is written. */
const wanted = Number(process.env["CHAOS_SEEDS"] ?? "200");
const isWhole = process.env["CHAOS_SEEDS"] === undefined;

const said = await killsBySeed(wanted);
afterAll(() => {
  const { seeds, real, kills } = said();
  const line = `${seeds} of ${wanted} seeds came to the same end as a run that nothing happened to, ${real} of them on the real binary, with ${kills} kills of the daemon while eight sessions lived or later.`;
  console.log(line);
  if (isWhole) writePart("Kills at random", [line]);
});
