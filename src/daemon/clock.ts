/**
 * The engine's clock: the wall clock, except that it never goes back and never stands still. A wall clock that is set back is
 * gone on from; what it is set forward by later is that much less of a jump.
 */
export interface Clock {
  /** Wall-clock ms, at least as late as ever before. */
  now(): number;
  /** How much more time has passed since the last call than the machine was awake for: it slept, or its clock was set forward. */
  slept(): number;
}

/** Wall and monotonic clocks of one machine drift apart by less than this between two readings. */
const driftMs = 1_000;

/** `wall` in ms; `latest` is the latest time that is on record. `awake` counts ms while the machine is awake. */
export function openClock(
  wall: () => number,
  latest: number,
  awake: () => number = () => performance.now(),
): Clock {
  let offset = Math.max(0, latest - wall());
  let last = { wall: wall(), awake: awake() };
  let jumped = 0;
  const now = (): number => {
    const next = { wall: wall(), awake: awake() };
    const ahead = next.wall - last.wall - (next.awake - last.awake);
    last = next;
    if (ahead < -driftMs) offset -= ahead;
    else if (ahead > driftMs) {
      const caughtUp = Math.min(offset, ahead);
      offset -= caughtUp;
      jumped += ahead - caughtUp;
    }
    return next.wall + offset;
  };
  return {
    now,
    slept() {
      now();
      const slept = Math.round(jumped);
      jumped = 0;
      return slept;
    },
  };
}
