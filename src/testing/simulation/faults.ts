/** What the simulated world can do to a daemon, apart from what effects themselves answer. */

export const faultKinds = [
  /** The daemon dies: what it was doing, what it was not told yet and what it had not recorded is gone. */
  "crash",
  /**
   * An effect did its work and what it saw never arrives: the daemon died in between, or the host failed after the fact and
   * answers a failure. What is due after that is performed on a world that has the work already.
   */
  "lost reply",
  /** The same news come once more. */
  "duplicate",
  "delay",
  /** News overtake those of another effect. */
  "reorder",
  /** Somebody sets the wall clock. */
  "clock jump",
  /** The machine sleeps: nothing moves, and the wall clock is hours ahead afterwards. */
  "sleep",
  /** The daemon alone stands still (a signal, a debugger, a disk that hangs); sessions go on, news pile up. */
  "halt",
  /** Nothing can be written: the ledger takes nothing, effects fail for want of space. */
  "full disk",
  /** Every append takes seconds, and what comes meanwhile waits in line. */
  "slow disk",
] as const;

export type FaultKind = (typeof faultKinds)[number];
