/**
 * The umask of children. Our own state is private (077), but what git, gates and sessions write is the person's: their files keep
 * the mask of the terminal that started us. Forking is synchronous, so setting it around the spawn reaches the child and nobody else.
 */
let mask: number | undefined;

/** Sets the mask that children start with from now on. Called once, by the daemon. */
export function setChildUmask(value: number): void {
  mask = value;
}

/** Calls `spawn` under the children's mask. */
export function withChildUmask<T>(spawn: () => T): T {
  if (mask === undefined) return spawn();
  const own = process.umask(mask);
  try {
    return spawn();
  } finally {
    process.umask(own);
  }
}
