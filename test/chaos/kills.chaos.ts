/** The daemon killed with -9 at random times while eight sessions live: the same end as without, whatever the seed. */
import { afterAll } from "vitest";
import { killsBySeed } from "./kills.suite.ts";

const said = await killsBySeed(Number(process.env["CHAOS_SEEDS"] ?? "50"));
afterAll(() => console.log(`${said().kills} kills in ${said().seeds} seeds`));
