import { expect, test } from "vitest";
import { openClock } from "./clock.ts";

const hour = 3_600_000;
const start = 1_700_000_000_000;

function machine(latest = start) {
  const time = { wall: start, awake: 0 };
  const clock = openClock(
    () => time.wall,
    latest,
    () => time.awake,
  );
  const pass = (awake: number, wall = awake): void => {
    time.wall += wall;
    time.awake += awake;
  };
  return { clock, pass };
}

test("the clock is the wall clock where nothing happens to that", () => {
  const { clock, pass } = machine();
  pass(10_000);
  expect(clock.now()).toBe(start + 10_000);
  expect(clock.slept()).toBe(0);
});

test("a wall clock that is set back goes on, and is caught up with later without a jump", () => {
  const { clock, pass } = machine();
  pass(0, -hour);
  expect(clock.now()).toBe(start);
  pass(2_000);
  expect(clock.now()).toBe(start + 2_000);
  pass(0, hour);
  expect(clock.now()).toBe(start + 2_000);
  expect(clock.slept()).toBe(0);
});

test("sleep is what the wall clock counts and the machine does not, told once", () => {
  const { clock, pass } = machine();
  pass(1_000, 8 * hour);
  expect(clock.slept()).toBe(8 * hour - 1_000);
  expect(clock.slept()).toBe(0);
});

test("it begins at the latest time on record", () => {
  const { clock, pass } = machine(start + hour);
  expect(clock.now()).toBe(start + hour);
  pass(500);
  expect(clock.now()).toBe(start + hour + 500);
});

test("slow drift between the clocks is neither sleep nor a jump back", () => {
  const { clock, pass } = machine();
  for (let i = 0; i < 100; i++) {
    pass(10_000, 10_050);
    clock.now();
  }
  expect(clock.slept()).toBe(0);
});
