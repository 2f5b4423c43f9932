/** The hook of the chaos daemon: notes every point it passes, or ends its own process with SIGKILL at one of them. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Boundary } from "../../src/host/boundary.ts";
import { pointsOf } from "./points.ts";

/** What the daemons of a home are to do; null to note what they pass. */
export type Order = Death | null;

export interface Death {
  readonly point: string;
  /** At which passing of the point the first daemon dies, counted from 1; a later one dies at its first. */
  readonly nth: number;
  /** How many daemons, one after the other, die there at most. */
  readonly times: number;
}

/** Leaves an order for the daemons of a home that is made here. */
export function giveOrder(home: string, order: Order): void {
  mkdirSync(join(home, "chaos"), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, "chaos", "order.json"), JSON.stringify(order));
}

/** The points that the daemons of a home passed, as often as they did. */
export function readPassed(home: string): readonly string[] {
  return readLines(join(home, "chaos", "passed"));
}

/** How many daemons of a home died as ordered. */
export function countDeaths(home: string): number {
  return readLines(join(home, "chaos", "deaths")).length;
}

/** Does what the order in the home says. */
export function hook(home: string): Boundary {
  const order = JSON.parse(readFileSync(join(home, "chaos", "order.json"), "utf8")) as Order;
  let passed = 0;
  return (moment) => {
    const points = pointsOf(moment);
    if (order === null) {
      appendFileSync(join(home, "chaos", "passed"), points.map((point) => `${point}\n`).join(""));
      return;
    }
    if (!points.includes(order.point)) return;
    const deaths = countDeaths(home);
    if (deaths >= order.times || ++passed < (deaths === 0 ? order.nth : 1)) return;
    appendFileSync(join(home, "chaos", "deaths"), `${process.pid}\n`);
    process.kill(process.pid, "SIGKILL");
  };
}

function readLines(path: string): readonly string[] {
  return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
}
