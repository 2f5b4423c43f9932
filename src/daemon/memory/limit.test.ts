import { describe, expect, it } from "vitest";
import type { Memory } from "../../process/memory.ts";
import {
  type Look,
  type Restraint,
  leastFreeBytes,
  mostStalledPercent,
  quietMs,
  reasonOf,
  restrain,
  restrained,
  unrestrained,
} from "./limit.ts";

const whole = { parallel: 16, resident: 32, gates: 4 };
const enough: Memory = { freeBytes: 8 * leastFreeBytes, stalledPercent: 0 };

function see(was: Restraint, over: Partial<Look>): Restraint {
  const look = { now: 0, killed: false, inFlight: 0, memory: enough, ...over };
  return restrain(was, look, whole.parallel);
}

const parallel = (of: Restraint, inFlight = 0): number => restrained(of, whole, inFlight).parallel;

describe("a kill for want of memory", () => {
  it.each([
    [16, 8],
    [9, 4],
    [2, 1],
    [1, 1],
    [0, 1],
  ])("with %i rounds in flight leaves room for %i (F28)", (inFlight, rounds) => {
    const after = see(unrestrained, { killed: true, inFlight });
    expect(restrained(after, whole, inFlight)).toEqual({
      parallel: rounds,
      resident: 2 * rounds,
      gates: 1,
    });
  });

  it("right behind another one takes away no more than the rounds that are in flight call for", () => {
    const once = see(unrestrained, { killed: true, inFlight: 8 });
    const twice = see(once, { killed: true, inFlight: 8, now: 1_000 });
    expect(parallel(twice)).toBe(4);
    expect(parallel(see(twice, { killed: true, inFlight: 4, now: 2_000 }))).toBe(2);
    expect(parallel(see(twice, { killed: true, inFlight: 12, now: 2_000 }))).toBe(4);
  });

  it("is forgotten step by step, one quiet time each (F28)", () => {
    let now = see(unrestrained, { killed: true, inFlight: 4 });
    const seen: number[] = [];
    for (let at = 0; at <= 4 * quietMs; at += quietMs / 4) {
      now = see(now, { now: at });
      seen.push(parallel(now));
    }
    expect(seen).toEqual([2, 2, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 16, 16, 16, 16, 16]);
    expect(restrained(now, whole, 0)).toBe(whole);
  });

  it("is not forgotten while memory is scarce, and counts anew from then on", () => {
    const killed = see(unrestrained, { killed: true, inFlight: 4 });
    const scarce = see(killed, { now: quietMs, memory: { ...enough, freeBytes: 1 } });
    expect(parallel(scarce, 9)).toBe(2);
    expect(parallel(see(scarce, { now: 2 * quietMs - 1 }))).toBe(2);
    expect(parallel(see(scarce, { now: 2 * quietMs }))).toBe(4);
  });
});

describe("scarce memory", () => {
  it.each<[string, Memory]>([
    ["little is free", { ...enough, freeBytes: leastFreeBytes - 1 }],
    ["much is waited for", { ...enough, stalledPercent: mostStalledPercent }],
  ])("lets run what runs, and one at least, where %s (F28)", (_, memory) => {
    const scarce = see(unrestrained, { memory });
    expect([0, 1, 5, 16].map((inFlight) => parallel(scarce, inFlight))).toEqual([1, 1, 5, 16]);
    expect(parallel(see(scarce, { now: 1 }), 5)).toBe(16);
  });

  it("is none where nothing is known", () => {
    const memory = { freeBytes: null, stalledPercent: null };
    expect(restrained(see(unrestrained, { memory }), whole, 3)).toBe(whole);
  });
});

describe("the reason", () => {
  it("is what a person can check, and none where nothing is held back", () => {
    const killed = see(unrestrained, { killed: true, inFlight: 4 });
    expect(reasonOf(killed, 59_000)).toBe(
      "the kernel killed for want of memory less than a minute ago",
    );
    expect(reasonOf(killed, 3 * 60_000)).toBe("the kernel killed for want of memory 3 minutes ago");
    const little = see(unrestrained, { memory: { ...enough, freeBytes: 100 * 1024 ** 2 } });
    expect(reasonOf(little, 0)).toBe("100 MB of memory are free");
    const slow = see(unrestrained, { memory: { ...enough, stalledPercent: 31.2 } });
    expect(reasonOf(slow, 0)).toBe("everything waits for memory 31 % of the time");
    expect(reasonOf(see(unrestrained, {}), 0)).toBeNull();
  });
});
