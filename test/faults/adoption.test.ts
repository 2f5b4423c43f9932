/** Sessions in the middle of a round over a kill of their daemon; `npm run soak` does the same with fifty. */
import { expect, test } from "vitest";
import { adoptsAll } from "./adopts.ts";
import { opened } from "./world.ts";

test("a dozen sessions in the middle of a round are taken over as they are after a kill, and no byte of their streams is lost (F1)", async (context) => {
  const world = await opened(context);
  expect((await world.muster(["ls"])).code).toBe(0);
  const { unread, lines } = await adoptsAll(world, 12, 1);
  console.log(`${unread} bytes written over the kill, ${lines} lines compared`);
});

test("eight sessions of the real binary are taken over as they are after a kill, and no byte of their streams is lost (F1)", async (context) => {
  const world = await opened(context, { real: true });
  expect((await world.muster(["ls"])).code).toBe(0);
  const { unread, lines } = await adoptsAll(world, 8, 1);
  console.log(`${unread} bytes written over the kill, ${lines} lines compared`);
});
