/** Conformance of a ledger: what every engine must do. Called by the fake and by each real adapter. */
import { afterEach, describe, expect, it } from "vitest";
import type { Event, EventBody } from "../core/events.ts";
import type { Ledger } from "../core/ports.ts";

const paused = (run: `run_${string}`): EventBody => ({ type: "run.paused", run });

async function all(events: AsyncIterable<Event>): Promise<Event[]> {
  const list: Event[] = [];
  for await (const event of events) list.push(event);
  return list;
}

/** `reopen` gives the same ledger again after a close; undefined where it keeps nothing. */
export function ledgerSuite(
  name: string,
  open: () => Promise<Ledger>,
  reopen?: () => Promise<Ledger>,
): void {
  describe(`${name} as a ledger`, () => {
    let ledger: Ledger;
    const fresh = async (): Promise<Ledger> => (ledger = await open());
    afterEach(() => ledger.close());

    it("starts empty and numbers events from 1 without a gap", async () => {
      await fresh();
      expect(await ledger.head()).toBe(0);
      const first = await ledger.append(0, [paused("run_a"), paused("run_b")], 10);
      const second = await ledger.append(2, [paused("run_a")], 11);
      expect([...first, ...second].map(({ seq, at, v }) => [seq, at, v])).toEqual([
        [1, 10, 1],
        [2, 10, 1],
        [3, 11, 1],
      ]);
      expect(await ledger.head()).toBe(3);
    });

    it("refuses an append behind another writer and keeps nothing of it", async () => {
      await fresh();
      await ledger.append(0, [paused("run_a")], 1);
      await expect(ledger.append(0, [paused("run_b"), paused("run_c")], 2)).rejects.toMatchObject({
        code: "locked",
      });
      expect(await all(ledger.read(0))).toHaveLength(1);
    });

    it("reads back what was appended, maps included, filtered by run, type, place and number", async () => {
      await fresh();
      const remembered: EventBody = {
        type: "answer.remembered",
        run: "run_a",
        rule: "Bash(ls *)",
        allow: true,
      };
      await ledger.append(0, [paused("run_a"), remembered, paused("run_b")], 5);
      expect(await all(ledger.read(0, { run: "run_a" }))).toHaveLength(2);
      expect(await all(ledger.read(0, { types: ["answer.remembered"] }))).toEqual([
        { ...remembered, seq: 2, at: 5, v: 1 },
      ]);
      expect((await all(ledger.read(1))).map(({ seq }) => seq)).toEqual([2, 3]);
      expect(await all(ledger.read(0, { limit: 1 }))).toHaveLength(1);
    });

    it("reads thousands of events in order", async () => {
      await fresh();
      const many = Array.from({ length: 2_500 }, () => paused("run_a"));
      await ledger.append(0, many, 1);
      const seqs = (await all(ledger.read(0))).map(({ seq }) => seq);
      expect(seqs).toEqual(Array.from({ length: 2_500 }, (_, i) => i + 1));
    });

    it("tells subscribers of every append, until they stop", async () => {
      await fresh();
      const seen: number[] = [];
      const stop = ledger.subscribe((events) => seen.push(...events.map(({ seq }) => seq)));
      await ledger.append(0, [paused("run_a"), paused("run_a")], 1);
      stop();
      await ledger.append(2, [paused("run_a")], 1);
      expect(seen).toEqual([1, 2]);
    });

    it("keeps the newest snapshot only", async () => {
      await fresh();
      expect(await ledger.readSnapshot()).toBeUndefined();
      await ledger.append(0, [paused("run_a"), paused("run_a")], 1);
      await ledger.saveSnapshot(1, "one");
      await ledger.saveSnapshot(2, "two");
      expect(await ledger.readSnapshot()).toMatchObject({ seq: 2, state: "two" });
    });

    if (reopen !== undefined)
      it("has everything again after a close", async () => {
        await fresh();
        await ledger.append(0, [paused("run_a")], 7);
        await ledger.close();
        ledger = await reopen();
        expect(await all(ledger.read(0))).toEqual([
          { type: "run.paused", run: "run_a", seq: 1, at: 7, v: 1 },
        ]);
        await ledger.append(1, [paused("run_b")], 8);
        expect(await ledger.head()).toBe(2);
      });
  });
}
